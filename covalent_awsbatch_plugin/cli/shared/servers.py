"""Whether the Covalent server that submitted a job still runs, as far as this host can know."""

from __future__ import annotations

import socket

from ...aws.model.submission import tag_value
from .job_facts import JobFacts


def is_of_this_host(job: JobFacts) -> bool:
    """Return whether a job's server runs, or ran, on this host."""
    return job.server.rpartition(":")[0] == tag_value(socket.gethostname())


def server_is_gone(job: JobFacts) -> bool:
    """Return whether a job's server ran on this host and has ended; other hosts cannot be seen."""
    process = job.server.rpartition(":")[2]
    if not is_of_this_host(job):
        return False
    return not (process.isdigit() and _is_running(int(process), since=job.created))


def _is_running(process: int, since: float) -> bool:
    import psutil  # type: ignore[import-untyped]

    try:
        found = psutil.Process(process)
        # A process that started after the job only has the same number; one that has ended stays
        # a zombie where nothing waits for it, as in many containers.
        return bool(found.create_time() <= since and found.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
