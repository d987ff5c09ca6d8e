"""Processes that a task has started and not ended: found, given a moment, and ended."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

# Seconds that processes get to end by themselves after the task process has: what reads the
# task's output, for example, ends when it has passed on the last of it.
GRACE = 1.0
INTERVAL = 0.02

# A killed process may have started another one just before.
ROUNDS = 5

PROC = Path("/proc")


class Descendants:
    """The processes of this job that were not there when its task started.

    A daemon leaves its parent, group and session, but not the environment that it was started
    with, and that names the job. A process that hides even from that ends with the container.

    Args:
        mark: The text in the environment that all of the job's processes share, and no others.
    """

    def __init__(self, mark: str) -> None:
        self._mark = mark.encode()
        self._before = set(_processes())

    def running(self) -> dict[int, str]:
        """Return the names of the processes by id."""
        new = [process for process in _processes() if process not in self._before]
        return {process: _name(process) for process in new if self._is_ours(process)}

    def _is_ours(self, process: int) -> bool:
        try:
            return self._mark in (PROC / str(process) / "environ").read_bytes().split(b"\0")
        except OSError:
            return False  # It has just ended, or is another user's.

    def end(self) -> list[str]:
        """Wait a moment for the processes to end, then end them; return their names."""
        limit = time.monotonic() + GRACE
        while self.running() and time.monotonic() < limit:
            time.sleep(INTERVAL)
        ended: dict[int, str] = {}
        for _ in range(ROUNDS):
            if not (left := self.running()):
                break
            ended |= left
            for process in left:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(process, signal.SIGKILL)
            time.sleep(INTERVAL)
        return sorted(ended.values())


def _processes() -> list[int]:
    try:
        return [int(entry) for entry in os.listdir(PROC) if entry.isdigit()]
    except OSError:
        return []


def _name(process: int) -> str:
    """Return a program's name; not its arguments, which may hold secrets."""
    try:
        name = (PROC / str(process) / "comm").read_bytes()
    except OSError:
        name = b""
    return name.decode("utf-8", "replace").strip() or f"process {process}"
