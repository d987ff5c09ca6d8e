"""The account and region that a command works on: options, credentials, clients.

The same rules as the executor's: an option wins over the Covalent configuration, and what neither
chooses is as boto3 does it. So what a command sees is what a Covalent server in the same
environment sees.
"""

from __future__ import annotations

import difflib
import os
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import click

from ...aws.calls.client_options import client_options, config_options
from ...aws.calls.credentials import Reader, blocking_session, load_credentials
from ...aws.calls.regions import Region, region_of
from ...aws.model.access import Access, Identity
from ...options import resolution
from .configuration import read_section
from .errors import WrongCall

# A command's user waits for the answer: seconds to connect, and how often a call is tried.
CONNECT_TIMEOUT = 5
ATTEMPTS = 3

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass
class Account:
    """Clients of one account and region, made when first asked for; safe to share by threads."""

    access: Access
    session: Any
    region_source: str = ""
    credentials_source: str = ""
    _clients: dict[str, Any] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def client(self, service: str) -> Any:
        """Return the client of a service."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._make_client(service)
            return self._clients[service]

    def _make_client(self, service: str) -> Any:
        from botocore.config import Config

        options = {
            **config_options(self.access),
            "connect_timeout": CONNECT_TIMEOUT,
            "retries": {"mode": "standard", "total_max_attempts": ATTEMPTS},
        }
        return self.session.client(
            service, config=Config(**options), **client_options(self.access)
        )

    @property
    def region(self) -> str:
        """The region's name."""
        return self.access.region

    @property
    def endpoint_url(self) -> str:
        """The URL of all services; empty for AWS itself."""
        return endpoint_of(self.access)

    def identity(self) -> Identity:
        """Return who these credentials are."""
        answer = self.client("sts").get_caller_identity()
        return Identity(answer["Account"], answer["Arn"].split(":")[1], answer["Arn"])


def account_options(command: Function) -> Function:
    """Add the options that name the account and region a command works on."""
    for option in reversed(
        (
            click.option("--profile", help="AWS profile.  [default: as configured for Covalent]"),
            click.option("--region", help="AWS region.  [default: as configured for Covalent]"),
            click.option(
                "--endpoint-url", help="URL of the local AWS; '' for none.", metavar="URL"
            ),
            click.option(
                "--credentials",
                metavar="FILE",
                type=click.Path(dir_okay=False),
                help="AWS credentials file.  [default: as configured for Covalent]",
            ),
        )
    ):
        command = option(command)
    return command


def access_of(options: Mapping[str, Any], configured: Mapping[str, Any]) -> Access:
    """Return which AWS a command's options and the Covalent configuration mean.

    Raises:
        InvalidOptions: A value has the wrong form.
    """
    names = ("credentials", "profile", "region", "endpoint_url")
    values = resolution.resolve(
        {name: options.get(name) for name in names},
        {name: configured[name] for name in names if configured.get(name)},
    )
    named = {name: options.get(name) for name in resolution.SDK_OPTIONS}
    chosen = resolution.chosen(values, resolution.left_to_sdk(named, configured))
    return Access(**chosen, endpoint_url=values["endpoint_url"])


def endpoint_of(access: Access) -> str:
    """Return the URL of all services that was chosen, here or in the environment; empty for AWS.

    The environment's is botocore's to use: it has URLs for single services too.
    """
    ignored = os.environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true"
    return access.endpoint_url or ("" if ignored else os.environ.get("AWS_ENDPOINT_URL", ""))


def connect(
    access: Access, configured: str = "the options or the Covalent configuration"
) -> Account:
    """Return an account; credentials that come from a role or a helper are fetched.

    Args:
        access: Which account.
        configured: Where its region comes from, where it has one.

    Raises:
        CredentialsFailed: There is no such credentials file or profile, or a helper failed.
        WrongCall: AWS has no such region.
    """
    import boto3

    reader = command_line()
    core = blocking_session(access, reader)
    chosen = Region(access.region, "") if access.region else region_of(access)
    core.set_config_variable("region", chosen.name)
    session = boto3.Session(botocore_session=core)
    if not endpoint_of(access):
        _check_region(session, chosen.name)
    found = load_credentials(core, reader)
    return Account(
        access=replace(access, region=chosen.name),
        session=session,
        region_source=chosen.source or configured,
        credentials_source=_source(core, found),
    )


# botocore's names of where credentials come from, for those that a reader would not recognise.
_SOURCES = {
    "env": "keys in the environment",
    "explicit": "keys in the environment",
    "shared-credentials-file": "the credentials file",
    "config-file": "the AWS configuration file",
    "custom-process": "credential_process",
    "assume-role": "an assumed role",
    "assume-role-with-web-identity": "web identity",
    "container-role": "the container's role",
    "iam-role": "the instance's role",
}


def _source(core: Any, found: Any) -> str:
    if found is None:
        return ""
    method = _SOURCES.get(found.method, str(found.method))
    profile = core.get_config_variable("profile") or ""
    return method if found.method == "env" or not profile else f"{method}, profile {profile}"


def command_line() -> Reader:
    """Return how errors of a command name this machine and its options."""
    return Reader("this machine", "--profile", "--credentials", at_terminal=sys.stdin.isatty())


def connect_from(options: Mapping[str, Any]) -> Account:
    """Return the account of a command's options and the Covalent configuration."""
    return connect(access_of(options, read_section()))


def _check_region(session: Any, region: str) -> None:
    known = [
        name
        for partition in session.get_available_partitions()
        for name in session.get_available_regions("batch", partition)
    ]
    if region in known:
        return
    like = difflib.get_close_matches(region, known, n=3)
    hint = f"did you mean {' or '.join(like)}? " if like else ""
    raise WrongCall(
        f"AWS Batch has no region {region!r} that this boto3 knows.",
        f"{hint}Name one with --region; for a newer region, upgrade boto3.",
    )
