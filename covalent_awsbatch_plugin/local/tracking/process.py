"""The process that cleans up after another one; see ``resource_tracker``."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from .orphans import end_orphans

FOLDER_LIMIT = 10.0
COMMAND_LIMIT = 60.0
POLL_SECONDS = 0.02


def main() -> None:
    """Read what there is to clean up until the other process has ended, then clean it up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    tracked: list[str] = []
    for line in sys.stdin:
        change = tracked.append if line[0] == "+" else tracked.remove
        change(line[1:])
    # The last first, and each one whether or not another fails.
    with ExitStack() as stack:
        for resource in tracked:
            name, *arguments = json.loads(resource)
            stack.callback(CLEAN_UPS[name], *arguments)


def remove_folder(folder: str, processes: bool = False) -> None:
    """Remove a folder, also if a process that is ending still writes to it.

    Args:
        folder: The folder.
        processes: Whether to end the processes whose environment names a path in it.
    """
    path, deadline = Path(folder), time.monotonic() + FOLDER_LIMIT
    while True:
        if processes:
            end_orphans(path)
        shutil.rmtree(path, ignore_errors=True)
        if not path.exists() or time.monotonic() > deadline:
            return
        time.sleep(POLL_SECONDS)


def remove_file(file: str) -> None:
    """Remove a file, and its folder if nothing else is in it."""
    Path(file).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        Path(file).parent.rmdir()


def end_group(leader: int, seconds: float) -> None:
    """Ask a group's first process to end if it has time to, then kill the group."""
    with contextlib.suppress(ProcessLookupError):
        if seconds:
            os.kill(leader, signal.SIGTERM)
            _wait_for_end(leader, time.monotonic() + seconds)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def _wait_for_end(process: int, deadline: float) -> None:
    while not _is_zombie(process) and time.monotonic() < deadline:
        os.kill(process, 0)
        time.sleep(POLL_SECONDS)


def _is_zombie(process: int) -> bool:
    """Return whether a process has ended and its parent does not care; False without /proc."""
    with contextlib.suppress(OSError):
        return (
            Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()[0] == "Z"
        )
    return False


def run_command(command: list[str], environment: dict[str, str]) -> None:
    """Run a command."""
    subprocess.run(  # noqa: S603 - what the other process asked for
        command,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        timeout=COMMAND_LIMIT,
        check=True,
    )


CLEAN_UPS: dict[str, Callable[..., None]] = {
    clean_up.__name__: clean_up
    for clean_up in (remove_folder, remove_file, end_group, run_command)
}
