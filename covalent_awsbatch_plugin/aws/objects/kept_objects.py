"""Objects that a server stores once in a bucket, for the jobs of all dispatches: the worker.

They are never deleted, but by the bucket's lifecycle rule. So that no job finds one gone, a server
looks before it uses one, and stores what is missing or old anew.
"""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timezone

from ...errors import BatchTaskError
from ..calls.single_flight import single_flight
from .shared_uploads import Upload
from .storage import Storage

# Seconds for which an object that was found is relied upon, by one dispatch.
CHECKED = 6 * 3600.0

# Age in seconds at which an object is stored anew. A lifecycle rule counts days, from one on.
RENEWED = 12 * 3600.0

# Checks that are remembered.
REMEMBERED = 1000


class KeptObjects:
    """The kept objects of one bucket.

    Args:
        storage: The bucket's objects.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._checks: dict[tuple[str, str, int], asyncio.Task[None]] = {}

    async def put(self, dispatch_id: str, key: str, upload: Upload) -> None:
        """Store an object, unless it is there and will be for a while.

        Args:
            dispatch_id: The dispatch that needs it; each looks for itself.
            key: Its key, which names its content's digest.
            upload: Stores it; called only if needed.

        Raises:
            AWSError: AWS refused it.
        """

        async def check() -> None:
            if not await self._is_fresh(key):
                await upload()

        period = int(time.time() // CHECKED)
        while len(self._checks) >= REMEMBERED:
            self._checks.pop(next(iter(self._checks)))
        await single_flight(self._checks, (dispatch_id, key, period), check)

    async def _is_fresh(self, key: str) -> bool:
        try:
            stored = await self._storage.stored_at(key)
        except BatchTaskError:
            # Where nothing may be listed, the object is simply stored.
            return False
        return stored is not None and _age(stored) < RENEWED


def _age(stored: datetime) -> float:
    return (datetime.now(timezone.utc) - stored).total_seconds()
