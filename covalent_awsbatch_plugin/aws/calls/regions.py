"""Where the region comes from: what the user chose, else what the AWS SDK chooses."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import lru_cache

from ..model.access import Access
from .credentials import (
    DEFAULT_CREDENTIALS,
    DEFAULT_PROFILE,
    PROFILE_VARIABLES,
    configure,
    files_are_read,
)

DEFAULT_REGION = "us-east-1"

# botocore reads the second alone; every other SDK and AWS's command line read the first too.
REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")


@dataclass(frozen=True)
class Region:
    """A region, and in words where it comes from."""

    name: str
    source: str


def located(access: Access) -> Access:
    """Return an access with its region, where it leaves that open.

    Raises:
        CredentialsFailed: The profile does not exist, or AWS's files cannot be read.
    """
    return access if access.region else replace(access, region=region_of(access).name)


def region_of(access: Access) -> Region:
    """Return the region of an access that leaves it open: the environment's or the profile's.

    Raises:
        CredentialsFailed: The profile does not exist, or AWS's files cannot be read.
    """
    for variable in REGION_VARIABLES:
        if os.environ.get(variable):
            return Region(os.environ[variable], f"the environment variable {variable}")
    named = next((os.environ[v] for v in PROFILE_VARIABLES if os.environ.get(v)), "")
    return _region_of_files(access, access.profile or named, _state_of_files(access))


# Reading the files takes some 20 ms, and each electron asks.
@lru_cache(maxsize=32)
def _region_of_files(access: Access, profile: str, _state: tuple[object, ...]) -> Region:
    from botocore.session import Session as BotocoreSession

    session = BotocoreSession()
    configure(session, access)
    with files_are_read():
        found = session.get_config_variable("region")
    if found:
        return Region(str(found), f"the AWS profile {profile or DEFAULT_PROFILE!r}")
    return Region(DEFAULT_REGION, "the default")


def _state_of_files(access: Access) -> tuple[object, ...]:
    environ = os.environ
    names = (
        environ.get("AWS_CONFIG_FILE") or "~/.aws/config",
        access.credentials_file
        or environ.get("AWS_SHARED_CREDENTIALS_FILE")
        or DEFAULT_CREDENTIALS,
    )
    return tuple((path, _changed_at(path)) for path in map(os.path.expanduser, names))


def _changed_at(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0
