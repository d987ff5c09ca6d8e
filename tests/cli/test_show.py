"""``show``: one task in full."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .command import Aws, CommandLine
from .test_jobs import QUEUE, Dispatch


@pytest.fixture
def dispatch(aws: Aws) -> Iterator[Dispatch]:
    made = Dispatch(aws)
    yield made
    made.end()


@pytest.fixture
def user(on_aws: CommandLine) -> CommandLine:
    on_aws.configure({**on_aws.section(), "batch_queue": QUEUE})
    return on_aws


def test_the_end_of_a_failed_tasks_log_is_shown(user: CommandLine, dispatch: Dispatch) -> None:
    command = "i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo line $i; done; exit 3"
    dispatch.wait_for(dispatch.submit(1, command, attempts=2), "FAILED")
    done = user("show", f"{dispatch.id}:1")
    assert (done.code, done.err) == (0, "")
    assert done.out.rstrip().endswith("line 39\n  line 40")
    assert "attempt 1  " in done.out
    assert "attempt 2  " in done.out
    report = user("show", f"{dispatch.id}:1", "--json").json()
    assert [attempt["exit_code"] for attempt in report["ended_attempts"]] == [3, 3]
    assert (report["exit_code"], report["log_link"], report["host"]) == (3, "", None)


def test_show_wants_one_node(user: CommandLine, dispatch: Dispatch) -> None:
    for node in (2, 10):
        dispatch.wait_for(dispatch.submit(node, "true"), "SUCCEEDED")
    done = user.here("show", dispatch.id)
    assert done.code == 2
    assert "nodes: 2, 10" in done.err
    assert f"'covalent-awsbatch show {dispatch.id[:8]}:2'" in done.err
