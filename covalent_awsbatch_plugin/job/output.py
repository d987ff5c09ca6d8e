"""The task's output: passed on to the container's log, and kept for the outcome."""

from __future__ import annotations

import os
import select
import threading

from ..protocol import messages

# After the task's process has ended, how long its stray children may keep an output pipe silent
# before it is taken to be finished, in seconds.
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
        self.task_ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while True:
            ready, _, _ = select.select([self.source], [], [], SILENCE)
            if not ready:
                if self.task_ended.is_set():
                    return
                continue
            data = os.read(self.source, 65536)
            if not data:
                return
            self._keep(data)
            _write_all(self.sink, data)

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
        """Return what was kept, once the stream has ended."""
        self.task_ended.set()
        self.thread.join()
        self._trim()
        if not self.left_out:
            return (self.head + self.tail).decode("utf-8", "replace")
        head, tail = (part.decode("utf-8", "replace") for part in (self.head, self.tail))
        return f"{head}\n... {self.left_out} bytes left out; the job's log has them ...\n{tail}"


def _write_all(sink: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(sink, view) :]
        except OSError:
            return  # The log is gone; the copy that is kept still counts.
