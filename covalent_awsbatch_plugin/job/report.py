"""How the task process reports to the supervisor: an outcome in an envelope.

The report goes through a pipe that was made before the task ran: no full disk, no emptied folder,
no limit on files and no file mode can lose it. A task that closes every file descriptor loses the
pipe; its report is then a file in the scratch folder.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from ..protocol import envelope, messages

# Bytes in front of the envelope that give its size.
SIZE_BYTES = 8

PIECE = 1024 * 1024

# A task may have lowered the interpreter's limit to less than what a report takes.
RECURSION_LIMIT = 1000


class Sender:
    """The task process's end, made before the task runs.

    Args:
        pipe: The end of the report pipe to write to.
        folder: The scratch folder.
    """

    def __init__(self, pipe: int, folder: Path) -> None:
        self._pipe = pipe
        self._identity = _identity(pipe)
        self._folder = folder
        self._process = os.getpid()

    def send(self, outcome: messages.Outcome) -> None:
        """Report; nothing of the user's is touched: no stream, no thread, no exit handler.

        A process that the task forked may come here too, by returning or raising. It ends here,
        as it would have at the end of a script, and reports nothing.
        """
        if os.getpid() != self._process:
            _end_fork(outcome)
        with _undisturbed():
            content = envelope.encode_outcome(outcome)
            report = len(content).to_bytes(SIZE_BYTES, "big") + content
            if _identity(self._pipe) != self._identity or not _write_all(self._pipe, report):
                _write_file(self._folder, report)


class Receiver:
    """The supervisor's end.

    Args:
        pipe: The end of the report pipe to read from.
        folder: The scratch folder.
    """

    def __init__(self, pipe: int, folder: Path) -> None:
        os.set_blocking(pipe, False)
        self.pipe = pipe
        self.open = True
        self._path = folder / "report"
        self._content = bytearray()

    @property
    def complete(self) -> bool:
        """Whether a whole report has been received."""
        size = int.from_bytes(self._content[:SIZE_BYTES], "big")
        return len(self._content) >= SIZE_BYTES + size > SIZE_BYTES

    def read(self) -> None:
        """Take what the pipe holds; where that is nothing, the report that is a file."""
        with contextlib.suppress(BlockingIOError):
            while self.open and (data := os.read(self.pipe, PIECE)):
                self._content += data
            self.open = False
        if not self._content:
            with contextlib.suppress(OSError):
                self._content += self._path.read_bytes()

    def outcome(self) -> messages.Outcome | None:
        """Return the outcome that was reported, None where there is none or it is damaged."""
        if not self.complete:
            return None
        try:
            return envelope.decode_outcome(bytes(self._content[SIZE_BYTES:]))
        except envelope.BadEnvelope:
            return None


def _identity(descriptor: int) -> tuple[int, int] | None:
    """Return what distinguishes a pipe from any other file under the same number."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _write_all(descriptor: int, content: bytes) -> bool:
    view = memoryview(content)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError:
        return False
    return True


def _write_file(folder: Path, report: bytes) -> None:
    """Leave the report as a file, which has its name only when it is whole."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = folder / "report.partial"
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    # Its mode is not what was asked for where the task has set a umask.
    os.fchmod(descriptor, 0o600)
    if _write_all(descriptor, report):
        partial.rename(folder / "report")
    os.close(descriptor)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Let no signal, and no handler of the task's, interrupt what is done meanwhile."""
    sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION_LIMIT))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    for _ in signal.valid_signals():
        try:
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        except BaseException:  # noqa: BLE001, S112 - a pending signal's handler has raised it
            continue
        break
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_fork(outcome: messages.Outcome) -> None:
    """End a process that the task forked, as the end of a script would."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    if outcome.traceback:
        _write_all(2, outcome.traceback.encode("utf-8", "backslashreplace"))
    os._exit(outcome.exit_code)
