"""Jobs and job definitions as plain data: from specifications to requests, from answers to facts.

Everything here is pure. Limits are AWS's own, from the Batch service model and its service quotas.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import Any

from .. import contract

SUBMITTED, PENDING, RUNNABLE = "SUBMITTED", "PENDING", "RUNNABLE"
STARTING, RUNNING, SUCCEEDED, FAILED = "STARTING", "RUNNING", "SUCCEEDED", "FAILED"
WAITING = frozenset({SUBMITTED, PENDING, RUNNABLE})
FINISHED = frozenset({SUCCEEDED, FAILED})

DESCRIBE_LIMIT = 100
REASON_LIMIT = 255
TAG_VALUE_LIMIT = 256
JOB_NAME_LIMIT = 128

# What AWS says of an attempt that no task can be blamed for, as evaluateOnExit patterns.
INFRASTRUCTURE_STATUS_REASONS = ("Host EC2*",)
INFRASTRUCTURE_REASONS = ("CannotPullContainerError:*", "DockerTimeoutError:*")

# A shell finds the Python, which runs what stands behind it: the packed bootstrap ($0).
SHELL = (
    "python=$(command -v python3 || command -v python) || { "
    "echo 'covalent-awsbatch: this image has no Python. Use one that has, such as "
    "public.ecr.aws/docker/library/python:'$COVALENT_AWSBATCH_PYTHON'-slim "
    "(container_image_uri).' >&2; "
    f"exit {contract.EXIT_NO_PYTHON}; }}; "
    'exec "$python" -u -c "$0"'
)


@dataclass(frozen=True)
class Identity:
    """Who we are on AWS.

    Attributes:
        account: The account's twelve digits.
        partition: ``aws``, ``aws-cn`` or ``aws-us-gov``.
        arn: The caller's ARN.
    """

    account: str
    partition: str
    arn: str

    def role_arn(self, role: str) -> str:
        """Return the ARN of a role given by name or by ARN."""
        if role.startswith("arn:"):
            return role
        return f"arn:{self.partition}:iam::{self.account}:role/{role}"


@dataclass(frozen=True)
class DefinitionSpec:
    """What a job definition says; all tasks that share it share one revision.

    Attributes:
        name: The definition's name.
        image: The job's image.
        execution_role: Name or ARN of the role of ECS.
        job_role: Name or ARN of the role of the task.
        log_group: The log group of the job's output.
        region: The log group's region.
        python: The Python minor version that the worker needs.
        requirements: What the worker needs, such as ``boto3==1.40.0``.
        bounds: Further bounds for pip, where it has to install requirements.
        environment: The user's environment variables.
        container_properties: The user's container properties, merged over ours.
        tags: The user's tags.
    """

    name: str
    image: str
    execution_role: str
    job_role: str
    log_group: str
    region: str
    python: str
    requirements: tuple[str, ...]
    bounds: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    container_properties: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class JobSpec:
    """One job.

    Attributes:
        name: The job's name, its own among all of the queue.
        queue: Name or ARN of the queue.
        vcpus: Number of vCPUs.
        memory_mib: Memory in MiB.
        gpus: Number of GPUs.
        attempts: Attempts in all, 1 to 10.
        retry_on: ``any`` or ``infrastructure``.
        time_limit: Seconds an attempt may take, at least 60.
        environment: What the worker is told.
        tags: The job's tags.
    """

    name: str
    queue: str
    vcpus: int
    memory_mib: int
    gpus: int
    attempts: int
    retry_on: str
    time_limit: int
    environment: Mapping[str, str]
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Attempt:
    """How one attempt of a job ended, as Batch tells it."""

    exit_code: int | None = None
    reason: str = ""
    status_reason: str = ""
    log_stream: str = ""


@dataclass(frozen=True)
class JobDescription:
    """What Batch tells of a job.

    Attributes:
        job_id: The job's id.
        status: One of Batch's seven.
        status_reason: Why it is in that status.
        reason: The container's own reason.
        exit_code: The last attempt's exit code, where it had one.
        log_stream: The last attempt's log stream.
        log_group: The log group of the streams.
        attempts: Those that have ended, the first first.
        memory_mib: The memory the job asked for, in MiB; 0 if not told.
        image: The job's image.
        name: The job's name.
        terminated: Whether somebody ended it on purpose.
    """

    job_id: str
    status: str
    status_reason: str = ""
    reason: str = ""
    exit_code: int | None = None
    log_stream: str = ""
    log_group: str = ""
    attempts: tuple[Attempt, ...] = ()
    memory_mib: int = 0
    image: str = ""
    name: str = ""
    terminated: bool = False

    @property
    def finished(self) -> bool:
        """Whether the job has ended."""
        return self.status in FINISHED

    @property
    def stuck(self) -> bool:
        """Whether the job can never start, as it or the queue is set up."""
        return self.waiting and self.status_reason.startswith("MISCONFIGURATION:")

    @property
    def waiting(self) -> bool:
        """Whether the job has not started."""
        return self.status in WAITING


def job_name(dispatch_id: object, node_id: object, nonce: str) -> str:
    """Return a job's name: of the form Batch accepts, and this run's own."""
    node = contract.safe_name(node_id)[:32]
    return f"covalent-{contract.safe_name(dispatch_id)}-{node}-{nonce}"[:JOB_NAME_LIMIT]


def job_tags(dispatch_id: object, node_id: object, function: str, server: str) -> dict[str, str]:
    """Return the tags by which a job's dispatch, node and server are found again."""
    return {
        contract.TAG_DISPATCH: contract.safe_name(dispatch_id),
        contract.TAG_NODE: contract.safe_name(node_id),
        contract.TAG_FUNCTION: tag_value(function),
        contract.TAG_SERVER: tag_value(server),
    }


