"""Clients: made once for each service, without blocking the event loop, and again for new keys.

Clients of keys that were replaced are closed as soon as no call uses them: a server that renews
its credentials for months has one client of each service, not one for every renewal.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Executor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from ...errors import CredentialsFailed
from ..model.access import Access
from ..model.describe_parser import read_leanly
from .aws_errors import CredentialHelperFailed, Kind, classify
from .credentials import blocking_session, configure, refuse_prompt
from .single_flight import single_flight

# Calls of one service under way at once. A thousand tasks that start together otherwise keep the
# event loop busy with their uploads before the first job is submitted.
CONNECTIONS = 32

# Seconds between two looks for new credentials, while there are none that AWS accepts.
RENEWAL = 2.0


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


def client_options(access: Access) -> dict[str, Any]:
    """Return what every client is made with."""
    return {"region_name": access.region, "endpoint_url": access.endpoint_url or None}


def config_options(access: Access) -> dict[str, Any]:
    """Return the configuration of every client. Retries are this module's, not botocore's."""
    return {
        "retries": {"total_max_attempts": 1, "mode": "standard"},
        "max_pool_connections": CONNECTIONS,
        "connect_timeout": 10,
        "read_timeout": 60,
        "user_agent_extra": "covalent-awsbatch-plugin",
        "s3": {"addressing_style": "path" if access.endpoint_url else "auto"},
        # By default the environment's; on a loopback address a proxy would call itself.
        "proxies": {} if is_loopback(access.endpoint_url) else None,
    }


def is_loopback(url: str) -> bool:
    """Return whether a URL leads to this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass
class _Client:
    """A client with the number of calls that use it."""

    client: Any
    users: int = 0
    retired: bool = False

    async def close_if_unused(self) -> None:
        if self.retired and not self.users:
            await self.client.close()


@dataclass
class _BlockingClient:
    """A client for threads, made for certain keys."""

    client: Any
    keys: tuple[str, ...]
    users: int = 0


