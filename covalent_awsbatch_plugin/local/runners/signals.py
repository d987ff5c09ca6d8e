"""Signals as a container's first process gets them."""

from __future__ import annotations

import signal
from pathlib import Path


def reaches(process: int, number: int, has_init: bool) -> bool:
    """Return whether a signal does anything to a process that is a container's first.

    The kernel hands no signal to a container's process 1 that it has not installed a handler for,
    except SIGKILL from outside. Where an init process is the first, the command is its child, and
    gets every signal.

    Args:
        process: The process's id on this machine.
        number: The signal.
        has_init: Whether the container has an init process.
    """
    if has_init or number == signal.SIGKILL:
        return True
    try:
        status = Path(f"/proc/{process}/status").read_text("ascii")
    except OSError:
        # The process is gone, or the system has no /proc.
        return True
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return bool(int(fields["SigCgt"], 16) >> (number - 1) & 1)
