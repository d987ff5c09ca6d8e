"""Clean-up: no object of a task or a dispatch outlives it.

Finished tasks' objects are deleted a thousand a call. What the tasks of a dispatch share is kept
count of, and when the last one has ended, whatever is left under the dispatch's prefix is swept
away.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Iterable

from ...errors import BatchTaskError
from ...protocol import s3_keys
from ..calls.session import ObjectMissing
from .storage import DELETE_LIMIT, LIST_LIMIT, Storage

log = logging.getLogger("covalent_awsbatch_plugin")

# Deletions wait for company this long, in seconds.
DELETE_DELAY = 1.0

# Seconds after the last task of a dispatch until its shared objects go: the next electron of the
# dispatch often starts at once, and would have to upload them again.
LINGER = 3.0


class CleanUp:
    """What is to be deleted from one bucket."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._tasks: dict[str, int] = {}
        self._doomed: dict[str, None] = {}
        self._deleter: asyncio.Task[None] | None = None
        self._sweeps: dict[str, asyncio.Task[None]] = {}
        self._sweeping: dict[str, asyncio.Task[None]] = {}

    def __repr__(self) -> str:
        return f"<CleanUp of {self._storage!r}, {len(self._doomed)} doomed>"

    def task_started(self, dispatch_id: str) -> None:
        """Count a task of a dispatch in: its shared objects stay."""
        self._tasks[dispatch_id] = self._tasks.get(dispatch_id, 0) + 1
        if sweep := self._sweeps.pop(dispatch_id, None):
            sweep.cancel()

    async def make_way(self, dispatch_id: str, key: str) -> None:
        """Wait until an object can be stored without being deleted by what was planned before.

        A sweep that is under way would take it along; and a task that runs again within the
        deletions' delay stores what its first run left to be deleted.
        """
        self._doomed.pop(key, None)
        if sweeping := self._sweeping.get(dispatch_id):
            await asyncio.wait({sweeping})

    def task_ended(self, dispatch_id: str, keep: bool) -> None:
        """Count a task of a dispatch out; after the last one, its objects are swept away."""
        self._tasks[dispatch_id] -= 1
        if self._tasks[dispatch_id]:
            return
        del self._tasks[dispatch_id]
        if not keep:
            self._sweeps[dispatch_id] = asyncio.create_task(self._sweep_later(dispatch_id))

    def discard(self, keys: Iterable[str]) -> None:
        """Delete objects soon, together with others."""
        self._doomed.update(dict.fromkeys(keys))
        if self._doomed and (self._deleter is None or self._deleter.done()):
            self._deleter = asyncio.create_task(self._delete_soon())

    async def _delete_soon(self) -> None:
        await asyncio.sleep(DELETE_DELAY)
        await self._delete_doomed()

    async def _delete_doomed(self) -> None:
        while self._doomed:
            batch = list(itertools.islice(self._doomed, DELETE_LIMIT))
            for key in batch:
                del self._doomed[key]
            await self._storage.delete(batch)

    async def _sweep_later(self, dispatch_id: str) -> None:
        await asyncio.sleep(LINGER)
        self._sweeping[dispatch_id] = self._sweeps.pop(dispatch_id)
        try:
            await self._sweep(dispatch_id)
        finally:
            del self._sweeping[dispatch_id]

    async def _sweep(self, dispatch_id: str) -> None:
        prefix = s3_keys.dispatch_prefix(dispatch_id)
        await self._storage.forget(prefix)
        try:
            while left := await self._storage.keys(prefix):
                if not await self._storage.delete(left) or len(left) < LIST_LIMIT:
                    return
        except (BatchTaskError, ObjectMissing) as error:
            log.warning("AWS Batch: the objects of %s could not be listed: %s", prefix, error)

    async def finish(self) -> None:
        """Delete what is to be deleted, without waiting for more."""
        if self._deleter is not None:
            self._deleter.cancel()
        sweeps, self._sweeps = self._sweeps, {}
        for sweep in sweeps.values():
            sweep.cancel()
        await asyncio.gather(
            *self._sweeping.values(), *(self._sweep(dispatch_id) for dispatch_id in sweeps)
        )
        await self._delete_doomed()
