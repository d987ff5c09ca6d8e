"""The fault plan: what is injected, the same for the same seed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covalent_awsbatch_plugin.local import ApiFault, FaultPlan, JobFault
from covalent_awsbatch_plugin.local.faults.injection import Faults, chance
from covalent_awsbatch_plugin.local.faults.plan import API_FAULTS, JOB_FAULTS


def injected_kinds(plan: FaultPlan, calls: list[str]) -> list[str]:
    faults = Faults(plan)
    found = [faults.of_call(each, "dispatcher") for each in calls]
    return [fault.kind if fault else "" for fault in found]


@given(st.integers(), st.lists(st.sampled_from(["s3:GetObject", "batch:SubmitJob"])))
def test_the_same_seed_injects_into_the_same_calls_in_whatever_order_operations_come(
    seed: int, calls: list[str]
) -> None:
    plan = FaultPlan(seed, api=[ApiFault("*", "reset", probability=0.5)])
    in_order = dict.fromkeys(calls, "")
    for operation in in_order:
        of_it = [kind for name, kind in zip(calls, injected_kinds(plan, calls), strict=True)]
        alone = injected_kinds(plan, [name for name in calls if name == operation])
        assert alone == [
            kind for name, kind in zip(calls, of_it, strict=True) if name == operation
        ]


def test_another_seed_chooses_other_calls() -> None:
    calls = ["batch:SubmitJob"] * 64
    plans = [FaultPlan(seed, api=[ApiFault("*", "slow", 0.5)]) for seed in range(3)]
    assert len({tuple(injected_kinds(plan, calls)) for plan in plans}) == 3


def test_probability_is_the_part_that_gets_a_fault() -> None:
    plan = FaultPlan(1, api=[ApiFault("s3:*", "reset", probability=0.1)])
    injected = sum(map(bool, injected_kinds(plan, ["s3:PutObject"] * 2000)))
    assert 150 < injected < 250


@given(st.lists(st.integers() | st.text(), min_size=1))
def test_chance_is_from_0_up_to_1(parts: list[object]) -> None:
    assert 0 <= chance(*parts) < 1
    assert chance(*parts) == chance(*parts)


def test_calls_are_chosen_by_operation_number_and_limit() -> None:
    plan = FaultPlan(
        api=[
            ApiFault("batch:Sub*", "throttle", calls=[2]),
            ApiFault("batch:SubmitJob", "reset", limit=2),
        ]
    )
    calls = ["batch:SubmitJob", "s3:GetObject", *["batch:SubmitJob"] * 3]
    assert injected_kinds(plan, calls) == ["reset", "", "throttle", "reset", ""]


def test_calls_are_chosen_by_whose_they_are() -> None:
    faults = Faults(FaultPlan(api=[ApiFault("s3:*", "reset", by="job")]))
    assert faults.of_call("s3:GetObject", "dispatcher") is None
    assert faults.of_call("s3:GetObject", "job") is not None


def test_attempts_are_chosen_by_name_and_number() -> None:
    faults = Faults(FaultPlan(jobs=[JobFault("host_lost", names="a-*", attempts=[1])]))
    kinds = [
        [fault.kind for fault in faults.of_attempt(name, name, attempt)]
        for name, attempt in [("a-1", 1), ("a-1", 2), ("b-1", 1)]
    ]
    assert kinds == [["host_lost"], [], []]
    assert faults.injected == {"job host_lost": 1}


def test_a_missing_log_comes_on_top_of_another_fault() -> None:
    plan = FaultPlan(jobs=[JobFault("image"), JobFault("no_log"), JobFault("zombie")])
    kinds = {fault.kind for fault in Faults(plan).of_attempt("job", "key", 1)}
    assert kinds == {"image", "no_log"}


def test_the_key_decides_about_a_job_not_its_name() -> None:
    plan = FaultPlan(3, jobs=[JobFault("host_lost", probability=0.5)])

    def injected(prefix: str) -> list[bool]:
        faults = Faults(plan)
        return [bool(faults.of_attempt(f"{prefix}-{n}", f"node {n}", 1)) for n in range(50)]

    assert injected("one") == injected("other")
    assert {True, False} == set(injected("one"))


def test_another_plan_counts_from_the_beginning() -> None:
    faults = Faults(FaultPlan(api=[ApiFault("*", "reset", calls=[1])]))
    assert faults.of_call("s3:GetObject", "job") is not None
    faults.use(faults.plan)
    assert faults.of_call("s3:GetObject", "job") is not None
    assert faults.injected == {"s3:GetObject reset": 1}


def test_a_plan_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    content = {
        "seed": 7,
        "api": [{"operation": "batch:*", "kind": kind} for kind in API_FAULTS],
        "jobs": [{"kind": kind, "attempts": [1]} for kind in JOB_FAULTS],
    }
    file.write_text(json.dumps(content))
    plan = FaultPlan.load(file)
    assert plan == FaultPlan(
        seed=7,
        api=[ApiFault("batch:*", kind) for kind in API_FAULTS],
        jobs=[JobFault(kind, attempts=[1]) for kind in JOB_FAULTS],
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], "object"),
        ({"seeds": 1}, "no seeds; it has api, jobs, seed"),
        ({"api": [{"operation": "*", "kind": "trottle"}]}, "'trottle', but must be one of"),
        ({"api": [{"kind": "reset"}]}, "operation"),
        ({"api": [{"operation": "*", "kind": "reset", "by": "me"}]}, "by is 'me'"),
        ({"api": ["reset"]}, "ApiFault"),
        ({"api": {}}, "list"),
        ({"jobs": [{"kind": "image", "probability": 2}]}, "from 0 to 1"),
        ({"jobs": [{"kind": "image", "probability": "often"}]}, "JobFault"),
        ("{", "plan.json|Expecting"),
    ],
    ids=str,
)
def test_what_is_no_plan_is_refused_with_the_reason(
    tmp_path: Path, content: Any, words: str
) -> None:
    file = tmp_path / "plan.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(ValueError, match=words):
        FaultPlan.load(file)
