"""What the job's command calls in the worker's archive: it starts the worker's two processes."""

from __future__ import annotations

import importlib
import os
import site
import sys
import tempfile
from pathlib import Path

from . import supervisor
from .bucket import Bucket, Requests, encryption_headers


def main(scratch: str, requests: Requests) -> int:
    """Start the task's process and supervise it; return the job's exit code.

    Args:
        scratch: A private folder, removed at the end.
        requests: What sends requests to the task's bucket.
    """
    ensure_home(scratch)
    out, err, report, go = os.pipe(), os.pipe(), os.pipe(), os.pipe()
    # Before there are any threads: a fork copies none of them.
    bucket = Bucket(requests, encryption_headers(os.environ))
    child = os.fork()
    if not child:
        for end in (report[0], go[1]):
            os.close(end)
        sys.exit(become_task(scratch, bucket, out, err, report[1], go[0]))
    for end in (out[1], err[1], report[1], go[0]):
        os.close(end)
    pipes = supervisor.Pipes(out[0], err[0], report[0], go[1])
    return supervisor.main(scratch, bucket, child, pipes)


def become_task(
    scratch: str, bucket: Bucket, out: tuple[int, int], err: tuple[int, int], report: int, go: int
) -> int:
    """Write to the supervisor instead of the log, and run the task once it is in ``scratch``."""
    # A signal that the task sends to its process group is not for the supervisor.
    os.setpgid(0, 0)
    for (read, write), target in ((out, 1), (err, 2)):
        os.close(read)
        os.dup2(write, target)
        os.close(write)
    # The archive's cloudpickle is the client's, so it is imported before any other. From here on
    # the archive stands behind what the image has; processes that a task spawns look there too.
    importlib.import_module("cloudpickle")
    sys.path.append(sys.path.pop(0))
    from . import task_process

    return task_process.run_task(scratch, go, report, bucket)


def ensure_home(scratch: str) -> None:
    """Give the job a home it can write: pip and Covalent keep files there."""
    home = os.environ.get("HOME", "")
    if not (home and home != "/" and is_writable(home)):
        os.environ["HOME"] = scratch
        site.USER_BASE = site.USER_SITE = None
    if site.ENABLE_USER_SITE is not False:
        user_site = Path(site.getusersitepackages())
        user_site.mkdir(parents=True, exist_ok=True)
        site.addsitedir(str(user_site))


def is_writable(folder: str) -> bool:
    """Return whether files can be made in ``folder``."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
