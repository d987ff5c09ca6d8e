"""What commands show in a terminal of 80 and of 120 columns, and in a pipe: kept screens."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from covalent_awsbatch_plugin.protocol.messages import KILLED, RAISED, RETURNED
from covalent_awsbatch_plugin.protocol.summary import Summary, format_summary

from .command import Aws, CommandLine
from .terminal import check_screen, open_terminal, screen_of
from .test_jobs import FOR_EVER, QUEUE, Dispatch

GB = 2**30
COLUMNS = (80, 120)


def task(status: str, exit_code: int, error: str = "", *, peak: float = 0.6) -> str:
    """Return a command that ends as a task does, with the last line of its log."""
    line = format_summary(Summary(status, 1, 12.3, 9.9, int(peak * GB), error))
    return f"echo working; echo '{line}'; exit {exit_code}"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def gone() -> str:
    """A Covalent server of this machine that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return f"{socket.gethostname()}:{process.pid}"


@pytest.fixture(scope="module")
def dispatch(aws: Aws, gone: str) -> Iterator[Dispatch]:
    """A dispatch with tasks of every kind; as many run as there are slots, one waits."""
    made = Dispatch(aws)
    for node in range(3):
        made.wait_for(made.submit(node, task(RETURNED, 0), server=gone), "SUCCEEDED")
    for node, error in ((3, "seed 3 is not physical"), (4, "no convergence")):
        command = task(RAISED, 1, f"ValueError: {error}")
        made.wait_for(made.submit(node, command, server=gone), "FAILED")
    full = task(KILLED, 137, "It was ended by SIGKILL", peak=0.49)
    made.wait_for(made.submit(5, full, server=gone), "FAILED")
    made.wait_for(made.submit(6, "exit 9", server=gone, attempts=2), "FAILED")
    for node in range(7, 7 + aws.slots):
        made.wait_for(made.submit(node, FOR_EVER, server=gone), "RUNNING")
    made.wait_for(made.submit(20, "true", server=gone), "RUNNABLE")
    yield made
    made.end()


@pytest.fixture
def user(aws: Aws, on_aws: CommandLine) -> CommandLine:
    on_aws.configure(
        {**on_aws.section(), "batch_queue": QUEUE, "vcpus": 4, "memory": "8"}
        | {"s3_bucket_name": aws.options["s3_bucket_name"]}
    )
    return on_aws


COMMANDS = {
    "jobs": ["jobs", "{dispatch}"],
    "jobs-failed": ["jobs", "{dispatch}", "--status", "failed"],
    "jobs-wide": ["jobs", "{dispatch}", "--wide"],
    "show-failed": ["show", "{dispatch}:3"],
    "show-waiting": ["show", "{dispatch}:20"],
    "logs": ["logs", "{dispatch}", "--failed"],
    "recover": ["recover", "{dispatch}"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_screens_are_as_kept(user: CommandLine, dispatch: Dispatch, name: str) -> None:
    arguments = [part.format(dispatch=dispatch.id) for part in COMMANDS[name]]
    # Wide rows are the terminal's to wrap.
    for columns in COLUMNS if "--wide" not in arguments else ():
        code, shown = screen_of(user, columns, *arguments)
        assert code == 0, shown
        check_screen(f"{name}-{columns}", shown)
    user.extra["COLUMNS"] = "80"
    done = user.here(*arguments)
    assert done.code == 0, done.text
    check_screen(f"{name}-piped", done.text)


def test_a_row_is_one_line_on_a_terminal_and_whole_in_a_pipe(
    user: CommandLine, dispatch: Dispatch
) -> None:
    _, screen = screen_of(user, 80, "jobs", dispatch.id)
    rows = [line for line in screen.splitlines() if line.startswith(f"{dispatch.id[:8]}:")]
    assert len(rows) == len(dispatch.jobs)
    assert all(len(row) <= 80 for row in rows)
    user.extra["COLUMNS"] = "40"
    piped = user.here("jobs", dispatch.id).out
    rows = [line for line in piped.splitlines() if line.startswith(f"{dispatch.id[:8]}:")]
    assert len(rows) == len(dispatch.jobs)
    (out_of_memory,) = (row for row in rows if "function_5" in row)
    assert "out of memory (peak 0.49 of 0.5 GB)" in out_of_memory


def test_watch_shows_a_sweep_with_failures_until_its_end(
    aws: Aws, user: CommandLine, dispatch: Dispatch, tmp_path: Path
) -> None:
    """In place on a terminal, in lines in a pipe, with an exit code that means failures."""
    for job in dispatch.jobs:
        dispatch.batch.terminate_job(jobId=job, reason="room for another test")
    go, other = tmp_path / "go", Dispatch(aws)
    here = f"{socket.gethostname()}:{os.getpid()}"
    hold = f"until [ -e {go} ]; do sleep 0.05; done; "
    other.wait_for(other.submit(0, task(RETURNED, 0), server=here), "SUCCEEDED")
    for node in range(1, 4):
        other.wait_for(other.submit(node, hold + task(RETURNED, 0), server=here), "RUNNING")
    bad = hold + task(RAISED, 1, "ValueError: seed 4 is not physical")
    other.wait_for(other.submit(4, bad, server=here), "RUNNING")
    other.wait_for(other.submit(5, task(RETURNED, 0), server=here), "RUNNABLE")
    with (
        open_terminal(user, 80, "watch", other.id) as terminal,
        user.start("watch", other.id) as piped,
    ):
        terminal.wait_for(lambda text: "1/6 ended: 1 done, 4 running, 1 waiting" in text)
        assert "slowest" in terminal.text
        assert piped.stdout is not None
        first = piped.stdout.readline()
        assert "1/6 ended: 1 done, 4 running, 1 waiting" in first
        go.touch()
        assert terminal.wait() == 1
        assert "5 done, 1 failed" in terminal.text
        assert "1 failed: ValueError: seed 4 is not physical" in terminal.text
        assert "1 of 6 tasks failed." in terminal.text
        # The picture was replaced, not repeated.
        assert terminal.text.count("slowest") == 0
        out, err = piped.communicate(timeout=60)
        assert (piped.returncode, err) == (1, "")
    assert "\033" not in out
    lines = out.splitlines()
    assert "0/6" not in out
    assert any(
        line.strip().endswith("failed: ValueError: seed 4 is not physical") for line in lines
    )
    other.end()


def test_an_interrupted_watch_leaves_the_terminal_as_it_was(aws: Aws, user: CommandLine) -> None:
    made = Dispatch(aws)
    made.wait_for(made.submit(0, FOR_EVER), "RUNNING")
    with open_terminal(user, 80, "watch", made.id) as terminal:
        terminal.wait_for(lambda text: "0/1 ended: 1 running" in text)
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.wait() == 1
        assert "Traceback" not in terminal.text
        # The cursor was hidden, and is shown again.
        assert terminal.raw.rindex(b"\033[?25h") > terminal.raw.rindex(b"\033[?25l")
    assert made.described(made.jobs[0])["status"] == "RUNNING"
    made.end()


def test_watch_of_what_returned_ends_well(aws: Aws, user: CommandLine) -> None:
    made = Dispatch(aws)
    here = f"{socket.gethostname()}:{os.getpid()}"
    made.wait_for(made.submit(0, task(RETURNED, 0), server=here), "SUCCEEDED")
    done = user.here("watch", made.id)
    assert done.code == 0, done.text
    assert "0 of 1 task failed." in done.out
