"""Processes that an attempt started and that left its process group."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path


def end_orphans(folder: Path) -> None:
    """End every process whose environment names an attempt's folder.

    A daemon leaves its process group, but not the environment that it was started with. Where the
    system has no ``/proc``, none are found.
    """
    mark = os.fsencode(folder) + b"/"
    for pid, environment in _environments():
        if mark in environment and pid != os.getpid():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _environments() -> Iterator[tuple[int, bytes]]:
    for entry in Path("/proc").glob("[0-9]*/environ"):
        # Others' processes, and those that end while we look, do not concern us.
        with contextlib.suppress(OSError):
            yield int(entry.parent.name), entry.read_bytes()
