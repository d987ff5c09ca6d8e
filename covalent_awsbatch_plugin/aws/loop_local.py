"""What lives as long as it is used, once for each event loop and key.

The executor holds plain values only, so connections and helper processes live here instead: made
for the first user, shared by the others, and closed some seconds after the last one, or when the
event loop ends.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar
from weakref import WeakKeyDictionary


class Closable(Protocol):
    """Something that has to be closed."""

    async def close(self) -> None:
        """Close it."""


K = TypeVar("K", bound=Hashable)
R = TypeVar("R", bound=Closable)


@dataclass
class _Lease(Generic[R]):
    resource: R
    users: int = 0
    closer: asyncio.Task[None] | None = None


class LoopLocal(Generic[K, R]):
    """Resources by event loop and key.

    Args:
        make: Makes the resource of a key.
        idle: Seconds without a user after which a resource is closed.
    """

    def __init__(self, make: Callable[[K], R], idle: float) -> None:
        self._make = make
        self._idle = idle
        self._leases: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[K, _Lease[R]]] = (
            WeakKeyDictionary()
        )

    def alive(self) -> list[R]:
        """Return the running event loop's resources."""
        leases = self._leases.get(asyncio.get_running_loop(), {})
        return [lease.resource for lease in leases.values()]

    @contextlib.asynccontextmanager
    async def use(self, key: K) -> AsyncIterator[R]:
        """Give the running event loop's resource of a key."""
        leases = self._leases.setdefault(asyncio.get_running_loop(), {})
        if key not in leases:
            leases[key] = _Lease(self._make(key))
        lease = leases[key]
        lease.users += 1
        if lease.closer is not None:
            lease.closer.cancel()
            lease.closer = None
        try:
            yield lease.resource
        finally:
            lease.users -= 1
            if not lease.users:
                lease.closer = asyncio.create_task(self._close_when_idle(leases, key, lease))

    async def _close_when_idle(self, leases: dict[K, _Lease[R]], key: K, lease: _Lease[R]) -> None:
        stopping = False
        try:
            await asyncio.sleep(self._idle)
        except asyncio.CancelledError:
            if lease.users:
                return  # It is in use again.
            stopping = True  # The event loop ends: there is no later.
        if leases.get(key) is lease:
            del leases[key]
        await lease.resource.close()
        if stopping:
            raise asyncio.CancelledError
