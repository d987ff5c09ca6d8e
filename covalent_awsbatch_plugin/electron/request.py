"""From the executor's options to a task's request."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TextIO

from .. import covalent_calls
from ..aws.model.access import Access
from ..aws.model.encryption import Encryption
from ..aws.model.job_definition import DefinitionSpec
from ..aws.model.task import TaskRequest
from ..options import resolution
from ..protocol import messages


class Executor(Protocol):
    """What an electron's run needs of an executor: its options, and Covalent's verbs."""

    s3_bucket_name: str
    batch_queue: str
    batch_job_role_name: str
    batch_job_definition_name: str
    vcpu: int
    memory: float
    num_gpus: int
    retry_attempts: int
    retry_on: str
    time_limit: int
    poll_freq: float
    cache_dir: str
    container_image_uri: str
    environment: Mapping[str, str]
    container_properties: Mapping[str, Any]
    tags: Mapping[str, str]
    keep_objects: bool
    share_packages: str
    share_identifier: str
    scheduling_priority: int
    misconfiguration_timeout: float
    s3_encryption: str
    s3_kms_key_id: str
    builtin_nodes_on_batch: bool
    execution_role: str
    log_group_name: str
    task_stdout: TextIO | None
    task_stderr: TextIO | None

    @property
    def access(self) -> Access:
        """Which AWS account, as whom, and where."""

    async def get_cancel_requested(self) -> Any:
        """Ask the Covalent server whether the task was cancelled."""

    async def set_job_handle(self, handle: str) -> Any:
        """Note the job's id in the Covalent server's database."""


def task_request(
    executor: Executor, function: Callable[..., Any] | None, metadata: dict[str, Any]
) -> TaskRequest:
    """Return what the executor's options make of a task.

    Args:
        executor: The executor.
        function: The task's function, where it is known.
        metadata: The task's ``dispatch_id`` and ``node_id``.
    """
    python = covalent_calls.python_version(function) if function else sys.version.split()[0]
    return TaskRequest(
        dispatch_id=metadata["dispatch_id"],
        node_id=metadata["node_id"],
        name=covalent_calls.function_name(function) if function else "",
        bucket=executor.s3_bucket_name,
        cache_dir=executor.cache_dir,
        definition=_definition(executor, python),
        queue=executor.batch_queue,
        vcpus=executor.vcpu,
        memory_mib=int(executor.memory * 1024),
        gpus=executor.num_gpus,
        attempts=executor.retry_attempts,
        retry_on=executor.retry_on,
        time_limit=executor.time_limit,
        poll_freq=executor.poll_freq,
        tags=dict(executor.tags),
        keep_objects=executor.keep_objects,
        share_identifier=executor.share_identifier,
        scheduling_priority=executor.scheduling_priority,
        misconfiguration_timeout=executor.misconfiguration_timeout,
        encryption=Encryption(executor.s3_encryption, executor.s3_kms_key_id),
    )


def _definition(executor: Executor, python: str) -> DefinitionSpec:
    return DefinitionSpec(
        name=executor.batch_job_definition_name,
        image=executor.container_image_uri or resolution.default_image(python),
        execution_role=executor.execution_role,
        job_role=executor.batch_job_role_name,
        log_group=executor.log_group_name,
        region=executor.access.region,
        python=messages.minor(python),
        environment=executor.environment,
        container_properties=executor.container_properties,
        tags=executor.tags,
    )
