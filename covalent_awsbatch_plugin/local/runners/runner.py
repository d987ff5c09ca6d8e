"""What the local AWS asks of whatever runs a job's attempts: processes or containers.

Two implementations stand behind this interface, ``processes`` and ``containers``; one
conformance suite runs over both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class AttemptSpec:
    """One attempt of one job, with every override and parameter resolved.

    Attributes:
        job_id: The Batch job's id.
        attempt: The attempt's number, from 1.
        image: The image named by the job definition.
        command: The program and its arguments.
        environment: Every variable the container sees, the AWS_BATCH_* ones included.
        vcpus: Number of vCPUs.
        memory_mib: Memory limit in MiB.
        gpus: Number of GPUs.
        container_properties: The definition's other container properties (user, mountPoints,
            volumes, linuxParameters, ulimits, readonlyRootFilesystem, ...), as Batch names them.
    """

    job_id: str
    attempt: int
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    vcpus: int
    memory_mib: int
    gpus: int = 0
    container_properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AttemptExit:
    """How an attempt ended.

    Attributes:
        exit_code: The container's exit code; None where it never started or its host was lost.
        reason: ``container.reason`` in AWS's own words, where there is one.
    """

    exit_code: int | None
    reason: str | None = None


class RunningAttempt(Protocol):
    """An attempt that was started."""

    def wait(self) -> AttemptExit:
        """Block until the attempt has ended and all its output was handed to ``on_line``."""

    def stop(self, grace: float) -> None:
        """Ask the attempt to end (SIGTERM), and end it (SIGKILL) after ``grace`` seconds.

        Returns at once; ``wait`` returns when it has ended. Calling it twice does no harm.
        """


class Runner(Protocol):
    """Starts attempts."""

    name: str

    def start(self, spec: AttemptSpec, on_line: Callable[[bytes], None]) -> RunningAttempt:
        """Start an attempt; ``on_line`` gets each line of its stdout and stderr as it comes.

        Raises:
            AttemptNotStarted: The attempt could not be started.
        """

    def close(self) -> None:
        """End whatever still runs and remove everything the runner made."""


class AttemptNotStarted(Exception):
    """The attempt could not be started; the message is ``container.reason`` in AWS's words."""