def tag_value(text: str) -> str:
    """Return ``text`` with what AWS refuses in a tag's value replaced, at most 256 characters."""
    return re.sub(r"[^\w .:/=+@-]", "_", text)[:TAG_VALUE_LIMIT]


@lru_cache(maxsize=1)
def worker_archive() -> bytes:
    """Return the worker's archive, a zip: the same bytes on every call and machine."""
    package = files("covalent_awsbatch_plugin")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr(_entry("__init__.py"), "")
        for name in ("contract.py", "worker.py"):
            archive.writestr(_entry(name), (package / name).read_text("utf-8"))
    return buffer.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(f"covalent_awsbatch_worker/{name}", date_time=(1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


@lru_cache(maxsize=1)
def worker_command() -> tuple[str, ...]:
    """Return the command of every job: about 2.5 KB, since each DescribeJobs repeats it."""
    bootstrap = (files("covalent_awsbatch_plugin") / "bootstrap.py").read_bytes()
    packed = base64.b64encode(zlib.compress(bootstrap, 9)).decode("ascii")
    unpack = f"import base64, zlib; exec(zlib.decompress(base64.b64decode('{packed}')))"
    return ("sh", "-c", SHELL, unpack)


def definition_request(spec: DefinitionSpec, identity: Identity) -> dict[str, Any]:
    """Return the parameters of RegisterJobDefinition; a tag holds the hash of all the rest."""
    environment = {
        **spec.environment,
        contract.ENV_PYTHON: spec.python,
        contract.ENV_REQUIREMENTS: " ".join(spec.requirements),
        contract.ENV_BOUNDS: " ".join(spec.bounds),
    }
    properties: dict[str, Any] = {
        "image": spec.image,
        "command": list(worker_command()),
        "environment": pairs(environment),
        "executionRoleArn": identity.role_arn(spec.execution_role),
        "jobRoleArn": identity.role_arn(spec.job_role),
        # Every submission overrides these; Batch wants some in the definition.
        "resourceRequirements": [
            {"type": "VCPU", "value": "1"},
            {"type": "MEMORY", "value": "1024"},
        ],
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": spec.log_group,
                "awslogs-region": spec.region,
                "awslogs-create-group": "true",
                "awslogs-stream-prefix": "covalent-batch",
            },
        },
    }
    request = {
        "jobDefinitionName": spec.name,
        "type": "container",
        "containerProperties": merge(properties, spec.container_properties),
        "platformCapabilities": ["EC2"],
    }
    tags = {**spec.tags, contract.TAG_PROPERTIES: digest({**request, "tags": dict(spec.tags)})}
    return {**request, "tags": tags}


