"""Objects that the tasks of a dispatch share: each is uploaded once, and deleted when unused."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine
from typing import Any

from ..calls.single_flight import single_flight
from .references import references

Upload = Callable[[], Coroutine[Any, Any, None]]


class SharedUploads:
    """The shared objects that one storage has uploaded, by dispatch.

    Args:
        bucket: The bucket's name.
    """

    def __init__(self, bucket: str) -> None:
        self._bucket = bucket
        self._uploads: dict[str, asyncio.Task[None]] = {}
        self._held: defaultdict[str, set[str]] = defaultdict(set)
        self._kept: defaultdict[str, set[str]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self._uploads)

    async def put(self, dispatch_id: str, key: str, upload: Upload, keep: bool) -> None:
        """Upload an object once, however many tasks of the dispatch need it.

        Args:
            dispatch_id: The dispatch.
            key: A key that names its content's digest.
            upload: Uploads it; called only if needed.
            keep: Whether the object stays in the bucket for good.

        Raises:
            AWSError: AWS refused it.
        """
        if keep:
            self._kept[dispatch_id].add(key)
            await single_flight(self._uploads, key, upload)
            return
        if key not in self._held[dispatch_id]:
            self._held[dispatch_id].add(key)
            deletion = references.hold(self._bucket, key)
            if deletion is not None:
                upload = _after(asyncio.wrap_future(deletion), upload)
        await single_flight(self._uploads, key, upload)

    async def release(self, dispatch_id: str) -> list[str]:
        """Forget a dispatch's objects; return the keys of those that are to be deleted.

        ``references.deleted`` is to be called with them afterwards.
        """
        for key in self._kept.pop(dispatch_id, ()):
            self._uploads.pop(key, None)
        held = self._held.pop(dispatch_id, set())
        uploads = [self._uploads.pop(key) for key in held if key in self._uploads]
        # An upload whose task was cancelled goes on in its thread.
        if unfinished := [upload for upload in uploads if not upload.done()]:
            await asyncio.wait(unfinished)
        return references.release(self._bucket, held)


def _after(deletion: asyncio.Future[None], upload: Upload) -> Upload:
    async def wait_and_upload() -> None:
        await asyncio.wait({deletion})
        await upload()

    return wait_and_upload
