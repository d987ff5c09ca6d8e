"""Clients: made once for each service, without blocking the event loop, and again for new keys."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Executor
from contextlib import AsyncExitStack
from functools import lru_cache
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from ..model.access import Access
from ..model.describe_parser import read_leanly
from .credentials import blocking_session, configure, find_keys
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


class Clients:
    """The clients of one identity, for one event loop.

    Args:
        access: The identity.
        threads: Where whatever blocks is done.
    """

    def __init__(self, access: Access, threads: Executor) -> None:
        self._access = access
        self._threads = threads
        self._stack = AsyncExitStack()
        self._session: Any = None
        self._clients: dict[str, asyncio.Task[Any]] = {}
        self._blocking: dict[str, Any] = {}
        self._keys: tuple[str, ...] = ()
        self._renewed = float("-inf")

    def __repr__(self) -> str:
        return f"<Clients {', '.join(sorted(self._clients))}>"

    async def close(self) -> None:
        """Close every connection."""
        await self._stack.aclose()

    async def get(self, service: str) -> Any:
        """Return the event loop's client of a service.

        Raises:
            CredentialsFailed: The credentials file or profile does not exist.
        """
        return await single_flight(self._clients, service, lambda: self._make(service))

    async def _make(self, service: str) -> Any:
        # botocore reads megabytes of JSON for a client, and imports take a third of a second:
        # both happen in a thread, and what they read stays.
        loop = asyncio.get_running_loop()
        session = await loop.run_in_executor(self._threads, self._warm_session, service)
        from aiobotocore.config import AioConfig

        config = AioConfig(**config_options(self._access))
        manager = session.create_client(service, config=config, **client_options(self._access))
        client = await self._stack.enter_async_context(manager)
        if service == "batch":
            read_leanly(client)
        return client

    def _warm_session(self, service: str) -> Any:
        from aiobotocore.session import AioSession

        if self._session is None:
            session = AioSession()
            configure(session, self._access)
            data_path = session.get_config_variable("data_path")
            session.register_component("data_loader", shared_loader(data_path))
            # Otherwise each answer leaves a parser behind, which only the collector can free.
            parsers = session.get_component("response_parser_factory")
            parsers.create_parser = lru_cache(parsers.create_parser)
            self._keys = find_keys(self._access)
            self._session = session
        read_models(self._session.get_component("data_loader"), service)
        return self._session

    async def renew(self) -> None:
        """Look for credentials anew; where there are others, the next calls get new clients."""
        loop = asyncio.get_running_loop()
        if loop.time() - self._renewed < RENEWAL:
            return
        self._renewed = loop.time()
        keys = await loop.run_in_executor(self._threads, find_keys, self._access)
        if keys and keys != self._keys:
            self._session = None
            self._clients.clear()
            self._blocking.clear()

    def blocking(self, service: str) -> Any:
        """Return a client for threads, as s3transfer wants it; to be called in one."""
        if service not in self._blocking:
            import boto3
            from botocore.config import Config

            session = blocking_session(self._access)
            # What ``transfer`` repeats is all parts, so that a part is repeated here first.
            options = {**config_options(self._access), "retries": {"mode": "standard"}}
            self._blocking[service] = boto3.Session(botocore_session=session).client(
                service, config=Config(**options), **client_options(self._access)
            )
        return self._blocking[service]
