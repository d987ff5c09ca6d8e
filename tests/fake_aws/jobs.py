"""A job: what was asked for, how it ended, and how Batch describes it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ENDED = ("SUCCEEDED", "FAILED")
DESCRIBED_PROPERTIES = (
    "image",
    "jobRoleArn",
    "executionRoleArn",
    "volumes",
    "mountPoints",
    "ulimits",
    "linuxParameters",
    "logConfiguration",
    "secrets",
    "user",
    "readonlyRootFilesystem",
    "privileged",
)


@dataclass(frozen=True)
class JobEnd:
    """How an attempt ended.

    Attributes:
        exit_code: The container's exit code; None where none is known.
        reason: ``container.reason``, where there is one.
        status_reason: The status reason, where it is not the usual one.
        log: Lines for the attempt's log stream.
        vanish: The job is no longer described at all.
    """

    exit_code: int | None = 0
    reason: str | None = None
    status_reason: str | None = None
    log: tuple[str, ...] = ()
    vanish: bool = False

    @property
    def succeeded(self) -> bool:
        return self.exit_code == 0


@dataclass(frozen=True)
class Definition:
    """One revision of a job definition."""

    arn: str
    name: str
    revision: int
    request: Mapping[str, Any]
    visible_at: float
    status: str = "ACTIVE"

    def describe(self) -> dict[str, Any]:
        """Return it as DescribeJobDefinitions does."""
        kept = {k: v for k, v in self.request.items() if k not in ("jobDefinitionName", "tags")}
        return {
            **kept,
            "jobDefinitionName": self.name,
            "jobDefinitionArn": self.arn,
            "revision": self.revision,
            "status": self.status,
            "tags": self.request.get("tags", {}),
            "containerOrchestrationType": "ECS",
        }


@dataclass
class Job:
    """A job and its present state."""

    arn: str
    request: Mapping[str, Any]
    definition: Definition
    queue_arn: str
    log_stream: str | None = None
    status: str = "SUBMITTED"
    status_reason: str | None = None
    attempts: list[dict[str, Any]] = field(default_factory=list)
    end: JobEnd | None = None
    created_at: float = field(default_factory=time.time)
    started_at: float | None = None
    stopped_at: float | None = None
    vanished: bool = False
    termination: str | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def name(self) -> str:
        return str(self.request["jobName"])

    @property
    def attempt(self) -> int:
        """The number of the attempt that runs, or of the next."""
        return len(self.attempts) + 1

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def tags(self) -> dict[str, str]:
        return dict(self.request.get("tags", {}))

    @property
    def retry_strategy(self) -> Mapping[str, Any]:
        return dict(self._either("retryStrategy", {"attempts": 1}))

    @property
    def container(self) -> dict[str, Any]:
        """The definition's container properties with the job's overrides applied."""
        properties = dict(self.definition.request.get("containerProperties", {}))
        overrides = self.request.get("containerOverrides", {})
        for name in ("environment", "resourceRequirements"):
            key = "name" if name == "environment" else "type"
            merged = {item[key]: item for item in properties.get(name, ())}
            merged.update({item[key]: item for item in overrides.get(name, ())})
            properties[name] = list(merged.values())
        if "command" in overrides:
            properties["command"] = overrides["command"]
        return properties

    @property
    def environment(self) -> dict[str, str]:
        """What the container sees."""
        variables = {item["name"]: item["value"] for item in self.container["environment"]}
        return {
            **variables,
            "AWS_BATCH_JOB_ID": self.id,
            "AWS_BATCH_JOB_ATTEMPT": str(self.attempt),
            "AWS_BATCH_JQ_NAME": self.queue_arn.rpartition("/")[2],
            "AWS_EXECUTION_ENV": "AWS_ECS_EC2",
        }

    @property
    def log_group(self) -> str:
        """The group its log stream is in."""
        options = self.container.get("logConfiguration", {}).get("options", {})
        return str(options.get("awslogs-group", "/aws/batch/job"))

    def start(self) -> None:
        """Begin an attempt, with a log stream of its own."""
        self.status, self.status_reason = "RUNNING", None
        self.started_at = time.time()
        self.log_stream = f"{self.definition.name}/default/{uuid.uuid4().hex}"

    def finish_attempt(self, end: JobEnd) -> None:
        """Record how the running attempt ended."""
        self.end = end
        self.status_reason = end.status_reason or "Essential container in task exited"
        self.stopped_at = time.time()
        self.attempts.append(self._attempt_detail(end))

    def wants_retry(self, end: JobEnd) -> bool:
        """Return whether Batch makes another attempt, by the retry strategy's rules in order."""
        if end.succeeded or self.termination or len(self.attempts) >= self._attempts_allowed():
            return False
        for rule in self.retry_strategy.get("evaluateOnExit", ()):
            if _matches(rule, end, self.status_reason or ""):
                return bool(rule["action"].upper() == "RETRY")
        return True

    def settle(self, status: str, reason: str | None = None) -> None:
        """End the job."""
        self.status = status
        self.status_reason = reason or self.status_reason
        self.stopped_at = time.time()

    def summary(self) -> dict[str, Any]:
        """Return the job as ListJobs does."""
        detail = self._times() | {
            "jobArn": self.arn,
            "jobId": self.id,
            "jobName": self.name,
            "jobDefinition": self.definition.arn,
            "status": self.status,
            "container": _filled({"exitCode": self.end.exit_code} if self.end else {}),
            "statusReason": self.status_reason,
        }
        return _filled(detail)

    def describe(self) -> dict[str, Any]:
        """Return the job as DescribeJobs does."""
        detail = self._times() | {
            "jobArn": self.arn,
            "jobName": self.name,
            "jobId": self.id,
            "jobQueue": self.queue_arn,
            "status": self.status,
            "attempts": self.attempts,
            "statusReason": self.status_reason,
            "retryStrategy": {"evaluateOnExit": [], **self.retry_strategy},
            "dependsOn": [],
            "jobDefinition": self.definition.arn,
            "parameters": {},
            "container": self._container_detail(),
            "timeout": self._either("timeout", None),
            "tags": {**self.tags, "resourceArn": self.arn},
            "propagateTags": self.request.get("propagateTags", False),
            "shareIdentifier": self.request.get("shareIdentifier"),
            "schedulingPriority": self.request.get("schedulingPriorityOverride"),
            "platformCapabilities": self.definition.request.get("platformCapabilities", ["EC2"]),
            "eksAttempts": [],
            "isTerminated": self.termination is not None,
            "isCancelled": False,
        }
        return _filled(detail)

    def _either(self, name: str, default: Any) -> Any:
        return self.request.get(name) or self.definition.request.get(name) or default

    def _attempts_allowed(self) -> int:
        return int(self.retry_strategy.get("attempts", 1))

    def _times(self) -> dict[str, Any]:
        times = {
            "createdAt": self.created_at,
            "startedAt": self.started_at,
            "stoppedAt": self.stopped_at,
        }
        return {name: int(moment * 1000) for name, moment in times.items() if moment}

    def _container_detail(self) -> dict[str, Any]:
        properties = self.container
        detail = {name: properties[name] for name in DESCRIBED_PROPERTIES if name in properties}
        detail |= {
            "command": properties.get("command", []),
            "environment": properties["environment"],
            "resourceRequirements": properties["resourceRequirements"],
            "networkInterfaces": [],
            "logStreamName": self.log_stream,
        }
        if self.end is not None:
            detail |= {"exitCode": self.end.exit_code, "reason": self.end.reason}
        return _filled(detail)

    def _attempt_detail(self, end: JobEnd) -> dict[str, Any]:
        container: dict[str, Any] = {
            "containerInstanceArn": self.queue_arn.replace("job-queue", "container-instance"),
            "taskArn": self.arn.replace(":job/", ":task/"),
            "exitCode": end.exit_code,
            "reason": end.reason,
            "logStreamName": self.log_stream,
            "networkInterfaces": [],
        }
        return self._times() | {
            "container": _filled(container),
            "statusReason": self.status_reason,
        }


def _filled(detail: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in detail.items() if value is not None}


def _matches(rule: Mapping[str, str], end: JobEnd, status_reason: str) -> bool:
    """Return whether every condition of an evaluateOnExit rule holds."""
    facts = {
        "onExitCode": "" if end.exit_code is None else str(end.exit_code),
        "onReason": end.reason or "",
        "onStatusReason": status_reason,
    }
    return all(_fits(rule[name], fact) for name, fact in facts.items() if name in rule)


def _fits(pattern: str, text: str) -> bool:
    if pattern.endswith("*"):
        return text.startswith(pattern[:-1])
    return text == pattern
