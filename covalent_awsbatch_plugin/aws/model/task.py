"""A task as the engine sees it: its request, its run in this process, and its end."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import secrets
import socket
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from ...protocol import env_names, messages, s3_keys
from .access import Identity
from .description import CANCELLED, JobDescription
from .encryption import DEFAULT_ENCRYPTION, Encryption
from .job_command import worker_archive
from .job_definition import DefinitionSpec
from .submission import JobSpec, job_name, job_tags

T = TypeVar("T")

# The owner, in keys, of large inputs that are not deleted.
KEPT = "kept"


@dataclass(frozen=True)
class TaskRequest:
    """A task and the job it is to be.

    Attributes:
        dispatch_id: Covalent's id of the dispatch.
        node_id: Covalent's number of the node.
        name: The function's name.
        bucket: The bucket's name.
        cache_dir: Folder for temporary files.
        definition: The content of the job definition.
        queue: Name or ARN of the queue.
        vcpus: Number of vCPUs.
        memory_mib: Memory in MiB.
        gpus: Number of GPUs.
        attempts: Attempts in all.
        retry_on: ``any`` or ``infrastructure``.
        time_limit: Seconds an attempt may take.
        poll_freq: Longest time between two looks at the job, in seconds.
        tags: The user's tags.
        keep_objects: Whether the task's objects stay in the bucket.
        share_identifier: The job's share of a fair-share queue; empty for other queues.
        scheduling_priority: The job's priority within its share.
        misconfiguration_timeout: Seconds for which Batch may report, without interruption, that
            no host can ever run the job, before it is ended.
        encryption: How S3 is asked to encrypt the task's objects.
        run_id: What distinguishes this run's objects from those of every other run of the task;
            empty for a task that is uploaded, submitted and queried step by step.
    """

    dispatch_id: str
    node_id: int
    name: str
    bucket: str
    cache_dir: str
    definition: DefinitionSpec
    queue: str
    vcpus: int
    memory_mib: int
    gpus: int
    attempts: int
    retry_on: str
    time_limit: int
    poll_freq: float
    tags: dict[str, str] = field(default_factory=dict)
    keep_objects: bool = False
    share_identifier: str = ""
    scheduling_priority: int = 0
    misconfiguration_timeout: float = 600.0
    encryption: Encryption = DEFAULT_ENCRYPTION
    run_id: str = ""

    def for_run(self) -> TaskRequest:
        """Return the request of one run, which this process sees to its end."""
        return replace(self, run_id=secrets.token_hex(4))

    @property
    def prefix(self) -> str:
        """The prefix of the node's objects."""
        return s3_keys.node_prefix(self.dispatch_id, self.node_id)

    @property
    def task_key(self) -> str:
        """The key of the task's envelope."""
        return s3_keys.task_key(self.dispatch_id, self.node_id, self.run_id)

    @property
    def owns_blobs(self) -> bool:
        """Whether this process deletes the large inputs that it stores."""
        return bool(self.run_id) and not self.keep_objects

    @property
    def blobs_prefix(self) -> str:
        """The prefix of the large inputs that the task shares with others."""
        owner = process_name() if self.owns_blobs else KEPT
        return s3_keys.blobs_prefix(self.dispatch_id, owner, self.encryption.folder)

    @property
    def packages_prefix(self) -> str:
        """The prefix of what tasks of all dispatches share: the worker, and packages."""
        return s3_keys.shared_prefix(self.encryption.folder)

    @property
    def worker_key(self) -> str:
        """The key of the worker's archive."""
        return self.packages_prefix + hashlib.sha256(worker_archive()).hexdigest()

    @property
    def outcome_prefix(self) -> str:
        """The prefix of the task's outcomes, up to the job's id."""
        if not self.run_id:
            return self.prefix
        return s3_keys.outcome_prefix(server_name(), self.dispatch_id, self.node_id)

    def job_keys(self, job_id: str, attempts: int) -> Iterator[str]:
        """Return the keys of all that the first attempts of a job may have written."""
        for attempt in range(1, attempts + 1):
            yield s3_keys.outcome_key(self.outcome_prefix, job_id, attempt)
            yield s3_keys.result_key(self.task_key, job_id, attempt)


