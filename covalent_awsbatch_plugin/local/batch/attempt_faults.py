"""Faults of attempts: what Batch reports of them, and how they come about."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping

from ...protocol import tag_names
from ..faults.injection import Faults
from ..faults.plan import JobFault
from ..runners.runner import AttemptExit, RunningAttempt
from .records import Job
from .retries import EXITED, NOT_STARTED, TOOK_TOO_LONG, AttemptEnd

OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
DOCKER_TIMEOUT = (
    "DockerTimeoutError: Could not transition to started; timed out after waiting 4m0s"
)
KILLED = 137

# Kinds whose attempts never run.
NEVER_RUN = ("image", "not_started", "docker_timeout", "no_outcome", "vanished_dead")

# Kinds whose attempts are killed when the fault is injected.
KILLS = ("host_lost", "out_of_memory", "time_limit")


def faults_of(job: Job, tags: Mapping[str, str], faults: Faults) -> list[JobFault]:
    """Return the faults of a job's next attempt."""
    dispatch, node = tags.get(tag_names.TAG_DISPATCH), tags.get(tag_names.TAG_NODE)
    key = f"{dispatch} {node}" if dispatch else job.name
    return faults.of_attempt(job.name, key, job.number + 1)


class FaultyAttempt:
    """An attempt into which a fault is injected while it runs.

    Attributes:
        reported: What Batch reports of its end; None for the truth.
    """

    def __init__(self, running: RunningAttempt, fault: JobFault, job: Job) -> None:
        self._running, self._fault, self._job = running, fault, job
        self._over = threading.Event()
        self._exit = AttemptExit(None)
        self.reported: AttemptEnd | None = None
        if fault.kind == "killed_after_outcome" or not fault.after:
            self._report()
        self._timer = threading.Timer(fault.after, self._inject)
        self._timer.daemon = True
        self._timer.start()
        threading.Thread(target=self._see_through, daemon=True).start()

    def _report(self) -> None:
        if self._fault.kind == "vanished":
            self._job.vanished = True
        else:
            self.reported = reported_end(self._fault, self._job)

    def _inject(self) -> None:
        self._report()
        if self._fault.kind in KILLS:
            self._running.stop(0)
        if self._fault.kind == "zombie":
            self._over.set()

    def _see_through(self) -> None:
        self._exit = self._running.wait()
        self._timer.cancel()
        self._over.set()

    def wait(self) -> AttemptExit:
        """Block until the attempt has ended, or is believed to have ended."""
        self._over.wait()
        return self._exit

    def stop(self, grace: float) -> None:
        """Ask the attempt to end, unless it is believed to have ended."""
        if not self._over.is_set():
            self._running.stop(grace)

    def end(self, grace: float) -> None:
        """End the attempt, also where it is believed to have ended."""
        self._running.stop(grace)


def reported_end(fault: JobFault, job: Job) -> AttemptEnd:
    """Return what Batch reports of an attempt that had a fault injected."""
    lost = AttemptEnd(None, f"Host EC2 (instance {instance(job)}) terminated.")
    ends = {
        "host_lost": lost,
        "zombie": lost,
        "out_of_memory": AttemptEnd(KILLED, EXITED, OUT_OF_MEMORY),
        "time_limit": AttemptEnd(KILLED, TOOK_TOO_LONG, final=True),
        "image": AttemptEnd(None, NOT_STARTED, _cannot_pull(job.container["image"])),
        "not_started": AttemptEnd(None, NOT_STARTED, fault.reason),
        "docker_timeout": AttemptEnd(None, NOT_STARTED, DOCKER_TIMEOUT),
        "killed_after_outcome": AttemptEnd(KILLED, EXITED),
    }
    return ends.get(fault.kind, AttemptEnd(fault.exit_code, EXITED))


def instance(job: Job) -> str:
    """Return the id of the instance that a job's current attempt ran on."""
    return "i-" + hashlib.sha256(f"{job.job_id} {job.number}".encode()).hexdigest()[:17]


def _cannot_pull(image: str) -> str:
    return (
        "CannotPullContainerError: Error response from daemon: pull access denied for "
        f"{image}, repository does not exist or may require 'docker login'"
    )
