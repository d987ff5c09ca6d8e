"""Clean-up: the one place that deletes objects.

An object is deleted only by the process that wrote it, or whose job did, and only when its reader
is done with it. Every key that is deleted was noted when the object was written, or follows from
the id of a job that this process submitted: nothing is deleted for lying under a prefix.

Objects of one task are given to ``discard`` once its result is in the caller's hands. Objects that
the tasks of a dispatch share go when the last of them has ended.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable

from .references import references
from .shared_uploads import SharedUploads
from .storage import DELETE_LIMIT, Storage

# Deletions wait for company this long, in seconds.
DELETE_DELAY = 1.0

# Seconds after the last task of a dispatch until its shared objects go: the next electron of the
# dispatch often starts at once, and would have to upload them again.
LINGER = 3.0


class CleanUp:
    """What is to be deleted from one bucket."""

    def __init__(self, storage: Storage) -> None:
        self.shared = SharedUploads(storage.bucket)
        self._storage = storage
        self._tasks: dict[str, int] = {}
        self._pending: dict[str, None] = {}
        self._deleter: asyncio.Task[None] | None = None
        self._releases: dict[str, asyncio.Task[None]] = {}
        self._releasing: set[asyncio.Task[None]] = set()
        self._closed = False

    def __repr__(self) -> str:
        return f"<CleanUp of {self._storage!r}, {len(self._pending)} pending>"

    def task_started(self, dispatch_id: str) -> None:
        """Count a task of a dispatch in: its shared objects stay."""
        self._tasks[dispatch_id] = self._tasks.get(dispatch_id, 0) + 1
        if release := self._releases.pop(dispatch_id, None):
            release.cancel()

    def task_ended(self, dispatch_id: str) -> None:
        """Count a task of a dispatch out; after the last one, its shared objects are released."""
        self._tasks[dispatch_id] -= 1
        if self._tasks[dispatch_id]:
            return
        del self._tasks[dispatch_id]
        if not self._closed:
            self._releases[dispatch_id] = asyncio.create_task(self._release_later(dispatch_id))

    def discard(self, keys: Iterable[str]) -> None:
        """Delete objects soon, together with others."""
        self._pending.update(dict.fromkeys(keys))
        idle = self._deleter is None or self._deleter.done()
        if self._pending and idle and not self._closed:
            self._deleter = asyncio.create_task(self._delete_soon())

    async def _delete_soon(self) -> None:
        await asyncio.sleep(DELETE_DELAY)
        await self._delete_pending()

    async def _delete_pending(self) -> None:
        while self._pending:
            batch = list(itertools.islice(self._pending, DELETE_LIMIT))
            await self._storage.delete(batch)
            # Only now: what is given up half way is deleted by ``finish``.
            for key in batch:
                self._pending.pop(key, None)

    async def _release_later(self, dispatch_id: str) -> None:
        await asyncio.sleep(LINGER)
        task = self._releases.pop(dispatch_id)
        self._releasing.add(task)
        try:
            await self._release(dispatch_id)
        finally:
            self._releasing.discard(task)

    async def _release(self, dispatch_id: str) -> None:
        keys = await self.shared.release(dispatch_id)
        try:
            for start in range(0, len(keys), DELETE_LIMIT):
                await self._storage.delete(keys[start : start + DELETE_LIMIT])
        finally:
            references.deleted(self._storage.bucket, keys)

    async def finish(self) -> None:
        """Delete what is to be deleted, without waiting for more."""
        if self._deleter is not None:
            self._deleter.cancel()
        releases, self._releases = self._releases, {}
        for release in releases.values():
            release.cancel()
        await asyncio.gather(
            *self._releasing, *map(self._release, releases), self._delete_pending()
        )

    def close(self) -> None:
        """Delete nothing any more: the event loop ends, and what stays is the lifecycle rule's.

        A shared object that was not deleted stays in use for this process: a job that could not be
        ended may still read it, so that other event loops leave it alone, too.
        """
        self._closed = True
        for task in (self._deleter, *self._releases.values(), *self._releasing):
            if task is not None:
                task.cancel()
