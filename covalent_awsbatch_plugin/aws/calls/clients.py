"""Clients: made once for each service, without blocking the event loop, and again for new keys.

Clients of keys that were replaced are closed as soon as no call uses them: a server that renews
its credentials for months has one client of each service, not one for every renewal.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from ...errors import CredentialsFailed
from ..model.access import Access
from ..model.describe_parser import read_leanly
from .aws_errors import Kind, classify
from .blocking_clients import BlockingClients
from .client_options import client_options, config_options
from .login import Login, find_login, make_session, read_models
from .single_flight import single_flight

# Seconds between two looks for new credentials, while there are none that AWS accepts.
RENEWAL = 2.0


@dataclass
class _Client:
    """A client with the number of calls that use it."""

    client: Any
    users: int = 0
    retired: bool = False

    async def close_if_unused(self) -> None:
        if self.retired and not self.users:
            await self.client.close()


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
        self._login: dict[str, asyncio.Task[Login]] = {}
        self._clients: dict[str, asyncio.Task[_Client]] = {}
        self._blocking = BlockingClients(access)
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
        self._blocking.close()

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

    async def _log_in(self) -> Login:
        # Imports take a third of a second.
        loop = asyncio.get_running_loop()
        session = await loop.run_in_executor(self._threads, make_session, self._access)
        return await find_login(session)

    async def _make(self, service: str, login: Login) -> _Client:
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

    def blocking(self, service: str) -> AbstractContextManager[Any]:
        """Give a client for threads, as s3transfer wants it; to be used in one."""
        return self._blocking.use(service, self._keys)

    async def _retire(self) -> None:
        """Close the clients that are not in use; those that are follow when they are not."""
        clients, self._clients = self._clients, {}
        self._login = {}
        made = await asyncio.gather(*clients.values(), return_exceptions=True)
        for held in made:
            if isinstance(held, _Client):
                held.retired = True
                await held.close_if_unused()


async def _give(login: Login) -> Login:
    return login