def digest(value: Any) -> str:
    """Return a hash of a JSON value that does not depend on the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def merge(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``theirs`` over ``ours``: tables are merged, lists of names and values joined."""
    merged = dict(ours)
    for key, value in theirs.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = merge(merged[key], value)
        elif key == "environment":
            merged[key] = [*value, *merged[key]]
        else:
            merged[key] = value
    return merged


def pairs(environment: Mapping[str, str]) -> list[dict[str, str]]:
    """Return environment variables in Batch's form."""
    return [{"name": name, "value": value} for name, value in sorted(environment.items())]


def submit_request(spec: JobSpec, definition_arn: str) -> dict[str, Any]:
    """Return the parameters of SubmitJob."""
    resources = [("VCPU", spec.vcpus), ("MEMORY", spec.memory_mib)]
    if spec.gpus:
        resources.append(("GPU", spec.gpus))
    return {
        "jobName": spec.name,
        "jobQueue": spec.queue,
        "jobDefinition": definition_arn,
        "containerOverrides": {
            "environment": pairs(spec.environment),
            "resourceRequirements": [{"type": t, "value": str(v)} for t, v in resources],
        },
        "retryStrategy": retry_strategy(spec.attempts, spec.retry_on),
        "timeout": {"attemptDurationSeconds": spec.time_limit},
        "tags": dict(spec.tags),
    }


def retry_strategy(attempts: int, retry_on: str) -> dict[str, Any]:
    """Return a job's retry strategy.

    What cannot succeed is never attempted again. Of the rest, everything is (``any``), or only
    what AWS is to blame for. Batch takes five rules at most and retries what no rule matches.
    """
    rules = [{"action": "EXIT", "onExitCode": contract.NEVER_RETRIED}]
    if retry_on == "infrastructure":
        rules = [
            *({"action": "RETRY", "onStatusReason": r} for r in INFRASTRUCTURE_STATUS_REASONS),
            *({"action": "RETRY", "onReason": r} for r in INFRASTRUCTURE_REASONS),
            {"action": "EXIT", "onReason": "*"},
        ]
    return {"attempts": max(attempts, 1), "evaluateOnExit": rules}


def parse_job(described: Mapping[str, Any]) -> JobDescription:
    """Read one job of a DescribeJobs answer. Fields that AWS leaves out are empty."""
    container = described.get("container") or {}
    options = (container.get("logConfiguration") or {}).get("options") or {}
    return JobDescription(
        job_id=described["jobId"],
        status=described["status"],
        status_reason=described.get("statusReason") or "",
        reason=container.get("reason") or "",
        exit_code=container.get("exitCode"),
        log_stream=container.get("logStreamName") or "",
        log_group=options.get("awslogs-group", ""),
        attempts=tuple(map(_parse_attempt, described.get("attempts") or ())),
        memory_mib=_memory(container),
        image=container.get("image") or "",
        name=described.get("jobName") or "",
        terminated=bool(described.get("isTerminated") or described.get("isCancelled")),
    )


def _parse_attempt(attempt: Mapping[str, Any]) -> Attempt:
    container = attempt.get("container") or {}
    return Attempt(
        exit_code=container.get("exitCode"),
        reason=container.get("reason") or "",
        status_reason=attempt.get("statusReason") or "",
        log_stream=container.get("logStreamName") or "",
    )


def _memory(container: Mapping[str, Any]) -> int:
    requirements: Sequence[Mapping[str, Any]] = container.get("resourceRequirements") or ()
    for requirement in requirements:
        if requirement.get("type") == "MEMORY":
            return int(requirement["value"])
    return int(container.get("memory") or 0)
