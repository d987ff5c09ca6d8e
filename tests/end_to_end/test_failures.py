"""The five most common failures, as the user sees them in Covalent."""

from __future__ import annotations

import covalent as ct
import pytest

from covalent_awsbatch_plugin.local.faults.plan import ApiFault, FaultPlan, JobFault

from .conftest import node

SEEN = {
    "throttled": (FaultPlan(api=[ApiFault("*", "throttle", calls=[1, 2], by="dispatcher")]), None),
    "host lost": (
        FaultPlan(jobs=[JobFault("host_lost")]),
        ("The host that ran the task was lost.", "Host EC2 (instance i-", "raise retry_attempts="),
    ),
    "out of memory": (
        FaultPlan(jobs=[JobFault("out_of_memory")]),
        (
            "used more memory than it had asked for",
            "raise memory= above 3.75 GB",
            "Exit code: 137",
        ),
    ),
    "stuck": (
        FaultPlan(jobs=[JobFault("stuck")]),
        ("The job cannot start.", "MISCONFIGURATION:", "lower vcpu="),
    ),
    "image": (
        FaultPlan(jobs=[JobFault("image")]),
        ("image could not be pulled", "CannotPullContainerError", "check container_image_uri="),
    ),
}


@pytest.fixture
def faults(aws):
    def plan(faults):
        aws.faults = faults

    yield plan
    aws.faults = FaultPlan()


@pytest.mark.parametrize("failure", SEEN)
def test_a_common_failure_is_survived_or_explained(failure, executor, run, faults):
    plan, expected = SEEN[failure]

    @ct.electron(executor=executor(misconfiguration_timeout=1))
    def task(x):
        return x + 1

    @ct.lattice
    def workflow(x):
        return task(x)

    faults(plan)
    result = run(workflow, 1)
    if expected is None:
        assert (str(result.status), result.result) == ("COMPLETED", 2)
        return
    assert str(result.status) == "FAILED"
    shown = node(result, "task")["stderr"]
    assert "What to do:" in shown
    for text in expected:
        assert text in shown
