"""A task as the engine sees it: what is asked for, that it is under way, what came of it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ...protocol import env_names, messages, s3_keys
from .access import Identity
from .description import CANCELLED, JobDescription
from .encryption import DEFAULT_ENCRYPTION, Encryption
from .job_command import worker_archive
from .job_definition import DefinitionSpec
from .submission import JobSpec, job_name, job_tags

T = TypeVar("T")


@dataclass(frozen=True)
class TaskRequest:
    """A task and the job it is to be.

    Attributes:
        dispatch_id: Covalent's id of the dispatch.
        node_id: Covalent's number of the node.
        name: The function's name.
        bucket: The bucket's name.
        cache_dir: Folder for temporary files.
        definition: What the job definition says.
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

    @property
    def prefix(self) -> str:
        """The prefix of the task's own objects."""
        return s3_keys.node_prefix(self.dispatch_id, self.node_id)


@dataclass(frozen=True)
class Settled:
    """What came of a task.

    Attributes:
        job_id: The job's id.
        job: The job's last description; None where Batch lost it.
        outcome: What the worker left, if it did.
        unreadable: Why what is in the outcome's place is none.
        log_tails: The ends of the attempts' logs, where no outcome tells.
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
    """A task under way in this process."""

    def __init__(self) -> None:
        self.cancelled = False
        self.job_id = ""
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


def job_spec(request: TaskRequest, identity: Identity, nonce: str) -> JobSpec:
    """Return the job of a task; the nonce tells this run's job from every other."""
    dispatch, node = request.dispatch_id, request.node_id
    return JobSpec(
        name=job_name(dispatch, node, nonce),
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
            env_names.ENV_TASK: s3_keys.task_key(dispatch, node),
            env_names.ENV_WORKER: worker_key(dispatch),
        },
        tags={**request.tags, **job_tags(dispatch, node, request.name, server_name())},
    )


def cancel_reason(dispatch_id: str, node_id: int) -> str:
    """Return the reason that AWS shows for a cancelled job."""
    node = s3_keys.safe_name(node_id)
    return f"{CANCELLED} dispatch {s3_keys.safe_name(dispatch_id)}, node {node}"


def was_cancelled(job: JobDescription | None) -> bool:
    """Return whether Covalent had a job ended, perhaps through another node's executor."""
    return job is not None and job.status_reason.startswith(CANCELLED)


def worker_key(dispatch_id: str) -> str:
    """Return the key of the worker's archive."""
    return s3_keys.blob_key(dispatch_id, hashlib.sha256(worker_archive()).hexdigest())


def server_name() -> str:
    """Return what tells this server's jobs from those of another one."""
    return f"{socket.gethostname()}:{os.getpid()}"
