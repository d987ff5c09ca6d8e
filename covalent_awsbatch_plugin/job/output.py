"""The task's output: passed on to the container's log, and kept for the outcome."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time

from ..protocol import messages

# Once all of the task's processes have ended, seconds for what they wrote to be passed on, and
# how long an output may then be silent before it is taken to be finished: a process that could
# not be ended may hold it open.
LIMIT = 5.0
SILENCE = 0.3


class Tee:
    """Passes a stream on to the container's log and keeps its beginning and end."""

    def __init__(self, source: int, sink: int, limit: int = messages.OUTPUT_LIMIT) -> None:
        self.source = source
        self.sink = sink
        self.half = limit // 2
        self.head = bytearray()
        self.tail = bytearray()
        self.left_out = 0
        self.deadline: float | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while self.deadline is None or time.monotonic() < self.deadline:
            ready, _, _ = select.select([self.source], [], [], SILENCE)
            if not ready and self.deadline is not None:
                return
            if ready:
                data = os.read(self.source, 65536)
                if not data:
                    return
                self._keep(data)
                write_all(self.sink, data)

    def _keep(self, data: bytes) -> None:
        room = self.half - len(self.head)
        self.head += data[:room]
        self.tail += data[max(room, 0) :]
        # Trimmed seldom: at every read, a chatty task would have us copy the tail each time.
        if len(self.tail) > 2 * self.half:
            self._trim()

    def _trim(self) -> None:
        surplus = max(len(self.tail) - self.half, 0)
        self.left_out += surplus
        del self.tail[:surplus]

    def finish(self) -> str:
        """Return what was kept, once the stream has ended or its time is up."""
        self.deadline = time.monotonic() + LIMIT
        self.thread.join(LIMIT)
        self._trim()
        if not self.left_out:
            return (self.head + self.tail).decode("utf-8", "replace")
        head, tail = (part.decode("utf-8", "replace") for part in (self.head, self.tail))
        return f"{head}\n... {self.left_out} bytes left out; the job's log has them ...\n{tail}"


def write_all(sink: int, data: bytes) -> None:
    """Write to the container's log, as far as that takes it."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(sink, view) :]
        except OSError:
            return  # The log is gone; the copy that is kept still counts.


def write_text(sink: int, text: str) -> None:
    """Write a text of our own to the container's log, unless that takes nothing any more."""
    view = memoryview(text.encode("utf-8", "backslashreplace"))
    deadline = time.monotonic() + LIMIT
    with contextlib.suppress(OSError, ValueError):
        while view and time.monotonic() < deadline:
            _, ready, _ = select.select([], [sink], [], LIMIT)
            if ready:
                # A pipe that is ready takes as much as this without blocking.
                view = view[os.write(sink, view[: select.PIPE_BUF]) :]
