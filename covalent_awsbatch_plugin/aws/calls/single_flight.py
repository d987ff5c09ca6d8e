"""One piece of work for all who want its result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

K = TypeVar("K")
T = TypeVar("T")


async def single_flight(
    tasks: dict[K, asyncio.Task[T]], key: K, work: Callable[[], Coroutine[Any, Any, T]]
) -> T:
    """Return the result of the work for a key: the first who asks starts it, the others join.

    Work that failed is started anew by the next who asks. Giving up waiting does not end it:
    others may be waiting too.
    """
    task = tasks.get(key)
    if task is None or (task.done() and (task.cancelled() or task.exception())):
        task = tasks[key] = asyncio.create_task(work())
    return await asyncio.shield(task)
