"""Where credentials come from: what the user chose, else what the AWS SDK chooses.

In an ``Access``, an empty profile or credentials file is the SDK's to choose: keys in the
environment, AWS_PROFILE, AWS_SHARED_CREDENTIALS_FILE, web identity, SSO, the role of the host.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import CredentialsFailed
from ..model.access import Access
from .aws_errors import Kind, classify

DEFAULT_CREDENTIALS = "~/.aws/credentials"
DEFAULT_PROFILE = "default"

PROFILE_VARIABLES = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE")


@dataclass(frozen=True)
class Reader:
    """Who reads an error: what the host and the options are called, and whether to prompt.

    Attributes:
        host: The host where credentials are looked for.
        profile: What names a profile.
        credentials: What names a credentials file.
        at_terminal: Whether a person can be asked for an MFA code.
    """

    host: str = "the Covalent server's host"
    profile: str = "the option profile="
    credentials: str = "the option credentials="
    at_terminal: bool = False


SERVER = Reader()


# ---- Profile and credentials file


def configure(session: Any, access: Access, reader: Reader = SERVER) -> None:
    """Point a botocore session (an asynchronous one too) at what ``access`` names.

    Raises:
        CredentialsFailed: A credentials file or profile that was named does not exist.
    """
    # A role is assumed at the region's endpoint; without a region at the one in us-east-1.
    if access.region:
        session.set_config_variable("region", access.region)
    named_file = _use_file(session, access, reader)
    with files_are_read():
        profile = access.profile or (session.get_config_variable("profile") if named_file else "")
        _use_profile(session, profile or "", named_file, reader)


def _use_file(session: Any, access: Access, reader: Reader) -> str:
    """Use the credentials file that was named, and return its path."""
    if not access.credentials_file:
        return ""
    path = Path(access.credentials_file).expanduser()
    if path.is_file():
        session.set_config_variable("credentials_file", str(path))
        return str(path)
    if is_default_file(access.credentials_file):
        return ""
    raise CredentialsFailed(
        f"There is no credentials file {path} on {reader.host}.",
        advice=f"correct {reader.credentials}, or leave it out: then the AWS SDK searches by "
        "itself.",
    )


def _use_profile(session: Any, profile: str, named_file: str, reader: Reader) -> None:
    """Use a profile; that of a file that was named wins over keys in the environment too."""
    name = profile or (DEFAULT_PROFILE if named_file else "")
    if not name:
        return
    if name in session.available_profiles:
        session.set_config_variable("profile", name)
        return
    if name == DEFAULT_PROFILE and not named_file:
        # The documented default need not exist: an instance's role serves as well.
        return
    known = ", ".join(sorted(session.available_profiles)) or "none"
    raise CredentialsFailed(
        f"There is no AWS profile {name!r} on {reader.host}; there are: {known}.",
        advice=f"correct {reader.profile}, or create it with 'aws configure --profile {name}'.",
    )


def is_default_file(credentials_file: str) -> bool:
    """Return whether a path is that of the SDK's own credentials file."""
    return Path(credentials_file).expanduser() == Path(DEFAULT_CREDENTIALS).expanduser()


# ---- Credentials


def blocking_session(access: Access, reader: Reader = SERVER) -> Any:
    """Return a botocore session of this identity.

    Raises:
        CredentialsFailed: The credentials file or profile does not exist.
    """
    from botocore.session import Session as BotocoreSession

    session = BotocoreSession()
    configure(session, access, reader)
    return session


def load_credentials(session: Any, reader: Reader = SERVER) -> Any:
    """Return a session's credentials, for which helpers are run and roles assumed; or nothing.

    Raises:
        CredentialsFailed: A helper of the user's failed, or asks for an MFA code.
    """
    with helpers_explained():
        refuse_prompt(session, reader)
        found = session.get_credentials()
        if found is not None:
            found.get_frozen_credentials()
        return found


@contextmanager
def helpers_explained() -> Iterator[None]:
    """Raise whatever a credential helper raises as CredentialsFailed, with the cause.

    What AWS answers, and what the network does, is left to those who know whether to ask again.
    """
    try:
        yield
    except CredentialsFailed:
        raise
    except Exception as error:
        if classify(error) is not Kind.FOREIGN:
            raise
        raise CredentialsFailed(
            f"The AWS SDK could not get credentials: {type(error).__name__}: {error}",
            advice="check the profile's credential_process, role_arn and sso settings in "
            "~/.aws/config: 'aws sts get-caller-identity' should work on this host.",
        ) from error


def refuse_prompt(session: Any, reader: Reader = SERVER) -> None:
    """Refuse a role that needs an MFA code where there is nothing to type it into.

    Raises:
        CredentialsFailed: The profile's role needs one.
    """
    overridden = "profile" in session.instance_variables()
    if reader.at_terminal or (os.environ.get("AWS_ACCESS_KEY_ID") and not overridden):
        return
    with files_are_read():
        profile = _profile_with_mfa(session)
    if profile:
        raise CredentialsFailed(
            f"The AWS profile {profile!r} has mfa_serial: its role needs an MFA code, and there "
            "is no terminal to type it into.",
            advice=f"use a profile without mfa_serial ({reader.profile}), such as one of 'aws "
            "sso login' or with temporary keys of 'aws sts assume-role'.",
        )


def _profile_with_mfa(session: Any) -> str:
    profiles = session.full_config.get("profiles", {})
    name, seen = session.get_config_variable("profile") or DEFAULT_PROFILE, set()
    while name in profiles and name not in seen:
        seen.add(name)
        if "role_arn" in profiles[name] and "mfa_serial" in profiles[name]:
            return str(name)
        name = profiles[name].get("source_profile", "")
    return ""


@contextmanager
def files_are_read() -> Iterator[None]:
    """Raise CredentialsFailed where AWS's configuration cannot be read."""
    from botocore.exceptions import BotoCoreError

    try:
        yield
    except BotoCoreError as error:
        raise CredentialsFailed(
            f"AWS's configuration cannot be used: {error}",
            advice="correct ~/.aws/config, ~/.aws/credentials or AWS_PROFILE on this host.",
        ) from error


def session_options(access: Access) -> dict[str, str]:
    """Return keyword arguments of a ``boto3.Session`` with this identity.

    boto3's session takes no credentials file: the keys of one that was named are given
    themselves.

    Raises:
        CredentialsFailed: The credentials file or profile does not exist.
    """
    session = blocking_session(access)
    options: dict[str, str] = {"region_name": access.region}
    overridden = session.instance_variables()
    if "credentials_file" in overridden and not is_default_file(access.credentials_file):
        found = load_credentials(session)
        if found is not None:
            keys = found.get_frozen_credentials()
            options["aws_access_key_id"] = str(keys.access_key)
            options["aws_secret_access_key"] = str(keys.secret_key)
            if keys.token:
                options["aws_session_token"] = keys.token
    elif "profile" in overridden:
        options["profile_name"] = overridden["profile"]
    return options
