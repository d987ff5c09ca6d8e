"""From what is known of a finished job to the one error that the user sees. Pure.

What is known is the job's description, the outcome that its worker stored, and the ends of its
logs. What the task itself did (returned, raised) is taken from the outcome: the worker saw it.
Where the outcome only has that the task was killed, or there is none, AWS's reasons come
first: they know why. ``rules`` has what they mean.
"""

from __future__ import annotations

from typing import Any

from .. import errors
from ..errors import BatchTaskError
from ..protocol import messages, s3_keys
from .evidence import Case, evidence, where
from .rules import (
    AFTER_TERMINATION,
    BEFORE_TERMINATION,
    HOST_LOST,
    OUT_OF_MEMORY,
    SIGKILL,
    Rule,
)

# A peak of this part of the memory that was asked for explains a SIGKILL without another reason.
# It is of the largest process, and the limit is for all of them together.
NEAR_THE_LIMIT = 0.8

# What to do about exceptions that have usual causes, by their names.
USUAL_CAUSES = {
    "ModuleNotFoundError": (
        "install the package in the job: deps_pip= of the electron, or an image that has it "
        "(container_image_uri=). For a module of your own: deps_module=, or "
        "cloudpickle.register_pickle_by_value(module) before the dispatch."
    ),
    "MemoryError": "raise memory=.",
}


def diagnose(case: Case) -> BatchTaskError | None:
    """Return the error that a job's end means, or None where its task returned."""
    if case.outcome is None:
        return _from_job(case)
    if case.outcome.status == messages.RETURNED:
        return None
    return _from_outcome(case, case.outcome)


def _from_outcome(case: Case, outcome: messages.Outcome) -> BatchTaskError:
    if outcome.status == messages.RAISED:
        usual = USUAL_CAUSES.get(outcome.error.split(":")[0], "")
        return errors.TaskRaised(outcome.error, advice=usual, evidence=where(case))
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
    """Return why a task was killed of which the worker saw no more than that."""
    decided = _decided(case) or _first_of((OUT_OF_MEMORY, HOST_LOST), case)
    if decided is not None:
        return decided
    if outcome.exit_code != SIGKILL:
        advice = "look at its output: a crash of native code, os._exit, or a signal."
        return errors.TaskKilled(f"{outcome.error}.", advice=advice, evidence=evidence(case))
    near_the_limit = outcome.peak_memory >= NEAR_THE_LIMIT * case.memory * 2**30
    if outcome.out_of_memory or near_the_limit:
        return _made(OUT_OF_MEMORY, case, {})
    return errors.TaskKilled(
        f"{outcome.error}.{_peak(case)}",
        advice="look at its output for what may have killed it. If it runs several "
        "processes, they share the memory: raise memory= if together they need more.",
        evidence=evidence(case),
    )


def _from_job(case: Case) -> BatchTaskError:
    if case.unreadable:
        return errors.OutcomeUnreadable(
            f"{case.unreadable[:1].upper()}{case.unreadable[1:]}.",
            advice="find out what else writes to the bucket, then dispatch again.",
            evidence=evidence(case),
        )
    if case.job is None:
        return errors.JobVanished(
            "AWS forgets jobs some days after they ended.",
            advice="look for the job in the AWS console, then dispatch again.",
            evidence=evidence(case),
        )
    return _decided(case) or _first_of(AFTER_TERMINATION, case) or _unknown(case)


def _decided(case: Case) -> BatchTaskError | None:
    """Return the error of a job that AWS or a person ended, whatever its container did."""
    decided = _first_of(BEFORE_TERMINATION, case)
    if decided is not None or case.job is None or not case.job.terminated:
        return decided
    return errors.JobTerminated(
        f"The reason given was: {case.job.status_reason}",
        advice="dispatch again, if it was a mistake.",
        evidence=evidence(case),
    )


def _first_of(rules: tuple[Rule, ...], case: Case) -> BatchTaskError | None:
    for rule in rules:
        found = rule.match(_reasons(case), _log(case), case.job.exit_code if case.job else None)
        if found is not None:
            return _made(rule, case, found)
    return None


def _made(rule: Rule, case: Case, found: Any) -> BatchTaskError:
    known = {**facts(case), **found}
    return rule.error(
        rule.detail.format_map(known),
        advice=rule.advice.format_map(known),
        evidence=evidence(case),
    )


def _unknown(case: Case) -> BatchTaskError:
    """Quote AWS's words, where no rule knows them."""
    job = case.job
    words = [text for text in (job.status_reason, job.reason) if text] if job else []
    quoted = " and ".join(f"'{text}'" for text in words) or "no reason"
    code = "no exit code" if job is None or job.exit_code is None else f"exit code {job.exit_code}"
    return errors.OutcomeMissing(
        f"AWS gives {quoted}, and {code}.",
        advice="look at the log and at these words; AWS's documentation of Batch and ECS may "
        "explain them.",
        evidence=evidence(case),
    )


def facts(case: Case) -> dict[str, str]:
    """Return the fields that the rules' texts may hold."""
    return {
        "time_limit": str(case.time_limit),
        "memory": f"{case.memory:g}",
        "peak": _peak(case),
        "python": case.python,
        "bucket": case.bucket,
        "prefix": s3_keys.PREFIX + "/",
        "image": repr(case.job.image) if case.job else "''",
        "log_group": repr(case.job.log_group) if case.job else "''",
        "region": case.region or "REGION",
    }


def _peak(case: Case) -> str:
    peak = case.outcome.peak_memory / 2**30 if case.outcome else 0
    return f" Its peak memory was {peak:.2f} of {case.memory:g} GB." if peak else ""


def _reasons(case: Case) -> str:
    return f"{case.job.status_reason}\n{case.job.reason}" if case.job else ""


def _log(case: Case) -> str:
    return "\n".join(line for lines in case.logs.values() for line in lines)
