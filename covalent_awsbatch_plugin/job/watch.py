"""Waiting for the task process: for its report, its end, and a request to end the job."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from types import FrameType

from .report import Receiver

# Seconds that the task process gets, once it has reported, to end: to run its exit handlers and
# to wait for its threads, as at the end of a script.
LINGER = 10.0

# Seconds that the task gets to end after SIGTERM. Docker and AWS Batch send SIGKILL 30 seconds
# after it, and by then the outcome must be stored.
TERMINATION = 20.0

# Seconds that a process gets to be gone after SIGKILL; one that waits for a file system that does
# not respond never is.
KILLING = 5.0

# The longest time between two looks at the report, which may be a file, and at the process.
INTERVAL = 1.0


class Terminated(BaseException):
    """The job was asked to end before its task was started."""


class Watch:
    """The task process as its supervisor sees it; takes over SIGTERM and SIGCHLD.

    Attributes:
        notes: What the user is to know of how the process ended.
        ended: When it ended or, where that was earlier, had reported; seconds since the epoch.
        cpu_seconds: Processor time of the process and of its own; an installation before the
            task does not count.
        peak_memory: The peak resident memory of any of them in bytes.
    """

    def __init__(self, process: int, receiver: Receiver) -> None:
        self.notes: list[str] = []
        self.ended = 0.0
        self.cpu_seconds = 0.0
        self.peak_memory = 0
        self._process: int | None = process
        self._receiver = receiver
        self._started = self._terminated = self._killed = False
        self._limit = float("inf")
        self._reason = ""
        self._woken, wake = os.pipe()
        for end in (self._woken, wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._on_termination)

    def start(self, go: int) -> None:
        """Let the process run its task; it may have ended already."""
        self._started = True
        with contextlib.suppress(BrokenPipeError):
            os.write(go, b"1")

    def _on_termination(self, _number: int, _frame: FrameType | None) -> None:
        self._signal(signal.SIGTERM)
        if not self._started and not self._terminated:
            self._terminated = True
            raise Terminated
        self._end_within(
            TERMINATION,
            f"The task did not end within {TERMINATION:g} seconds of SIGTERM and was killed.",
        )

    def _end_within(self, seconds: float, reason: str) -> None:
        limit = time.monotonic() + seconds
        if limit < self._limit and not self._killed:
            self._limit, self._reason = limit, reason

    def wait(self) -> int:
        """Return the process's wait status when it has ended, which it does in bounded time."""
        while (status := self._reap()) is None:
            if time.monotonic() >= self._limit:
                if self._killed:
                    status = int(signal.SIGKILL)
                    break
                self._kill()
            self._sleep()
            self._receive()
        self._receive()
        self.ended = self.ended or time.time()
        return status

    def _receive(self) -> None:
        self._receiver.read()
        if self._receiver.complete and not self.ended:
            self.ended = time.time()
            self._end_within(
                LINGER,
                f"The task had finished, but its process was still running {LINGER:g} seconds "
                "later (threads or exit handlers) and was killed. Its outcome is not affected.",
            )

    def _sleep(self) -> None:
        """Wait for a signal, a report, or the next deadline."""
        seconds = max(min(INTERVAL, self._limit - time.monotonic()), 0)
        awaited = [self._woken]
        if self._receiver.open and not self._receiver.complete:
            awaited.append(self._receiver.pipe)
        ready, _, _ = select.select(awaited, [], [], seconds)
        if self._woken in ready:
            os.read(self._woken, 4096)

    def _kill(self) -> None:
        self._killed, self._limit = True, time.monotonic() + KILLING
        self.notes.append(self._reason)
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        """Send the process a signal, unless it is gone: its number may be another's by now."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process, number)

    def _reap(self) -> int | None:
        """Return the process's wait status if it has ended; reap adopted processes on the way."""
        with contextlib.suppress(ChildProcessError):
            while True:
                process, status, usage = os.wait4(-1, os.WNOHANG)
                if process and process == self._process:
                    self._process = None
                    self.cpu_seconds = usage.ru_utime + usage.ru_stime
                    self.peak_memory = usage.ru_maxrss * 1024
                    return status
                if not process:
                    break
        return None
