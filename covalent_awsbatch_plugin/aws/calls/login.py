"""Sessions of the AWS SDK with their credentials, made without blocking the event loop."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ...errors import CredentialsFailed
from ..model.access import Access
from .aws_errors import CredentialHelperFailed, Kind, classify
from .credentials import configure, refuse_prompt

# Reading a file of JSON lets no other thread run, for up to 25 ms. One after the other, the event
# loop gets its turns in between.
_reading = threading.Lock()


@lru_cache(maxsize=8)
def shared_loader(data_path: str | None) -> Any:
    """Return what reads botocore's files and keeps them: the same for all sessions."""
    from botocore.loaders import create_loader

    return create_loader(data_path)


def read_models(loader: Any, service: str) -> None:
    """Read what a client of a service is made of, so that making it does not have to."""
    with _reading:
        for kind in ("service-2", "endpoint-rule-set-1", "paginators-1"):
            loader.load_service_model(service, kind)
        loader.load_data("endpoints")


@dataclass(frozen=True)
class Login:
    """An asynchronous session with its credentials, which may renew themselves."""

    session: Any
    credentials: Any

    async def keys(self) -> tuple[str, ...]:
        """Return the keys as they are now; nothing where there are none."""
        if self.credentials is None:
            return ()
        with named():
            found = await self.credentials.get_frozen_credentials()
        return tuple(str(each) for each in found[:3] if each is not None)


def make_session(access: Access) -> Any:
    """Return an asynchronous session of an identity."""
    from aiobotocore.session import AioSession

    session = AioSession()
    configure(session, access)
    refuse_prompt(session)
    data_path = session.get_config_variable("data_path")
    session.register_component("data_loader", shared_loader(data_path))
    # Otherwise each response leaves a parser behind, which only the collector can free.
    parsers = session.get_component("response_parser_factory")
    parsers.create_parser = lru_cache(parsers.create_parser)
    return session


async def find_login(session: Any) -> Login:
    """Return a session with its credentials."""
    with named():
        return Login(session, await session.get_credentials())


@contextmanager
def named() -> Iterator[None]:
    """Raise CredentialHelperFailed for whatever a program that provides credentials raises."""
    try:
        yield
    except Exception as error:
        if isinstance(error, CredentialsFailed) or classify(error) is not Kind.FOREIGN:
            raise
        raise CredentialHelperFailed(f"{type(error).__name__}: {error}") from error
