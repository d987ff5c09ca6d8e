"""From what is known of a finished job to the one error that tells the user. Pure.

What is known is the job's description, the outcome its worker left, and the ends of its logs. The
outcome is believed first: the worker saw the task. Where there is none, AWS's reasons and the
worker's exit codes speak.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .. import errors
from ..errors import BatchTaskError
from ..protocol import exit_codes, messages, s3_keys
from .evidence import Case, evidence, where

if TYPE_CHECKING:
    from ..aws.model.description import JobDescription

TIMED_OUT = "Job attempt duration exceeded timeout"


def diagnose(case: Case) -> BatchTaskError | None:
    """Return the error that a job's end means, or None where its task returned."""
    if case.outcome is not None:
        if case.outcome.status == messages.RETURNED:
            return None
        return _from_outcome(case, case.outcome)
    return _from_job(case)


def _from_outcome(case: Case, outcome: messages.Outcome) -> BatchTaskError:
    if outcome.status == messages.RAISED:
        return errors.TaskRaised(outcome.error, evidence=where(case))
    if outcome.status == messages.NOT_SERIALIZABLE:
        return errors.ResultNotSerializable(
            outcome.error,
            advice="return something cloudpickle can pickle: no open files, locks, clients.",
            evidence=where(case),
        )
    if outcome.status == messages.START_FAILED:
        return errors.WorkerNotStarted(
            outcome.error,
            advice="use an image whose packages fit; 'covalent-awsbatch image' makes one.",
            evidence=evidence(case),
        )
    return _killed(case, outcome)


def _killed(case: Case, outcome: messages.Outcome) -> BatchTaskError:
    if _is_timeout(case):
        return _time_limit(case)
    if _ran_out_of_memory(case) or outcome.exit_code == 137:
        return _out_of_memory(case)
    if case.job is not None and case.job.terminated:
        return _terminated(case, case.job)
    return errors.TaskKilled(
        outcome.error + ".",
        advice="look at its output above: a crash of native code, os._exit, or a signal.",
        evidence=evidence(case),
    )


def _from_job(case: Case) -> BatchTaskError:
    if case.unreadable:
        return errors.OutcomeUnreadable(
            f"{case.unreadable}.",
            advice="find out who else writes to the bucket, then dispatch again.",
            evidence=evidence(case),
        )
    if case.job is None:
        return errors.JobVanished(
            "AWS forgets jobs some days after they ended.",
            advice="look for the job in the AWS console, then dispatch again.",
            evidence=evidence(case),
        )
    for applies, make in _RULES:
        if applies(case):
            return make(case)
    return errors.OutcomeMissing(
        "Its container may have been stopped, or its command replaced by the image.",
        advice="look at the log; an image's ENTRYPOINT must let the job's command run.",
        evidence=evidence(case),
    )


# ---- The rules for a job without an outcome, the first that applies counts


def _reasons(case: Case) -> str:
    return f"{case.job.status_reason}\n{case.job.reason}" if case.job else ""


def _is_timeout(case: Case) -> bool:
    return TIMED_OUT in _reasons(case)


def _ran_out_of_memory(case: Case) -> bool:
    return "OutOfMemory" in _reasons(case)


def _says(*texts: str) -> Callable[[Case], bool]:
    return lambda case: any(text in _reasons(case) for text in texts)


def _exited(*codes: int) -> Callable[[Case], bool]:
    return lambda case: case.job is not None and case.job.exit_code in codes


def _time_limit(case: Case) -> BatchTaskError:
    return errors.TimeLimitExceeded(
        f"The limit was {case.time_limit} seconds.",
        advice=f"raise time_limit= above {case.time_limit}, or make the task faster with vcpu=.",
        evidence=evidence(case),
    )


def _out_of_memory(case: Case) -> BatchTaskError:
    peak = case.outcome.peak_memory / 2**30 if case.outcome else 0
    used = f" Its peak was {peak:.2f} GB." if peak else ""
    return errors.OutOfMemory(
        f"It had asked for {case.memory:g} GB.{used}",
        advice=f"raise memory= above {case.memory:g} GB.",
        evidence=evidence(case),
    )