@dataclass(frozen=True)
class Settled:
    """How a task ended.

    Attributes:
        job_id: The job's id.
        job: The job's last description; None where Batch lost it.
        outcome: The outcome that its worker stored, if it did.
        unreadable: Why what is stored in its place is no outcome.
        log_tails: The ends of the attempts' logs, where there is no outcome.
        links: The console's addresses of the log streams.
    """

    job_id: str
    job: JobDescription | None
    outcome: messages.Outcome | None = None
    unreadable: str = ""
    log_tails: dict[str, list[str]] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)


class Cancelled(Exception):
    """The task was cancelled; its job, if it had one, was ended."""


class Running:
    """A task under way in this process.

    Attributes:
        cancelled: Whether it was cancelled.
        job_id: Its job's id, once that is known.
        account: The account of its job.
        submission: Its job's submission, once that has begun.
        spec: Its job, once its submission has begun.
        ended: Whether its job has ended and its outcome has been looked for.
    """

    def __init__(self) -> None:
        self.cancelled = False
        self.job_id = ""
        self.account = ""
        self.submission: asyncio.Task[str] | None = None
        self.spec: JobSpec | None = None
        self.ended = False
        self._work: asyncio.Future[Any] | None = None

    def cancel(self) -> None:
        """Give up what the task waits for."""
        self.cancelled = True
        if self._work is not None:
            self._work.cancel()

    async def unless_cancelled(self, work: Coroutine[Any, Any, T] | asyncio.Future[T]) -> T:
        """Return what ``work`` returns. A task waits for one thing at a time.

        Raises:
            Cancelled: The task was cancelled; ``work`` was given up.
        """
        future = asyncio.ensure_future(work)
        if self.cancelled:
            future.cancel()
            raise Cancelled
        self._work = future
        try:
            return await future
        except asyncio.CancelledError:
            if self.cancelled:
                raise Cancelled from None
            raise
        finally:
            self._work = None


def job_spec(request: TaskRequest, identity: Identity) -> JobSpec:
    """Return the job of a task, with a name that no other run's job has."""
    dispatch, node = request.dispatch_id, request.node_id
    return JobSpec(
        name=job_name(dispatch, node, request.run_id or secrets.token_hex(4)),
        queue=request.queue,
        vcpus=request.vcpus,
        memory_mib=request.memory_mib,
        gpus=request.gpus,
        attempts=request.attempts,
        retry_on=request.retry_on,
        time_limit=request.time_limit,
        share_identifier=request.share_identifier,
        scheduling_priority=request.scheduling_priority,
        environment={
            **request.encryption.environment(),
            env_names.ENV_BUCKET: request.bucket,
            env_names.ENV_OWNER: identity.account,
            env_names.ENV_TASK: request.task_key,
            env_names.ENV_WORKER: request.worker_key,
        },
        tags={**request.tags, **job_tags(dispatch, node, request.name, server_name())},
    )


def was_cancelled(job: JobDescription | None) -> bool:
    """Return whether Covalent had a job ended, perhaps through another node's executor."""
    return job is not None and job.status_reason.startswith(CANCELLED)


def server_name() -> str:
    """Return the name of this server in its jobs' tags."""
    return f"{socket.gethostname()}:{os.getpid()}"


def process_name() -> str:
    """Return a name that only this process ever has, for the objects that it deletes."""
    # A process that was forked has a name of its own; threads that ask at once get the same.
    pid = os.getpid()
    return _names.get(pid) or _names.setdefault(pid, _new_name(pid))


_names: dict[int, str] = {}


def _new_name(pid: int) -> str:
    host = re.sub(r"[^A-Za-z0-9]+", "-", socket.gethostname()).strip("-")[:32] or "host"
    return f"{host}-{pid}-{secrets.token_hex(6)}"
