"""Cleans up what this process made, should it end without doing so: by a signal, or killed.

As Python's ``multiprocessing.resource_tracker`` does, a small process of its own (``process``)
reads a pipe whose other end this process holds. The pipe ends when this process does, however
that happens. No signal is handled here: those of the user's program stay the user's.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from .process import remove_folder

START = "import sys; sys.path.insert(0, sys.argv[1]); from {module} import main; main()"

Untrack = Callable[[], None]


class ResourceTracker:
    """Runs the tracking process while there is something to track."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._tracked: list[str] = []

    def track(self, clean_up: str, *arguments: object) -> Untrack:
        """Track something; return what to call once it was cleaned up.

        Args:
            clean_up: The name of the function of ``process`` that cleans it up.
            arguments: The function's arguments. What was tracked last is cleaned up first.
        """
        resource = json.dumps([clean_up, *arguments])
        with self._lock:
            self._tracked.append(resource)
            if self._process is None:
                self._process = _start()
            self._send("+", resource)
        return lambda: self._untrack(resource)

    def _untrack(self, resource: str) -> None:
        with self._lock:
            if resource in self._tracked:
                self._tracked.remove(resource)
                self._send("-", resource)
            if not self._tracked:
                self._stop()

    def close(self) -> None:
        """Have everything cleaned up that is tracked, and wait for it."""
        with self._lock:
            self._tracked.clear()
            self._stop()

    def _send(self, sign: str, resource: str) -> None:
        # Where the tracking process was killed, this one goes on without it.
        with contextlib.suppress(BrokenPipeError):
            if self._process and self._process.stdin:
                self._process.stdin.write(f"{sign}{resource}\n".encode())

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process and process.stdin:
            process.stdin.close()
            process.wait()

    def forget(self) -> None:
        """Track nothing, in a process that was forked: what there is belongs to its parent."""
        process, self._process = self._process, None
        if process and process.stdin:
            process.stdin.close()
            # It is no child of this process.
            process.returncode = 0
        self._tracked, self._lock = [], threading.Lock()


def _start() -> subprocess.Popen[bytes]:
    module = f"{__name__.rpartition('.')[0]}.process"
    root = Path(__file__).parents[__name__.count(".")]
    return subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-I", "-c", START.format(module=module), str(root)],
        # A terminal's signals are for this process only.
        start_new_session=True,
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        bufsize=0,
    )


_tracker = ResourceTracker()
atexit.register(_tracker.close)
os.register_at_fork(after_in_child=_tracker.forget)


@contextlib.contextmanager
def temporary_folder(
    prefix: str, parent: str | None = None, *, processes: bool = False
) -> Iterator[Path]:
    """A temporary folder that is removed even if this process is killed.

    Args:
        prefix: How its name begins.
        parent: Where it is made; where temporary files usually are by default.
        processes: Whether processes that were started in it are ended before: those whose
            environment names a path in it. Not for a folder whose path users export.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    untrack = track_folder(folder, processes)
    try:
        yield folder
    finally:
        remove_folder(str(folder), processes)
        untrack()


def track_folder(folder: Path, processes: bool = False) -> Untrack:
    """Have a folder removed, and maybe processes ended whose environment names a path in it."""
    return _tracker.track("remove_folder", str(folder), processes)


def track_file(file: Path) -> Untrack:
    """Have a file removed, and its folder if that is then empty."""
    return _tracker.track("remove_file", str(file))


def track_group(leader: int, seconds: float = 0) -> Untrack:
    """Have a process group ended.

    Args:
        leader: The id of the group and of its first process.
        seconds: How long its first process has to end after SIGTERM.
    """
    return _tracker.track("end_group", leader, seconds)


def track_command(command: list[str], environment: Mapping[str, str]) -> Untrack:
    """Have a command run, with further environment variables."""
    return _tracker.track("run_command", command, dict(environment))
