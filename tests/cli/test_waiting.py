"""Why a job waits: one sentence from its reason, its place and the room."""

from __future__ import annotations

from dataclasses import replace

import pytest

from covalent_awsbatch_plugin.cli.shared.job_facts import JobFacts
from covalent_awsbatch_plugin.cli.shared.waiting_reasons import Environment, Queue, why_waiting

JOB = JobFacts(
    job_id="j1",
    status="RUNNABLE",
    reason="",
    created=0.0,
    dispatch="d",
    node="1",
    function="f",
    server="host:1",
    attempt_limit=3,
    vcpus=4,
    memory_mib=8192,
    gpus=0,
    log_group="g",
    streams=(),
)
ENVIRONMENT = Environment("env", "ENABLED", "VALID", "", "EC2", 16, 0, ("optimal",))
QUEUE = Queue("q", "arn", "ENABLED", "VALID", "", (ENVIRONMENT,), ("j1",))


def full(environment: Environment, used: int = 16) -> Environment:
    return replace(environment, desired_vcpus=used)


CASES = [
    (JOB, QUEUE, ["next in the queue", "4 vCPUs and 8 GB", "0 of 16 vCPUs"]),
    (JOB, replace(QUEUE, front=("a", "b", "j1")), ["place 3 in the queue"]),
    (JOB, replace(QUEUE, front=tuple("ab")), ["place 3 or later in the queue"]),
    (JOB, replace(QUEUE, environments=(full(ENVIRONMENT),)), ["16 of 16 vCPUs are in use"]),
    (
        JOB,
        replace(QUEUE, environments=(full(ENVIRONMENT), ENVIRONMENT)),
        ["16 of 32 vCPUs"],
    ),
    (replace(JOB, vcpus=64), QUEUE, ["64 vCPUs", "no compute environment may have more than 16"]),
    (JOB, replace(QUEUE, state="DISABLED"), ["the queue q is DISABLED"]),
    (
        JOB,
        replace(QUEUE, environments=(replace(ENVIRONMENT, state="DISABLED"),)),
        ["no compute environment of the queue accepts jobs", "env is DISABLED and VALID"],
    ),
    (JOB, replace(QUEUE, environments=(), front=()), ["gives no reason"]),
    (replace(JOB, vcpus=1), QUEUE, ["1 vCPU and 8 GB"]),
    (
        replace(JOB, reason="MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - too much"),
        QUEUE,
        ["no instance type", "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - too much"],
    ),
    (
        replace(JOB, reason="CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - none"),
        QUEUE,
        ["AWS has no free instance of these types"],
    ),
    (replace(JOB, reason="MISCONFIGURATION:NEW_ONE"), QUEUE, ["set up so that it cannot start"]),
    (replace(JOB, gpus=2), QUEUE, ["and 2 GPUs"]),
    (replace(JOB, status="SUBMITTED"), QUEUE, ["schedules it next"]),
    (replace(JOB, status="PENDING"), QUEUE, ["jobs it depends on"]),
]


@pytest.mark.parametrize(("job", "queue", "expected"), CASES)
def test_the_sentence_has(job: JobFacts, queue: Queue, expected: list[str]) -> None:
    sentence = why_waiting(job, queue).sentence
    assert all(part.lower() in sentence.lower() for part in expected), sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert ";;" not in sentence.replace(" ", "")
