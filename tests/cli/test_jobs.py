"""``jobs``, ``logs``, ``cancel`` and ``reap``: what they show of jobs, and which they end."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from covalent_awsbatch_plugin.protocol import tag_names
from covalent_awsbatch_plugin.protocol.messages import RAISED
from covalent_awsbatch_plugin.protocol.summary import Summary, format_summary

from .command import Aws, CommandLine

QUEUE, DEFINITION = "covalent-batch-queue", "covalent-batch-jobs"
HERE = socket.gethostname()
FOR_EVER = "trap 'exit 143' TERM; echo started; while true; do sleep 0.1; done"


class Dispatch:
    """Jobs as the executor submits them, with commands of a test's own."""

    def __init__(self, aws: Aws) -> None:
        self.batch = aws.client("batch")
        self.id = f"{secrets.token_hex(4)}-1111-2222-3333-444455556666"
        self.jobs: list[str] = []

    def submit(
        self, node: int, command: str, *, server: str = "elsewhere:1", attempts: int = 1
    ) -> str:
        tags = {
            tag_names.TAG_DISPATCH: self.id,
            tag_names.TAG_NODE: str(node),
            tag_names.TAG_FUNCTION: f"function_{node}",
            tag_names.TAG_SERVER: server,
        }
        job = self.batch.submit_job(
            jobName=f"covalent-{self.id}-{node}-{secrets.token_hex(4)}",
            jobQueue=QUEUE,
            # The stack's own revision: other tests of the session register more.
            jobDefinition=f"{DEFINITION}:1",
            containerOverrides={"command": ["sh", "-c", command]},
            retryStrategy={"attempts": attempts},
            tags=tags,
        )["jobId"]
        self.jobs.append(job)
        return str(job)

    def described(self, job: str) -> dict[str, Any]:
        return dict(self.batch.describe_jobs(jobs=[job])["jobs"][0])

    def wait_for(self, job: str, *statuses: str) -> dict[str, Any]:
        return until(lambda: self.described(job), lambda d: d["status"] in statuses)

    def end(self) -> None:
        for job in self.jobs:
            self.batch.terminate_job(jobId=job, reason="the test is over")
        for job in self.jobs:
            self.wait_for(job, "SUCCEEDED", "FAILED")


