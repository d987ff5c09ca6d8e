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

# Seconds for which an event loop that ends waits for the users of a resource.
ENDING = 3.0


class Closable(Protocol):
    """Something that has to be closed."""

    @property
    def busy(self) -> bool:
        """Whether it still has work of its own, without a user."""

    async def close(self) -> None:
        """Close it, within seconds."""


K = TypeVar("K", bound=Hashable)
R = TypeVar("R", bound=Closable)


@dataclass
class _Lease(Generic[R]):
    resource: R
    users: int = 0
    used: float = 0.0
    keeper: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        return bool(self.users) or self.resource.busy


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
        loop = asyncio.get_running_loop()
        leases = self._leases.setdefault(loop, {})
        if key not in leases:
            lease = leases[key] = _Lease(self._make(key))
            # From the beginning: an event loop that ends cancels and awaits the tasks it has then.
            lease.keeper = loop.create_task(self._keep(leases, key, lease))
        lease = leases[key]
        lease.users += 1
        try:
            yield lease.resource
        finally:
            lease.users -= 1
            lease.used = loop.time()

    async def _keep(self, leases: dict[K, _Lease[R]], key: K, lease: _Lease[R]) -> None:
        """Close a resource when it has been idle, or the event loop ends, which cancels this."""
        try:
            await self._idled(lease)
        except asyncio.CancelledError:
            await _until(lambda: not lease.users, ENDING)
            raise
        finally:
            if leases.get(key) is lease:
                del leases[key]
            await lease.resource.close()

    async def _idled(self, lease: _Lease[R]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(
                self._idle if lease.busy else lease.used + self._idle - loop.time()
            )
            if not lease.busy and loop.time() >= lease.used + self._idle:
                return


async def _until(condition: Callable[[], bool], seconds: float) -> None:
    """Wait for a condition, some seconds at most."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not condition() and loop.time() < deadline:  # noqa: ASYNC110 - what ends is another's
        await asyncio.sleep(0.05)
