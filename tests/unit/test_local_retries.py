"""Whether another attempt follows, and what a job is made of."""

from __future__ import annotations

import pytest

from covalent_awsbatch_plugin.local.batch.resolve import container_of, requirement, substitute
from covalent_awsbatch_plugin.local.batch.retries import EXITED, AttemptEnd, is_retried, matches

LOST = AttemptEnd(None, "Host EC2 (instance i-1) terminated.")
RAISED = AttemptEnd(1, EXITED)
IMAGE = AttemptEnd(None, "Task failed to start", "CannotPullContainerError: no")
INFRASTRUCTURE = [
    {"onStatusReason": "Host EC2*", "action": "RETRY"},
    {"onReason": "CannotPullContainerError:*", "action": "RETRY"},
    {"onReason": "*", "action": "EXIT"},
]


@pytest.mark.parametrize(
    ("end", "retried"),
    [(LOST, True), (IMAGE, True), (RAISED, False), (AttemptEnd(0, EXITED), False)],
)
def test_only_infrastructure_is_retried_where_the_rules_say_so(
    end: AttemptEnd, retried: bool
) -> None:
    assert is_retried(end, 1, 3, INFRASTRUCTURE) == retried


def test_without_rules_every_failure_is_retried_until_the_attempts_are_used() -> None:
    assert is_retried(RAISED, 2, 3, [])
    assert not is_retried(RAISED, 3, 3, [])


def test_what_is_final_is_not_retried() -> None:
    end = AttemptEnd(137, "Job attempt duration exceeded timeout", final=True)
    assert not is_retried(end, 1, 10, [{"onExitCode": "*", "action": "RETRY"}])
    assert not AttemptEnd(0, "terminated", final=True).succeeded


@pytest.mark.parametrize(
    ("pattern", "text", "matched"),
    [
        ("*", "", True),
        ("*", "anything", True),
        ("Host EC2*", "Host EC2 (instance i-1) terminated.", True),
        ("Host EC2", "Host EC2 (instance i-1) terminated.", False),
        ("21*", "213", True),
        ("21*", "121", False),
        ("7", "", False),
    ],
)
def test_patterns(pattern: str, text: str, matched: bool) -> None:
    assert matches(pattern, text) == matched


def test_resources_given_the_older_way_count_as_requirements() -> None:
    container = container_of(
        {"image": "i", "vcpus": 2, "memory": 512, "command": ["x"]},
        {"memory": 1024, "resourceRequirements": [{"type": "GPU", "value": "1"}]},
        {},
    )
    assert [requirement(container, kind) for kind in ("VCPU", "MEMORY", "GPU")] == [2, 1024, 1]
    assert "vcpus" not in container


def test_overriding_leaves_the_definition_as_it_is() -> None:
    properties = {"image": "i", "environment": [{"name": "A", "value": "1"}]}
    made = container_of(properties, {"environment": [{"name": "A", "value": "2"}]}, {})
    assert made["environment"] == [{"name": "A", "value": "2"}]
    assert properties["environment"] == [{"name": "A", "value": "1"}]


def test_references_within_an_argument_are_replaced() -> None:
    assert substitute("--in=Ref::file.txt", {"file": "x"}) == "--in=x.txt"
    assert substitute("Ref::unknown", {"file": "x"}) == "Ref::unknown"