def _host_lost(case: Case) -> BatchTaskError:
    return errors.HostLost(
        "Spot capacity was reclaimed, or the instance was scaled in or failed, and no attempt "
        "was left.",
        advice="raise retry_attempts= (retry_on='infrastructure' spares tasks that raised), or "
        "use an on-demand compute environment.",
        evidence=evidence(case),
    )


def _image(case: Case) -> BatchTaskError:
    image = case.job.image if case.job else ""
    return errors.ImageFailed(
        f"The image is {image!r}.",
        advice="check container_image_uri=, that the image exists, that the execution role may "
        "pull it, and that the host has a way to the registry.",
        evidence=evidence(case),
    )


def _docker(case: Case) -> BatchTaskError:
    return errors.DockerFailed(
        "The host may have been overloaded, or its disk full.",
        advice="dispatch again; raise retry_attempts= where it happens often.",
        evidence=evidence(case),
    )


def _python_mismatch(case: Case) -> BatchTaskError:
    return errors.PythonMismatch(
        f"The workflow runs Python {case.python}, and pickled functions do not cross minor "
        "versions.",
        advice=f"use an image with Python {case.python}, such as "
        f"public.ecr.aws/docker/library/python:{case.python}-slim (container_image_uri=).",
        evidence=evidence(case),
    )


def _no_permission(case: Case) -> BatchTaskError:
    return errors.NotPermitted(
        "The job's role could not read the task from, or write the outcome to, the bucket.",
        advice="let the job's role (batch_job_role_name=) do s3:GetObject and s3:PutObject on "
        f"s3://{case.bucket}/{s3_keys.PREFIX}/*.",
        evidence=evidence(case),
    )


def _not_started(case: Case) -> BatchTaskError:
    return errors.WorkerNotStarted(
        "The end of its log says why.",
        advice="give the job a way to the package index and to S3, or use an image that has "
        "everything: 'covalent-awsbatch image' makes one.",
        evidence=evidence(case),
    )


def _no_python(case: Case) -> BatchTaskError:
    return errors.ImageFailed(
        "It has no Python.",
        advice=f"use one with Python {case.python} (container_image_uri=).",
        evidence=evidence(case),
    )


def _never_started(case: Case) -> BatchTaskError:
    return errors.NeverStarted(
        "AWS Batch says that no host of the queue can ever run it, as it is set up.",
        advice="lower vcpu=, memory= or num_gpus= to what the compute environment's instances "
        "have, or raise its maximum; 'covalent-awsbatch doctor' compares them.",
        evidence=evidence(case),
    )


def _was_terminated(case: Case) -> BatchTaskError:
    assert case.job is not None  # noqa: S101 - the rule says so
    return _terminated(case, case.job)


def _terminated(case: Case, job: JobDescription) -> BatchTaskError:
    return errors.JobTerminated(
        f"The reason given was: {job.status_reason}",
        advice="dispatch again, if it was a mistake.",
        evidence=evidence(case),
    )


_RULES: tuple[tuple[Callable[[Case], bool], Callable[[Case], BatchTaskError]], ...] = (
    (_is_timeout, _time_limit),
    (_ran_out_of_memory, _out_of_memory),
    (lambda case: bool(case.job and case.job.never_fits), _never_started),
    (lambda case: bool(case.job and case.job.terminated), _was_terminated),
    (_says("Host EC2"), _host_lost),
    (_says("CannotPull", "CannotStartContainer", "CannotCreateContainer"), _image),
    (_says("DockerTimeout", "CannotInspectContainer", "DockerStateError"), _docker),
    (_exited(exit_codes.EXIT_PYTHON_MISMATCH), _python_mismatch),
    (_exited(exit_codes.EXIT_NO_PERMISSION), _no_permission),
    (_exited(exit_codes.EXIT_NO_PYTHON), _no_python),
    (_exited(exit_codes.EXIT_START_FAILED, exit_codes.EXIT_BAD_TASK), _not_started),
    (_exited(137), _out_of_memory),
)
