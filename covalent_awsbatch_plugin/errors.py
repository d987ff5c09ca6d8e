"""Everything that can go wrong with a task, as a tree of errors.

An error's docstring is the first sentence that the user reads; its instance adds the evidence
and the advice. ``str(error)`` is the whole text.

The executor's ``run`` raises each as an instance of Covalent's ``TaskRuntimeError`` too, since
Covalent keeps a task's output for no other exception. They are not derived from it here because
importing Covalent imports its plugins, and this module with them.
"""

from __future__ import annotations

import inspect


class BatchTaskError(Exception):
    """The task could not be run on AWS Batch."""

    def __init__(self, detail: str = "", *, advice: str = "", evidence: str = "") -> None:
        self.detail = detail
        self.advice = advice
        self.evidence = evidence
        super().__init__(self.text)

    @property
    def text(self) -> str:
        """What happened and why, what to do next, and the evidence."""
        first = inspect.cleandoc(type(self).__doc__ or "").split("\n\n")[0].replace("\n", " ")
        if self.detail:
            first = f"{first} {self.detail}"
        advice = f"What to do: {self.advice}" if self.advice else ""
        return "\n".join(part for part in (first, advice, self.evidence) if part)


class InvalidOptions(BatchTaskError, ValueError):
    """The executor's options are not valid."""


class CacheDirUnusable(BatchTaskError):
    """The Covalent server cannot write to the folder for temporary files (cache_dir)."""


# ---- What the task itself did


class TaskRaised(BatchTaskError):
    """The task raised an exception."""


class TaskKilled(BatchTaskError):
    """The task's process ended before the task did."""


class ResultNotSerializable(BatchTaskError):
    """The task ran, but its result cannot be pickled."""


class PythonMismatch(BatchTaskError):
    """The job's image runs another Python than the workflow."""


class OutOfMemory(BatchTaskError):
    """The task used more memory than it had asked for, and was killed."""


class TimeLimitExceeded(BatchTaskError):
    """The task ran longer than its time limit, and was ended."""


# ---- What happened to its job


class HostLost(BatchTaskError):
    """The host that ran the task was lost."""


class ImageFailed(BatchTaskError):
    """The job's image could not be pulled or started."""


class ContainerFailed(BatchTaskError):
    """The job's container could not be created or started."""


class RoleNotAssumed(BatchTaskError):
    """ECS could not assume a role of the job."""


class LogUnavailable(BatchTaskError):
    """The job's container could not be started, as its log could not be opened."""


class SecretsUnavailable(BatchTaskError):
    """The job's container could not be started, as its secrets could not be read."""


class DiskFull(BatchTaskError):
    """The disk of the job's host is full."""


class DockerFailed(BatchTaskError):
    """Docker on the job's host failed."""


class WorkerNotStarted(BatchTaskError):
    """The job's container started, but could not get ready to run the task."""


class NeverStarted(BatchTaskError):
    """The job cannot start."""


class JobTerminated(BatchTaskError):
    """The job was terminated outside Covalent."""


class OutcomeMissing(BatchTaskError):
    """The job finished without writing a result."""


class OutcomeNotStored(BatchTaskError):
    """The task ran, but the job could not store its outcome in S3."""


class OutcomeUnreadable(BatchTaskError):
    """The outcome object in S3 is unreadable."""


class ResultNotFetched(BatchTaskError):
    """The task returned, but the Covalent server could not fetch its result from S3."""


class JobVanished(BatchTaskError):
    """AWS Batch does not know the job any more, and it wrote no outcome."""


# ---- What AWS refused


class AWSError(BatchTaskError):
    """AWS refused a request."""


class CredentialsFailed(AWSError):
    """There are no valid AWS credentials."""


class NotPermitted(AWSError):
    """AWS denied permission."""


class BucketElsewhere(AWSError):
    """The S3 bucket does not exist, or belongs to another account or region."""


class ResourceMissing(AWSError):
    """Something that the job needs does not exist on AWS."""


class AWSUnavailable(AWSError):
    """AWS could not be reached, or kept refusing requests as it was busy."""
