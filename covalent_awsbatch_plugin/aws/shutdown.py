"""Ending jobs when the server stops.

A Covalent server that is asked to stop ends within a moment, by the very signal, once its web
server has shut down: its tasks get no chance to clean up. So the first signal to stop is held
back, for a bounded time, until the jobs have been ended; a second one goes through at once.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Coroutine
from functools import partial
from types import FrameType
from typing import Any
from weakref import WeakSet, ref

log = logging.getLogger("covalent_awsbatch_plugin")

# Seconds for which a stopping server may be held back: time to end 3,000 jobs, fifty with a call.
PATIENCE = 15.0

SIGNALS = (signal.SIGTERM, signal.SIGINT)

Stop = Callable[[], Coroutine[Any, Any, None]]

_guarded: WeakSet[asyncio.AbstractEventLoop] = WeakSet()


def guard(stop: Stop, remaining: Callable[[], int]) -> None:
    """Have ``stop`` awaited before the signals that end the running server reach it.

    Only a program that handles these signals itself is guarded, which a server does; a script
    keeps Python's behaviour.

    Args:
        stop: Ends the jobs.
        remaining: Returns how many jobs have not been ended, in the event loop that stops.
    """
    loop = asyncio.get_running_loop()
    if loop in _guarded or threading.current_thread() is not threading.main_thread():
        return
    _guarded.add(loop)
    for number in SIGNALS:
        handler = signal.getsignal(number)
        if isinstance(handler, _Guard):
            handler = handler.unguarded()
        if callable(handler) and not _is_pythons_own(handler):
            signal.signal(number, _Guard(loop, stop, remaining, handler))


def _is_pythons_own(handler: Any) -> bool:
    # asyncio.run's own handler of SIGINT, which cancels the main task, is a partial of a runner's.
    return handler is signal.default_int_handler or isinstance(handler, partial)


class _Guard:
    """The handler of one signal: the first time it waits, then it hands over."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        stop: Stop,
        remaining: Callable[[], int],
        handler: Any,
    ) -> None:
        self._loop = ref(loop)
        self._stop = stop
        self._remaining = remaining
        self._handler = handler
        self._stopping: asyncio.Task[None] | None = None
        self._called = False

    def unguarded(self) -> Any:
        """Return the handler below, if this guard's own event loop is over; else this guard."""
        guarded = self._loop()
        return self if guarded is not None and guarded.is_running() else self._handler

    def __call__(self, number: int, frame: FrameType | None) -> None:
        loop = self._loop()
        if self._called or loop is None or not loop.is_running():
            self._handler(number, frame)
            return
        self._called = True
        loop.call_soon_threadsafe(self._begin, number, frame)

    def _begin(self, number: int, frame: FrameType | None) -> None:
        loop = asyncio.get_running_loop()
        self._stopping = loop.create_task(self._stop_and_hand_over(number, frame))

    async def _stop_and_hand_over(self, number: int, frame: FrameType | None) -> None:
        try:
            await asyncio.wait_for(self._stop(), PATIENCE)
        except asyncio.TimeoutError:
            log.warning(
                "AWS Batch: %d jobs were not ended before the server stopped, and go on. "
                "'covalent-awsbatch reap' on this host lists and ends them.",
                self._remaining(),
            )
        finally:
            self._handler(number, frame)
