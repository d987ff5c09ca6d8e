"""What goes wrong on the local AWS, on purpose: a plan of faults, the same for the same seed.

::

    plan = FaultPlan(
        seed=7,
        api=[
            ApiFault("batch:DescribeJobs", "throttle", probability=0.3),
            ApiFault("batch:SubmitJob", "lost_answer", calls=[2]),
            ApiFault("s3:*", "server_error", probability=0.1, by="dispatcher"),
        ],
        jobs=[
            JobFault("host_lost", attempts=[1], probability=0.1, after=0.5),
            JobFault("out_of_memory", names="covalent-*-3-*"),
        ],
    )
    with LocalAws(faults=plan) as aws:
        ...
        aws.faults = FaultPlan()  # nothing goes wrong any more

The same plan as a file, for ``covalent-awsbatch local --faults plan.json``::

    {"seed": 7, "api": [{"operation": "batch:*", "kind": "throttle", "probability": 0.1}],
     "jobs": [{"kind": "host_lost", "attempts": [1], "probability": 0.1}]}

Whether a fault is injected depends only on the seed and on its target: for a call on its
operation and its number among the calls of that operation; for a job on its dispatch and node, or
its name where it has none, and the attempt. Not on time, and not on other calls and jobs, except
where a ``limit`` is set.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

API_FAULTS: Mapping[str, str] = {
    "throttle": "refused for coming too fast, with the service's own code",
    "server_error": "answered with status 500",
    "slow_down": "answered with status 503 (SlowDown from S3)",
    "reset": "the connection is reset before the request is looked at",
    "slow": "answered after `seconds`",
    "lost_answer": "done, but the connection is reset before the answer is sent",
    "expired_token": "refused because the credentials have run out",
    "access_denied": "refused because the caller is not authorized",
}

JOB_FAULTS: Mapping[str, str] = {
    "host_lost": "killed with its host, which leaves no exit code",
    "zombie": "its host is reported lost, but it goes on and writes its outcome late",
    "out_of_memory": "killed for its memory, exit code 137",
    "image": "its image cannot be pulled",
    "not_started": "its container is not started, for the `reason` in AWS's words",
    "docker_timeout": "Docker does not start it in time",
    "stuck": "stays in RUNNABLE as one that can never start",
    "scaling_up": "is reported for `after` seconds as one that can never start, then starts",
    "time_limit": "ended for its time limit",
    "vanished": "Batch denies that the job exists, while it runs",
    "vanished_dead": "Batch denies that the job exists, and it never runs",
    "no_outcome": "exits with `exit_code` without having done anything",
    "killed_after_outcome": "does its work, but is reported killed, with exit code 137",
    "no_log": "its log stream is not there",
}

WHO = ("any", "dispatcher", "job")


@dataclass(frozen=True)
class ApiFault:
    """A fault of calls.

    Attributes:
        operation: Which calls, such as ``batch:DescribeJobs``; ``*`` and ``?`` as in file names.
        kind: One of API_FAULTS.
        probability: The part of the calls that get a fault, 0 to 1.
        calls: The numbers of the calls that can get one, from 1 for the first of its operation;
            empty for all.
        limit: How many calls get a fault at most; None for no limit.
        seconds: How long a slow answer takes.
        by: Whose calls: ``dispatcher`` for those from outside of jobs, ``job``, or ``any``.

    Raises:
        ValueError: A value is out of its bounds.
    """

    operation: str
    kind: str
    probability: float = 1.0
    calls: Sequence[int] = ()
    limit: int | None = None
    seconds: float = 1.0
    by: str = "any"

    def __post_init__(self) -> None:
        _check_choice("kind", self.kind, API_FAULTS)
        _check_choice("by", self.by, WHO)
        _check_probability(self.probability)


@dataclass(frozen=True)
class JobFault:
    """A fault of jobs.

    Attributes:
        kind: One of JOB_FAULTS.
        names: Which jobs, by their names; ``*`` and ``?`` as in file names.
        attempts: The attempts that can get a fault, from 1; empty for all.
        probability: The part of the attempts that get a fault, 0 to 1.
        limit: How many attempts get a fault at most; None for no limit.
        after: Seconds from the attempt's start until it is injected, where it starts at all. One
            that has ended before gets none; with 0 every one is.
        exit_code: The exit code for ``no_outcome``.
        reason: The container's reason for ``not_started``.

    Raises:
        ValueError: A value is out of its bounds.
    """

    kind: str
    names: str = "*"
    attempts: Sequence[int] = ()
    probability: float = 1.0
    limit: int | None = None
    after: float = 0.0
    exit_code: int = 0
    reason: str = ""

    def __post_init__(self) -> None:
        _check_choice("kind", self.kind, JOB_FAULTS)
        _check_probability(self.probability)


@dataclass(frozen=True)
class FaultPlan:
    """What goes wrong.

    Of the faults of calls, the first that applies to a call is its fault; of those of jobs, the
    first that applies to an attempt, and ``no_log`` besides.

    Attributes:
        seed: The same seed makes the same faults.
        api: Faults of calls.
        jobs: Faults of jobs.
    """

    seed: int = 0
    api: Sequence[ApiFault] = ()
    jobs: Sequence[JobFault] = ()

    @classmethod
    def load(cls, path: Path) -> FaultPlan:
        """Read a plan from a JSON file.

        Raises:
            ValueError: It is not a plan; the message names what is wrong.
            OSError: It cannot be read.
        """
        plan = _made(cls, json.loads(path.read_text("utf-8")))
        return cls(plan.seed, _all(ApiFault, plan.api), _all(JobFault, plan.jobs))


Made = TypeVar("Made")


def _all(kind: type[Made], contents: Any) -> list[Made]:
    if not isinstance(contents, (list, tuple)):
        raise ValueError(f"a plan has a list of each {kind.__name__}")
    return [_made(kind, each) for each in contents]


def _made(kind: type[Made], content: Any) -> Made:
    if not isinstance(content, dict):
        raise ValueError(f"a {kind.__name__} is an object, not {content!r}")
    known = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(content.keys() - known)
    if unknown:
        raise ValueError(
            f"{kind.__name__} has no {', '.join(unknown)}; it has {', '.join(sorted(known))}"
        )
    try:
        return kind(**content)
    except TypeError as error:
        raise ValueError(f"{kind.__name__}: {error}") from error


def _check_choice(name: str, value: str, choices: Mapping[str, str] | Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(f"{name} is {value!r}, but must be one of {', '.join(choices)}")


def _check_probability(value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"probability is {value}, but must be from 0 to 1")