def until(ask: Callable[[], Any], good: Callable[[Any], bool], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not good(answer := ask()):
        assert time.monotonic() < deadline, answer
        time.sleep(0.05)
    return answer


@pytest.fixture
def dispatch(aws: Aws) -> Iterator[Dispatch]:
    made = Dispatch(aws)
    yield made
    made.end()


@pytest.fixture
def other(aws: Aws) -> Iterator[Dispatch]:
    made = Dispatch(aws)
    yield made
    made.end()


@pytest.fixture
def user(on_aws: CommandLine) -> CommandLine:
    on_aws.configure({**on_aws.section(), "batch_queue": QUEUE})
    return on_aws


# ---- jobs


def test_jobs_shows_status_node_function_and_attempts(
    user: CommandLine, dispatch: Dispatch
) -> None:
    good = dispatch.submit(0, "true")
    bad = dispatch.submit(3, "exit 7", attempts=2)
    dispatch.wait_for(good, "SUCCEEDED")
    dispatch.wait_for(bad, "FAILED")
    jobs = {job["node"]: job for job in user("jobs", dispatch.id, "--json").json()}
    assert jobs["0"]["status"] == "SUCCEEDED"
    failed = jobs["3"]
    assert (failed["status"], failed["attempts"], failed["attempt_limit"]) == ("FAILED", 2, 2)
    assert (failed["exit_code"], len(failed["log_streams"])) == (7, 2)
    assert failed["created"] <= failed["started"] <= failed["stopped"]
    assert "Essential container in task exited" in failed["reason"]
    table = user("jobs", dispatch.id)
    assert table.code == 0
    for words in (dispatch.id, "function_3", "2/2", "wrote no result (exit code 7)"):
        assert words in table.out
    assert "1 done, 1 failed; " in table.out
    assert "vCPU-hours" in table.out
    assert "Essential container" not in table.out


def test_an_error_of_a_task_brings_no_control_characters(
    user: CommandLine, dispatch: Dispatch
) -> None:
    error = "ValueError: \033[31mred\007 :smile: [bold]é"
    line = format_summary(Summary(RAISED, 1, 1.0, 1.0, 2**20, error))
    path = user.home / "line"
    path.write_text(line)
    dispatch.wait_for(dispatch.submit(1, f"cat {path}; echo; exit 1"), "FAILED")
    user.extra["PYTHONIOENCODING"] = "ascii"
    shown = user("jobs", dispatch.id)
    assert shown.code == 0, shown.text
    assert "\033" not in shown.out
    assert "\007" not in shown.out
    assert "red\ufffd :smile: [bold]?".replace("\ufffd", "?") in shown.out
    assert "\\u001b" not in user("jobs", dispatch.id, "--json").out


def test_jobs_by_state_and_age(user: CommandLine, dispatch: Dispatch) -> None:
    dispatch.wait_for(dispatch.submit(0, "true"), "SUCCEEDED")
    dispatch.wait_for(dispatch.submit(1, "exit 7"), "FAILED")

    def nodes(*arguments: str) -> list[str]:
        found = user.here("jobs", *arguments, "--json").json()
        return [job["node"] for job in found if job["dispatch"] == dispatch.id]

    assert nodes("--status", "failed") == ["1"]
    assert nodes("--status", "FAILED", "--status", "done") == ["0", "1"]
    assert nodes(dispatch.id, "--status", "running") == []
    assert nodes("--since", "10m") == ["0", "1"]
    assert nodes("--since", "0s") == []
    assert user.here("jobs", "--since", "often").code == 2


def test_jobs_finds_by_the_beginning_of_an_id_and_by_node(
    user: CommandLine, dispatch: Dispatch, other: Dispatch
) -> None:
    for number in range(3):
        dispatch.submit(number, "true")
    foreign = other.submit(0, "true")
    for job in (*dispatch.jobs, foreign):
        other.wait_for(job, "SUCCEEDED")
    assert len(user("jobs", dispatch.id[:8], "--json").json()) == 3
    (one,) = user("jobs", f"{dispatch.id}:2", "--json").json()
    assert one["node"] == "2"
    everything = {job["job_id"] for job in user("jobs", "--json", "--limit", "50").json()}
    assert {*dispatch.jobs, foreign} <= everything
    assert "only the newest 2 are shown" in user("jobs", "--limit", "2").out
    assert "newest" not in user("jobs", dispatch.id).out


def test_others_jobs_are_not_shown(aws: Aws, user: CommandLine, dispatch: Dispatch) -> None:
    job = dispatch.batch.submit_job(
        jobName="covalent-looking",
        jobQueue=QUEUE,
        jobDefinition=DEFINITION,
        containerOverrides={"command": ["true"]},
    )["jobId"]
    dispatch.wait_for(job, "SUCCEEDED")
    assert job not in user("jobs", "--json", "--limit", "100").out


def test_a_waiting_job_has_its_reason(aws: Aws, user: CommandLine, dispatch: Dispatch) -> None:
    running = [dispatch.submit(n, FOR_EVER) for n in range(aws.slots)]
    for job in running:
        dispatch.wait_for(job, "RUNNING")
    first = dispatch.submit(100, "true")
    second = dispatch.submit(101, "true")
    for job in (first, second):
        dispatch.wait_for(job, "RUNNABLE")
    jobs = {job["job_id"]: job for job in user("jobs", dispatch.id, "--json").json()}
    assert "Next in the queue" in jobs[first]["waits_because"]
    assert "Place 2 in the queue" in jobs[second]["waits_because"]
    assert "vCPUs" in jobs[second]["waits_because"]
    assert jobs[running[0]]["waits_because"] is None
    assert "next in the queue" in user("jobs", dispatch.id).out

    dispatch.batch.update_job_queue(jobQueue=QUEUE, state="DISABLED")
    sentence = user("jobs", f"{dispatch.id}:100", "--json").json()[0]["waits_because"]
    dispatch.batch.update_job_queue(jobQueue=QUEUE, state="ENABLED")
    assert f"the queue {QUEUE} is DISABLED".lower() in sentence.lower()


# ---- logs


def test_logs_prints_what_the_task_wrote(user: CommandLine, dispatch: Dispatch) -> None:
    job = dispatch.submit(0, "echo to stdout; echo to stderr >&2; printf 'a\\033[31mred\\007\\n'")
    dispatch.wait_for(job, "SUCCEEDED")
    done = user("logs", dispatch.id)
    assert done.code == 0
    assert sorted(done.out.splitlines()[:2]) == ["to stderr", "to stdout"]
    assert "\033" not in done.out
    assert "\007" not in done.out
    assert "red" in done.out


def test_logs_of_each_attempt(user: CommandLine, dispatch: Dispatch) -> None:
    job = dispatch.submit(4, 'echo "attempt $AWS_BATCH_JOB_ATTEMPT"; exit 1', attempts=3)
    dispatch.wait_for(job, "FAILED")
    task = f"{dispatch.id}:4"
    assert user("logs", task).out == "attempt 3\n"
    assert user("logs", task, "--attempt", "2").out == "attempt 2\n"
    done = user("logs", task, "--attempt", "4")
    assert (done.code, "no log of an attempt 4" in done.err) == (2, True)


def test_logs_follows_until_the_end(user: CommandLine, dispatch: Dispatch, tmp_path: Path) -> None:
    go = tmp_path / "go"
    dispatch.submit(0, f"echo one; until [ -e {go} ]; do sleep 0.05; done; echo two")
    with user.start("logs", f"{dispatch.id}:0", "--follow") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "one\n"
        go.touch()
        assert process.stdout.readline() == "two\n"
        assert process.wait(30) == 0
        assert process.stdout.read() == ""


def test_logs_of_many_pages(user: CommandLine, dispatch: Dispatch) -> None:
    job = dispatch.submit(0, "i=0; while [ $i -lt 12000 ]; do i=$((i+1)); echo $i; done")
    dispatch.wait_for(job, "SUCCEEDED")
    assert user("logs", dispatch.id).out.split() == [str(n) for n in range(1, 12001)]


def test_logs_of_many_nodes_are_in_order_of_time(user: CommandLine, dispatch: Dispatch) -> None:
    for node in (10, 2):
        dispatch.wait_for(
            dispatch.submit(node, f"echo {node} first; sleep 0.3; echo {node} second"), "SUCCEEDED"
        )
    lines = user("logs", dispatch.id).out.splitlines()
    assert lines == [
        "10 function_10 | 10 first",
        "10 function_10 | 10 second",
        " 2 function_2  | 2 first",
        " 2 function_2  | 2 second",
    ]
    done = user("logs", dispatch.id, "--attempt", "1")
    assert (done.code, "--attempt is for one task" in done.err) == (2, True)


def test_logs_of_what_failed(user: CommandLine, dispatch: Dispatch) -> None:
    dispatch.wait_for(dispatch.submit(1, "echo good"), "SUCCEEDED")
    done = user("logs", dispatch.id, "--failed")
    assert (done.code, "No job of" in done.err) == (1, True)
    dispatch.wait_for(dispatch.submit(2, "echo bad; exit 3"), "FAILED")
    assert user("logs", dispatch.id, "--failed").out == "bad\n"


def test_logs_follows_many_nodes_and_reports_what_happens(
    aws: Aws, user: CommandLine, dispatch: Dispatch, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    hold = f"echo in; until [ -e {go} ]; do sleep 0.05; done; echo out"
    for node in range(aws.slots):
        dispatch.wait_for(dispatch.submit(node, hold), "RUNNING")
    dispatch.wait_for(dispatch.submit(9, "echo late; exit 3"), "RUNNABLE")
    with user.start("logs", dispatch.id, "--follow") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        reported = [process.stderr.readline() for _ in range(aws.slots + 1)]
        assert "is RUNNABLE: It asks for" in reported[-1]
        assert "Next in the queue." in reported[-1]
        go.touch()
        assert process.wait(60) == 0
        lines = process.stdout.read().splitlines()
        for node in range(aws.slots):
            assert [line[-3:] for line in lines if line.startswith(f"{node} ")] == [" in", "out"]
        assert "9 function_9 | late" in lines
        rest = process.stderr.read()
        assert "function_9 is FAILED after" in rest
        assert "wrote no result (exit code 3)" in rest


def test_logs_that_are_missing(aws: Aws, user: CommandLine, dispatch: Dispatch) -> None:
    job = dispatch.submit(1, "echo here")
    described = dispatch.wait_for(job, "SUCCEEDED")
    options = described["container"]["logConfiguration"]["options"]
    aws.client("logs").delete_log_stream(
        logGroupName=options["awslogs-group"],
        logStreamName=described["container"]["logStreamName"],
    )
    for follow in ([], ["--follow"]):
        done = user("logs", f"{dispatch.id}:1", *follow)
        assert (done.code, "does not exist" in done.err, done.out) == (1, True, "")
    dispatch.wait_for(dispatch.submit(2, "true"), "SUCCEEDED")
    done = user("logs", dispatch.id)
    assert (done.code, "have no lines" in done.err, done.out) == (0, True, "")
    done = user("logs", dispatch.id, "--follow")
    assert (done.code, "does not exist" in done.err, done.out) == (0, True, "")
    # What completes the list of jobs is missing, and the list is not.
    assert user("jobs", dispatch.id).code == 0


def test_logs_of_a_job_that_waits(aws: Aws, user: CommandLine, dispatch: Dispatch) -> None:
    for node in range(aws.slots):
        dispatch.wait_for(dispatch.submit(node, FOR_EVER), "RUNNING")
    dispatch.wait_for(dispatch.submit(9, "true"), "RUNNABLE")
    done = user("logs", f"{dispatch.id}:9")
    assert done.code == 1
    assert "is RUNNABLE and has no log yet. It asks for" in done.err
    assert "--follow" in done.err


# ---- cancel


def test_cancel_ends_the_node_and_says_so_on_aws(user: CommandLine, dispatch: Dispatch) -> None:
    kept, ended = dispatch.submit(1, FOR_EVER), dispatch.submit(2, FOR_EVER)
    for job in (kept, ended):
        dispatch.wait_for(job, "RUNNING")
    done = user("cancel", f"{dispatch.id}:2", "--yes")
    assert done.code == 0, done.text
    assert "Ended 1 job." in done.out
    reason = dispatch.wait_for(ended, "FAILED")["statusReason"]
    assert dispatch.id in reason
    assert "covalent-awsbatch cancel" in reason
    assert dispatch.described(kept)["status"] == "RUNNING"


def test_cancel_asks(user: CommandLine, dispatch: Dispatch) -> None:
    job = dispatch.submit(1, FOR_EVER)
    dispatch.wait_for(job, "RUNNING")
    assert user("cancel", dispatch.id, stdin="n\n").code == 1
    assert dispatch.described(job)["status"] == "RUNNING"
    assert user("cancel", dispatch.id, stdin="y\n").code == 0
    dispatch.wait_for(job, "FAILED")


def test_cancel_of_nothing_or_of_several(
    user: CommandLine, dispatch: Dispatch, other: Dispatch
) -> None:
    job = dispatch.submit(1, "true")
    dispatch.wait_for(job, "SUCCEEDED")
    done = user("cancel", dispatch.id, "--yes")
    assert (done.code, "Nothing to cancel: 1 job of" in done.out) == (0, True)
    dispatch.id = other.id = "twin"
    dispatch.id = "twin-1"
    for both in (dispatch, other):
        both.wait_for(both.submit(1, FOR_EVER), "RUNNING")
    done = user("cancel", "twin", "--yes")
    assert (done.code, "several dispatches: twin, twin-1" in done.err) == (2, True)


# ---- reap


@pytest.fixture(scope="module")
def gone() -> str:
    """A server of this machine that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return f"{HERE}:{process.pid}"


def test_reap_ends_what_a_crashed_server_left(
    user: CommandLine, dispatch: Dispatch, gone: str
) -> None:
    left = dispatch.submit(1, FOR_EVER, server=gone)
    running = dispatch.submit(2, FOR_EVER, server=f"{HERE}:{os.getpid()}")
    elsewhere = dispatch.submit(3, FOR_EVER, server="elsewhere:1")
    for job in (left, running, elsewhere):
        dispatch.wait_for(job, "RUNNING")

    assert "No job was left behind" in user("reap", "--older-than", "1", "--yes").out
    done = user("reap", "--yes")
    assert done.code == 0, done.text
    assert left in done.out
    assert "covalent-awsbatch reap" in dispatch.wait_for(left, "FAILED")["statusReason"]
    again = user("reap", "--yes")
    assert "2 jobs of servers that are running or on other hosts" in again.out
    assert user("reap", "--all", "--yes").code == 0
    dispatch.wait_for(elsewhere, "FAILED")
    assert dispatch.described(running)["status"] == "RUNNING"
    assert user("reap", dispatch.id, "--yes").code == 0
    dispatch.wait_for(running, "FAILED")


def test_reap_asks(user: CommandLine, dispatch: Dispatch, gone: str) -> None:
    job = dispatch.submit(1, FOR_EVER, server=gone)
    dispatch.wait_for(job, "RUNNING")
    assert user("reap", stdin="n\n").code == 1
    assert dispatch.described(job)["status"] == "RUNNING"


# ---- All of them


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["jobs", "no-such-dispatch"], 1, "no job of the dispatch no-such-dispatch"),
        (["jobs", ":3"], 2, "neither a dispatch id"),
        (["logs", "d:x"], 2, "neither a dispatch id"),
        *(
            ([command, text, *more], 2, "neither a dispatch id")
            for command, *more in (["cancel", "--yes"], ["reap", "--yes"], ["recover"], ["jobs"])
            for text in ("", "d:", ":")
        ),
        (["logs", "no-such-dispatch:1"], 1, "node 1"),
        (["cancel", "no-such-dispatch", "--yes"], 1, "no job of the dispatch"),
        (["jobs", "--queue", "none"], 1, "no job queue none"),
        (["reap", "--queue", "none"], 1, "no job queue none"),
        (["logs", "d:1", "--region", "eu-west-1"], 1, f"no job queue {QUEUE} in eu-west-1"),
        (["jobs", "--profile", "absent"], 1, "no AWS profile 'absent'"),
        (["reap", "--older-than", "-1"], 2, "--older-than"),
    ],
)
def test_a_bad_call_is_refused(
    user: CommandLine, arguments: list[str], code: int, expected: str
) -> None:
    done = user.here(*arguments)
    assert (done.code, expected in done.err) == (code, True), done.text
