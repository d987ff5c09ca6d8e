"""From DescribeJobs' responses to the facts that the commands show. Pure."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...aws.model.description import FINISHED, WAITING, JobDescription, parse_job
from ...protocol import tag_names

STARTED = ("STARTING", "RUNNING")


@dataclass(frozen=True)
class AttemptFacts:
    """One attempt of a job that has ended.

    Attributes:
        started: When its container started, in seconds since the epoch; 0 where it never did.
        stopped: When it stopped.
        exit_code: Its exit code, where it had one.
        reason: The container's reason, or Batch's.
        stream: Its log stream.
    """

    started: float
    stopped: float
    exit_code: int | None
    reason: str
    stream: str

    @property
    def seconds(self) -> float:
        """How long it ran."""
        return max(self.stopped - self.started, 0.0) if self.started else 0.0


@dataclass(frozen=True)
class JobFacts:
    """One job of the plugin.

    Attributes:
        job_id: Batch's id of it.
        status: One of Batch's seven.
        reason: Why it is in that status, in AWS's words.
        created: When it was submitted, in seconds since the epoch.
        dispatch: Covalent's id of the dispatch.
        node: Covalent's number of the node.
        function: The function's name.
        server: ``host:pid`` of the Covalent server that submitted it.
        started: When its last attempt started; 0 where none has.
        stopped: When it ended; 0 where it has not.
        exit_code: The last attempt's exit code, where it had one.
        ended_attempts: The attempts that have ended, the first first.
        attempt_limit: How often it may be started.
        vcpus: Number of vCPUs it asks for.
        memory_mib: Memory it asks for, in MiB.
        gpus: Number of GPUs it asks for.
        time_limit: Seconds that an attempt may take; 0 for no limit.
        image: Its image.
        log_group: The log group of its output.
        streams: The attempts' log streams, the first attempt's first.
        host: ARN of the ECS container instance that ran the last attempt.
        environment: The container's environment variables.
        description: The same job as the engine reads it.
    """

    job_id: str
    status: str
    reason: str = ""
    created: float = 0.0
    dispatch: str = ""
    node: str = ""
    function: str = ""
    server: str = ""
    started: float = 0.0
    stopped: float = 0.0
    exit_code: int | None = None
    ended_attempts: tuple[AttemptFacts, ...] = ()
    attempt_limit: int = 1
    vcpus: int = 0
    memory_mib: int = 0
    gpus: int = 0
    time_limit: int = 0
    image: str = ""
    log_group: str = ""
    streams: tuple[str, ...] = ()
    host: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    description: JobDescription | None = None

    @property
    def task(self) -> str:
        """What names the task to a command: ``1f2e3d4c:7``."""
        return f"{self.dispatch[:8]}:{self.node}"

    @property
    def finished(self) -> bool:
        """Whether it has ended."""
        return self.status in FINISHED

    @property
    def waiting(self) -> bool:
        """Whether it has not started."""
        return self.status in WAITING

    @property
    def state(self) -> str:
        """Its status in one of four words: waiting, running, done, failed."""
        if self.finished:
            return "done" if self.status == "SUCCEEDED" else "failed"
        return "running" if self.status in STARTED else "waiting"

    @property
    def age(self) -> float:
        """Seconds since it was submitted."""
        return max(time.time() - self.created, 0.0)

    @property
    def attempts(self) -> int:
        """How often it was started."""
        ended = len(self.ended_attempts)
        if self.status in STARTED:
            return ended + 1
        # AWS may leave the list out of what it keeps of an ended job.
        return max(ended, 1) if self.finished and self.started else ended

    def waited(self, now: float) -> float:
        """Return the seconds from its submission to its first start, its end, or now."""
        first = next((a.started for a in self.ended_attempts if a.started), self.started)
        return max((first or self.stopped or now) - self.created, 0.0)

    def ran(self, now: float) -> float:
        """Return the seconds that all its attempts have run."""
        seconds = sum(attempt.seconds for attempt in self.ended_attempts)
        if self.status in STARTED and self.started:
            return seconds + max(now - self.started, 0.0)
        if not self.ended_attempts and self.started and self.stopped:
            return max(self.stopped - self.started, 0.0)
        return seconds


def parse_facts(described: Mapping[str, Any]) -> JobFacts:
    """Read one job of a DescribeJobs response. Fields that AWS leaves out are empty."""
    tags, container = described.get("tags") or {}, described.get("container") or {}
    attempts = described.get("attempts") or ()
    asked = {r["type"]: r["value"] for r in container.get("resourceRequirements") or ()}
    options = (container.get("logConfiguration") or {}).get("options") or {}
    return JobFacts(
        job_id=described["jobId"],
        status=described["status"],
        reason=described.get("statusReason") or "",
        created=_seconds(described.get("createdAt")),
        dispatch=tags.get(tag_names.TAG_DISPATCH, ""),
        node=tags.get(tag_names.TAG_NODE, ""),
        function=tags.get(tag_names.TAG_FUNCTION, ""),
        server=tags.get(tag_names.TAG_SERVER, ""),
        started=_seconds(described.get("startedAt")),
        stopped=_seconds(described.get("stoppedAt")),
        exit_code=container.get("exitCode"),
        ended_attempts=_ended(attempts),
        attempt_limit=int((described.get("retryStrategy") or {}).get("attempts") or 1),
        vcpus=int(float(asked.get("VCPU") or container.get("vcpus") or 0)),
        memory_mib=int(float(asked.get("MEMORY") or container.get("memory") or 0)),
        gpus=int(asked.get("GPU") or 0),
        time_limit=int((described.get("timeout") or {}).get("attemptDurationSeconds") or 0),
        image=container.get("image") or "",
        log_group=options.get("awslogs-group") or "",
        streams=_streams(attempts, container),
        host=container.get("containerInstanceArn") or "",
        environment={e["name"]: e.get("value", "") for e in container.get("environment") or ()},
        description=parse_job(described),
    )


def _seconds(milliseconds: Any) -> float:
    return float(milliseconds or 0) / 1000


def _ended(attempts: Sequence[Mapping[str, Any]]) -> tuple[AttemptFacts, ...]:
    """Return the attempts that have ended: AWS may list the one that runs, too."""
    return tuple(
        AttemptFacts(
            started=_seconds(attempt.get("startedAt")),
            stopped=_seconds(attempt.get("stoppedAt")),
            exit_code=(attempt.get("container") or {}).get("exitCode"),
            reason=(attempt.get("container") or {}).get("reason")
            or attempt.get("statusReason")
            or "",
            stream=(attempt.get("container") or {}).get("logStreamName") or "",
        )
        for attempt in attempts
        if attempt.get("stoppedAt") or attempt.get("statusReason")
    )


def _streams(
    attempts: Sequence[Mapping[str, Any]], container: Mapping[str, Any]
) -> tuple[str, ...]:
    containers = [*(attempt.get("container") or {} for attempt in attempts), container]
    names = dict.fromkeys(c["logStreamName"] for c in containers if c.get("logStreamName"))
    return tuple(names)