class Clients:
    """The clients of one identity, for one event loop.

    Args:
        access: The identity.
        threads: Where whatever blocks is done.

    Attributes:
        generation: How often other keys have been found.
    """

    def __init__(self, access: Access, threads: Executor) -> None:
        self.generation = 0
        self._access = access
        self._threads = threads
        self._login: dict[str, asyncio.Task[_Login]] = {}
        self._clients: dict[str, asyncio.Task[_Client]] = {}
        self._blocking: dict[str, _BlockingClient] = {}
        self._lock = threading.Lock()
        self._keys: tuple[str, ...] = ()
        self._renewed = float("-inf")
        self._renewals: dict[str, asyncio.Task[None]] = {}

    def __repr__(self) -> str:
        return f"<Clients {', '.join(sorted(self._clients))}>"

    @property
    def keys(self) -> tuple[str, ...]:
        """The credentials of the latest call; they may renew themselves."""
        return self._keys

    async def close(self) -> None:
        """Close every connection."""
        await self._retire()
        with self._lock:
            blocking, self._blocking = self._blocking, {}
        for each in blocking.values():
            each.client.close()

    @asynccontextmanager
    async def use(self, service: str) -> AsyncIterator[Any]:
        """Give the event loop's client of a service.

        Raises:
            CredentialsFailed: The credentials file or profile does not exist.
            CredentialHelperFailed: A program or file that provides credentials failed.
        """
        held = await self._get(service)
        while held.retired:
            held = await self._get(service)
        held.users += 1
        try:
            yield held.client
        finally:
            held.users -= 1
            await held.close_if_unused()

    async def _get(self, service: str) -> _Client:
        login = await single_flight(self._login, "login", self._log_in)
        self._keys = await login.keys()
        return await single_flight(self._clients, service, lambda: self._make(service, login))

    async def _log_in(self) -> _Login:
        # Imports take a third of a second.
        loop = asyncio.get_running_loop()
        session = await loop.run_in_executor(self._threads, make_session, self._access)
        return await find_login(session)

    async def _make(self, service: str, login: _Login) -> _Client:
        # botocore reads megabytes of JSON for a client, in a thread, and what it reads stays.
        loop = asyncio.get_running_loop()
        loader = login.session.get_component("data_loader")
        await loop.run_in_executor(self._threads, read_models, loader, service)
        from aiobotocore.config import AioConfig

        config = AioConfig(**config_options(self._access))
        options = client_options(self._access)
        client = await login.session.create_client(service, config=config, **options).__aenter__()
        if service == "batch":
            read_leanly(client)
        return _Client(client)

    async def renew(self, at_once: bool = True) -> None:
        """Look for credentials anew; where there are others, the next calls get new clients.

        Args:
            at_once: Whether to do nothing where that was done a moment ago, instead of waiting
                until it can be done again.
        """
        loop = asyncio.get_running_loop()
        wait = self._renewed + RENEWAL - loop.time()
        if wait > 0 and at_once:
            return
        await asyncio.sleep(max(wait, 0))
        await single_flight(self._renewals, "renewal", self._renew)

    async def _renew(self) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() - self._renewed < RENEWAL:
            return
        self._renewed = loop.time()
        try:
            login = await self._log_in()
            keys = await login.keys()
        except CredentialsFailed:
            return
        except Exception as error:
            if classify(error) is Kind.FOREIGN:
                raise
            return
        finally:
            self._renewals.clear()
        if keys and keys != self._keys:
            await self._retire()
            self._login["login"] = loop.create_task(_give(login))
            self._keys = keys
            self.generation += 1

    async def _retire(self) -> None:
        """Close the clients that are not in use; those that are follow when they are not."""
        clients, self._clients = self._clients, {}
        self._login = {}
        made = await asyncio.gather(*clients.values(), return_exceptions=True)
        for held in made:
            if isinstance(held, _Client):
                held.retired = True
                await held.close_if_unused()

    @contextmanager
    def blocking(self, service: str) -> Iterator[Any]:
        """Give a client for threads, as s3transfer wants it; to be used in one."""
        with self._lock:
            held = self._blocking.get(service)
            if held is None or held.keys != self._keys:
                if held is not None and not held.users:
                    held.client.close()
                held = self._blocking[service] = self._make_blocking(service, self._keys)
            held.users += 1
        try:
            yield held.client
        finally:
            with self._lock:
                held.users -= 1
                if self._blocking.get(service) is not held and not held.users:
                    held.client.close()

    def _make_blocking(self, service: str, keys: tuple[str, ...]) -> _BlockingClient:
        import boto3
        from botocore.config import Config

        session = blocking_session(self._access)
        if keys:
            # Those of the event loop's clients: what provides them is not run twice.
            session.set_credentials(*keys)
        # What ``transfer`` repeats is all parts, so that a part is repeated here first.
        options = {**config_options(self._access), "retries": {"mode": "standard"}}
        client = boto3.Session(botocore_session=session).client(
            service, config=Config(**options), **client_options(self._access)
        )
        return _BlockingClient(client, keys)


@dataclass(frozen=True)
class _Login:
    """An asynchronous session with its credentials, which may renew themselves."""

    session: Any
    credentials: Any

    async def keys(self) -> tuple[str, ...]:
        """Return the keys as they are now; nothing where there are none."""
        if self.credentials is None:
            return ()
        with _named():
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


async def find_login(session: Any) -> _Login:
    """Return a session with its credentials."""
    with _named():
        return _Login(session, await session.get_credentials())


async def _give(login: _Login) -> _Login:
    return login


@contextmanager
def _named() -> Iterator[None]:
    """Raise CredentialHelperFailed for whatever a program that provides credentials raises."""
    try:
        yield
    except Exception as error:
        if isinstance(error, CredentialsFailed) or classify(error) is not Kind.FOREIGN:
            raise
        raise CredentialHelperFailed(f"{type(error).__name__}: {error}") from error
