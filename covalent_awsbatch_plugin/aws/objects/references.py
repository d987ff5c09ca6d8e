"""Which shared objects are in use, counted over all storages of this process.

Electrons of one dispatch may differ in any option: each identity, event loop and bucket has a
storage of its own, and two of them may hold the same object. The last to release it deletes it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import Future

Object = tuple[str, str]


class References:
    """Reference counts of objects, by bucket and key. Storages of several threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders: Counter[Object] = Counter()
        self._deletions: dict[Object, Future[None]] = {}

    def __len__(self) -> int:
        return len(self._holders)

    def hold(self, bucket: str, key: str) -> Future[None] | None:
        """Count a holder in; return the deletion to wait for before the object is stored again."""
        with self._lock:
            self._holders[bucket, key] += 1
            return self._deletions.get((bucket, key))

    def release(self, bucket: str, keys: Iterable[str]) -> list[str]:
        """Count a holder of each object out; return the keys that are now the caller's to delete.

        Until ``deleted`` is called with them, the next holder has to wait.
        """
        unused = []
        with self._lock:
            for key in keys:
                self._holders[bucket, key] -= 1
                if not self._holders[bucket, key]:
                    del self._holders[bucket, key]
                    self._deletions[bucket, key] = Future()
                    unused.append(key)
        return unused

    def deleted(self, bucket: str, keys: Iterable[str]) -> None:
        """Let those who wait for a deletion go on, whether or not it succeeded."""
        with self._lock:
            over = [self._deletions.pop((bucket, key)) for key in keys]
        for deletion in over:
            deletion.set_result(None)


references = References()
