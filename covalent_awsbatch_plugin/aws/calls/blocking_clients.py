"""Clients for threads, which large transfers need; made again for other credentials."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..model.access import Access
from .client_options import client_options, config_options
from .credentials import blocking_session


@dataclass
class _BlockingClient:
    """A client for threads, made for certain keys."""

    client: Any
    keys: tuple[str, ...]
    users: int = 0


class BlockingClients:
    """The clients for threads of one identity.

    Args:
        access: The identity.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._clients: dict[str, _BlockingClient] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<BlockingClients {', '.join(sorted(self._clients))}>"

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            clients, self._clients = self._clients, {}
        for each in clients.values():
            each.client.close()

    @contextmanager
    def use(self, service: str, keys: tuple[str, ...]) -> Iterator[Any]:
        """Give a client, as s3transfer wants it; to be used in a thread.

        Args:
            service: botocore's name of the service.
            keys: The credentials, as they are now.
        """
        with self._lock:
            held = self._clients.get(service)
            if held is None or held.keys != keys:
                if held is not None and not held.users:
                    held.client.close()
                held = self._clients[service] = self._make(service, keys)
            held.users += 1
        try:
            yield held.client
        finally:
            with self._lock:
                held.users -= 1
                if self._clients.get(service) is not held and not held.users:
                    held.client.close()

    def _make(self, service: str, keys: tuple[str, ...]) -> _BlockingClient:
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
