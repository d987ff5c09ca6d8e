"""Where credentials come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...errors import CredentialsFailed
from ..model.access import Access

DEFAULT_CREDENTIALS = "~/.aws/credentials"


def configure(session: Any, access: Access) -> None:
    """Point a botocore session (an asynchronous one too) at the credentials of ``access``.

    The documented defaults mean the SDK's own search where they do not exist, so that instance
    roles, SSO and environment variables serve an unchanged configuration.

    Raises:
        CredentialsFailed: The credentials file or profile of an option does not exist.
    """
    path = Path(access.credentials_file).expanduser() if access.credentials_file else None
    if path and path.is_file():
        session.set_config_variable("credentials_file", str(path))
    elif path and _is_elsewhere(access.credentials_file):
        raise CredentialsFailed(
            f"There is no credentials file {path} on the Covalent server's machine.",
            advice="correct the option credentials=, or leave it out: then the AWS SDK searches "
            "by itself.",
        )
    if access.profile and access.profile in session.available_profiles:
        session.set_config_variable("profile", access.profile)
    elif access.profile not in ("", "default"):
        known = ", ".join(sorted(session.available_profiles)) or "none"
        raise CredentialsFailed(
            f"There is no AWS profile {access.profile!r} on the Covalent server's machine; there "
            f"are: {known}.",
            advice="correct the option profile=, or create it with 'aws configure --profile "
            f"{access.profile}'.",
        )


def blocking_session(access: Access) -> Any:
    """Return a botocore session of this identity.

    Raises:
        CredentialsFailed: The credentials file or profile does not exist.
    """
    from botocore.session import Session as BotocoreSession

    session = BotocoreSession()
    configure(session, access)
    return session


def session_options(access: Access) -> dict[str, str]:
    """Return keyword arguments of a ``boto3.Session`` with this identity.

    boto3's session takes no credentials file: the keys of one that is not the default are given
    themselves.

    Raises:
        CredentialsFailed: The credentials file or profile does not exist.
    """
    session = blocking_session(access)
    options: dict[str, str] = {"region_name": access.region}
    overridden = session.instance_variables()
    if "credentials_file" in overridden and _is_elsewhere(access.credentials_file):
        found = session.get_credentials()
        if found is not None:
            keys = found.get_frozen_credentials()
            options["aws_access_key_id"] = str(keys.access_key)
            options["aws_secret_access_key"] = str(keys.secret_key)
            if keys.token:
                options["aws_session_token"] = keys.token
    elif "profile" in overridden:
        options["profile_name"] = access.profile
    return options


def _is_elsewhere(credentials_file: str) -> bool:
    return Path(credentials_file).expanduser() != Path(DEFAULT_CREDENTIALS).expanduser()
