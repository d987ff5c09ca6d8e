"""The executor, and what Covalent reads off this module.

Covalent imports this module whenever it is imported itself, so nothing heavy is imported here.
The executor holds plain values only: Covalent copies it, sends it as JSON, and makes several
instances for one electron. What is alive (connections, jobs under way) is in ``aws.backend``.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from .covalent_plugins import load_pending

# isort: split
from covalent._shared_files import logger as covalent_logger
from covalent._shared_files.exceptions import TaskCancelledError, TaskRuntimeError
from covalent.executor.executor_plugins.remote_executor import RemoteExecutor

from .errors import BatchTaskError
from .options import display, resolution
from .options.table import BY_NAME, INHERITED

if TYPE_CHECKING:
    from .aws.backend import Backend
    from .aws.model.access import Access

EXECUTOR_PLUGIN_NAME = "AWSBatchExecutor"
_EXECUTOR_PLUGIN_DEFAULTS = resolution.defaults(documented_only=True)

_CALLED_BY_RUN_IN_0_42 = {
    "_poll_task",
    "_upload_task",
    "_validate_credentials",
    "get_status",
    "query_result",
    "submit_task",
}

__all__ = ["EXECUTOR_PLUGIN_NAME", "AWSBatchExecutor"]

log = logging.getLogger("covalent_awsbatch_plugin")
# Our messages go where Covalent's go: the server's log.
log.parent = covalent_logger.app_log


def __getattr__(name: str) -> Any:
    """Load what ``covalent deploy`` asks for, and nothing else does."""
    if name in ("ExecutorInfraDefaults", "ExecutorPluginDefaults"):
        from .options import covalent_deploy

        return getattr(covalent_deploy, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class AWSBatchExecutor(RemoteExecutor):  # type: ignore[misc]
    """Runs electrons as AWS Batch jobs on EC2.

    Every option that is not given comes from the section ``[executors.awsbatch]`` of Covalent's
    configuration, else it has its default. An argument other than None wins, also 0 and "".

    Args:
        credentials: Path of the AWS credentials file.
        profile: Name of the AWS profile.
        region: AWS region.
        s3_bucket_name: Name of the S3 bucket through which tasks and results travel.
        batch_queue: Name or ARN of the Batch job queue.
        batch_execution_role_name: Name or ARN of the IAM role with which ECS starts the job.
        batch_job_role_name: Name or ARN of the IAM role that the task has.
        batch_job_log_group_name: Name of the CloudWatch log group of the jobs' output.
        vcpu: Number of vCPUs, at least 1.
        memory: Memory in GB (of 1,024 MiB), at least 4 MiB.
        num_gpus: Number of GPUs, at least 0.
        retry_attempts: Attempts in all, 1 to 10.
        time_limit: Seconds an attempt may take, at least 60.
        poll_freq: Maximum polling interval in seconds.
        cache_dir: Folder of the server's temporary files.
        container_image_uri: Image of the job; empty for the official slim Python image.
        batch_job_definition_name: Name under which job definitions are registered.
        environment: Environment variables of the task.
        tags: Tags of jobs and job definitions, at most 45.
        endpoint_url: URL of every AWS service, for the local AWS.
        container_properties: Container properties merged into the job definition.
        retry_on: Which failures are retried: ``"any"``, or only ``"infrastructure"``.
        builtin_nodes_on_batch: Whether Covalent's built-in nodes run as jobs too.
        keep_objects: Whether a task's objects stay in the bucket.
        share_packages: Among which electrons what DepsPip installs is shared: those of a
            ``dispatch``, those of all that use the ``bucket``, or ``never``.
        share_identifier: Share of the jobs in a fair-share queue.
        scheduling_priority: Priority of the jobs within their share, 0 to 9999.
        misconfiguration_timeout: Seconds for which AWS Batch may report that no host can ever run
            a job, before it is ended.
        s3_encryption: Server-side encryption that each write to the bucket names.
        s3_kms_key_id: KMS key of that encryption.
        unknown: Keys of the configuration that this release does not know: each is warned
            about once, by name, and ignored. Covalent's own (``log_stdout``, ``log_stderr``) are
            passed on.

    Raises:
        InvalidOptions: Values are of the wrong type or out of bounds; it names all of them.
        TypeError: An argument has an unknown name.
    """

    def __init__(
        self,
        credentials: str | None = None,
        profile: str | None = None,
        region: str | None = None,
        s3_bucket_name: str | None = None,
        batch_queue: str | None = None,
        batch_execution_role_name: str | None = None,
        batch_job_role_name: str | None = None,
        batch_job_log_group_name: str | None = None,
        vcpu: int | None = None,
        memory: float | None = None,
        num_gpus: int | None = None,
        retry_attempts: int | None = None,
        time_limit: int | None = None,
        poll_freq: float | None = None,
        cache_dir: str | None = None,
        container_image_uri: str | None = None,
        *,
        batch_job_definition_name: str | None = None,
        environment: dict[str, str] | None = None,
        tags: dict[str, str] | None = None,
        endpoint_url: str | None = None,
        container_properties: dict[str, Any] | None = None,
        retry_on: str | None = None,
        builtin_nodes_on_batch: bool | None = None,
        keep_objects: bool | None = None,
        share_packages: str | None = None,
        share_identifier: str | None = None,
        scheduling_priority: int | None = None,
        misconfiguration_timeout: float | None = None,
        s3_encryption: str | None = None,
        s3_kms_key_id: str | None = None,
        **unknown: Any,
    ) -> None:
        arguments = {name: value for name, value in locals().items() if name in BY_NAME}
        configured = resolution.configured()
        inherited = {k: unknown.pop(k) for k in INHERITED if k in unknown}
        resolution.report_unknown(unknown, configured)
        values = resolution.resolve(arguments, configured)
        super().__init__(**inherited)
        left = resolution.left_to_sdk(arguments, configured)
        attributes = {**vars(self), **values, "left_to_sdk": left}
        self.__dict__.clear()
        self.__dict__.update(display.ordered(attributes))

    def __repr__(self) -> str:
        return display.as_text(vars(self), resolution.configured())

    def _repr_html_(self) -> str:
        return display.as_html(vars(self), resolution.configured())

    def __init_subclass__(cls, **options: Any) -> None:
        """Warn of methods that run() of release 0.42 called, and this one does not."""
        super().__init_subclass__(**options)
        before = cls.__mro__[: cls.__mro__.index(AWSBatchExecutor)]
        # Its own methods and those it mixes in; parents that are executors had their warning.
        added = [c for c in before if c is cls or not issubclass(c, AWSBatchExecutor)]
        names = {name for each in added for name in vars(each)}
        for name in sorted(_CALLED_BY_RUN_IN_0_42 & names):
            log.warning(
                "AWS Batch: %s overrides %s(), which run() does not call since release 1.0. "
                "Override run() instead.",
                cls.__qualname__,
                name,
            )

    # ---- Covalent's verbs

    async def run(
        self,
        function: Callable[..., Any],
        args: list[Any],
        kwargs: dict[str, Any],
        task_metadata: dict[str, Any],
    ) -> Any:
        """Run a function as a Batch job and return what it returns.

        For Covalent's own call of an electron, the result is a TransportableObject, which is
        never unpickled here.

        Args:
            function: The function.
            args: Its positional arguments.
            kwargs: Its keyword arguments.
            task_metadata: The task's ``dispatch_id`` and ``node_id``.

        Raises:
            TaskRuntimeError: The task failed; it is one of this package's errors too, and its
                text is at the end of the task's stderr.
            TaskCancelledError: The task was cancelled.
        """
        from .aws.model.task import Cancelled
        from .electron.run import encodable, run_electron

        try:
            return await run_electron(self, function, args, kwargs, task_metadata)
        except Cancelled as cancelled:
            raise TaskCancelledError(f"Task {_label(task_metadata)} was cancelled") from cancelled
        except BatchTaskError as error:
            print(encodable(str(error)), file=self.task_stderr or sys.stderr)
            raise _for_covalent(error) from error.__cause__

    async def cancel(self, task_metadata: dict[str, Any], job_handle: Any) -> bool:
        """Cancel a task's job.

        Args:
            task_metadata: The task's ``dispatch_id`` and ``node_id``.
            job_handle: The job's id, as ``set_job_handle`` got it; None for a task without one.

        Returns:
            Whether there was a job, or a task about to have one, to cancel.
        """
        handle = job_handle if isinstance(job_handle, str) and job_handle else None
        try:
            async with self._backend() as backend:
                dispatch_id, node_id = task_metadata["dispatch_id"], task_metadata["node_id"]
                return await backend.cancel(dispatch_id, node_id, handle)
        except BatchTaskError as error:
            log.warning("AWS Batch: task %s: %s", _label(task_metadata), error)
            return False

    async def receive(self, task_group_metadata: dict[str, Any], data: Any) -> list[Any]:
        """Report tasks to Covalent that were cancelled before they started."""
        from covalent._shared_files.util_classes import RESULT_STATUS
        from covalent.executor.schemas import TaskUpdate

        dispatch_id = task_group_metadata["dispatch_id"]
        return [
            TaskUpdate(
                dispatch_id=dispatch_id, node_id=node_id, status=RESULT_STATUS.CANCELLED, assets={}
            )
            for node_id in task_group_metadata["node_ids"]
        ]

    async def submit_task(self, task_metadata: dict[str, Any], identity: dict[str, Any]) -> str:
        """Submit the job of a task that ``_upload_task`` has put into the bucket.

        Args:
            task_metadata: The task's ``dispatch_id`` and ``node_id``.
            identity: The caller's identity; the backend knows it itself.

        Returns:
            The job's id.

        Raises:
            BatchTaskError: AWS refused it.
        """
        from .electron.request import task_request

        async with self._backend() as backend:
            return await backend.submit(task_request(self, None, task_metadata))

    async def get_status(self, job_id: str) -> tuple[str, int]:
        """Return a job's status and exit code, -1 where it has none (yet).

        Args:
            job_id: The job's id.

        Raises:
            JobVanished: Batch does not know the job.
            AWSError: AWS refused it.
        """
        from .errors import JobVanished

        async with self._backend() as backend:
            job = await backend.poller.describe(job_id)
        if job is None:
            raise JobVanished(f"The job is {job_id}.")
        return job.status, -1 if job.exit_code is None else job.exit_code

    async def query_result(self, task_metadata: dict[str, Any]) -> tuple[Any, str, str]:
        """Return the result, stdout and stderr of a task that has ended and left its objects.

        A result of Covalent's own call is a TransportableObject, which is not unpickled. Only for
        a plain function, uploaded as one pickle, is the result unpickled here: whoever can write
        to the bucket could then run code in this process.

        Args:
            task_metadata: The task's ``dispatch_id`` and ``node_id``.

        Raises:
            OutcomeMissing: There is no outcome in the bucket (``run`` deletes it, unless
                ``keep_objects`` is set).
            BatchTaskError: The task failed, or AWS refused a request.
        """
        from .electron.run import query

        async with self._backend() as backend:
            return await query(self, backend, task_metadata)

    async def _validate_credentials(self) -> dict[str, str]:
        async with self._backend() as backend:
            identity = await backend.session.identity()
        return {"Account": identity.account, "Arn": identity.arn}

    async def _upload_task(
        self,
        function: Callable[..., Any],
        args: list[Any],
        kwargs: dict[str, Any],
        task_metadata: dict[str, Any],
    ) -> None:
        from .electron.run import upload

        async with self._backend() as backend:
            await upload(self, backend, function, args, kwargs, task_metadata)

    async def _poll_task(self, job_id: str) -> str:
        async with self._backend() as backend:
            job = await backend.poller.ended(job_id, self.poll_freq, self.misconfiguration_timeout)
        return job.status if job is not None else "VANISHED"

    def boto_session_options(self) -> dict[str, str]:
        """Return keyword arguments of a ``boto3.Session`` with this executor's identity.

        Raises:
            CredentialsFailed: The credentials file or profile does not exist.
        """
        from .aws.calls.credentials import session_options

        return session_options(self.access)

    def from_dict(self, object_dict: dict[str, Any]) -> AWSBatchExecutor:
        """Take over attributes; those that another release's dictionary lacks stay as they are.

        Args:
            object_dict: What ``to_dict`` returned. That of another class is ignored: Covalent
                passes on the lattice's, where a sublattice names its executor without options.

        Returns:
            This executor.
        """
        if object_dict and object_dict.get("short_name") in (None, self.short_name()):
            self.__dict__.update(deepcopy(object_dict["attributes"]))
        return self

    # ---- What it is made of

    @property
    def access(self) -> Access:
        """Which AWS account, as whom, and where; on the host that asks."""
        from .aws.calls.regions import located
        from .aws.model.access import Access

        chosen = resolution.chosen(vars(self), self.left_to_sdk)
        return located(Access(**chosen, endpoint_url=self.endpoint_url))

    def _backend(self) -> AbstractAsyncContextManager[Backend]:
        from .aws.backend import backends

        return backends.use(self.access)


def _label(task_metadata: Mapping[str, Any]) -> str:
    return f"{task_metadata['dispatch_id']}:{task_metadata['node_id']}"


_covalent_classes: dict[type[BatchTaskError], type[BatchTaskError]] = {}


def _for_covalent(error: BatchTaskError) -> BatchTaskError:
    """Return the error as a TaskRuntimeError too: for others Covalent drops the task's output."""
    kind = type(error)
    if kind not in _covalent_classes:
        members = {"__doc__": kind.__doc__}
        _covalent_classes[kind] = type(kind.__name__, (kind, TaskRuntimeError), members)
    return _covalent_classes[kind](error.detail, advice=error.advice, evidence=error.evidence)


load_pending()
