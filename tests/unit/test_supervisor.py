"""The supervisor with a bucket and a task process that fail, in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from covalent_awsbatch_plugin.protocol import env_names, envelope, exit_codes, messages

# What the supervisor's process runs: a task process that is a fork, and a bucket that is a folder.
PROGRAM = """
import os, sys, time
from pathlib import Path
from covalent_awsbatch_plugin.job import supervisor
from covalent_awsbatch_plugin.protocol import envelope, messages

class Denied(Exception):
    status = 403

class Bucket:
    def __init__(self, folder):
        self.folder = folder

    def get(self, key):
        if GET == "waits":
            print("fetching", flush=True)
            time.sleep(600)
        if GET == "denied":
            raise Denied("no s3:GetObject")
        if GET == "fails":
            raise OSError("no way to S3")
        return GET if isinstance(GET, bytes) else (self.folder / "task").read_bytes()

    def put_once(self, key, content):
        if PUT == "denied":
            raise Denied("no s3:PutObject")
        if PUT == "fails":
            raise OSError("no way to S3")
        if PUT == "waits":
            print("storing", flush=True)
            sys.stdin.readline()
        (self.folder / "outcome").write_bytes(content)

def task(go, report):
    if TASK == "dies at once":
        os._exit(9)
    os.read(go, 1)
    if TASK == "reports":
        content = envelope.encode_outcome(messages.Outcome(messages.RETURNED))
        os.write(report, len(content).to_bytes(8, "big") + content)
    if TASK == "reports nonsense":
        os.write(report, (5).to_bytes(8, "big") + b"what?")
    if TASK == "reports a part":
        os.write(report, (500).to_bytes(8, "big") + b"what?")
    os._exit(0)

if LOG == "full":
    os.set_blocking(2, False)
    try:
        while os.write(2, b"x"):
            pass
    except BlockingIOError:
        os.set_blocking(2, True)
folder = Path(sys.argv[1])
(folder / "scratch").mkdir()
out, err, report, go = os.pipe(), os.pipe(), os.pipe(), os.pipe()
child = os.fork()
if not child:
    os.close(go[1])
    task(go[0], report[1])
for end in (out[1], err[1], report[1], go[0]):
    os.close(end)
pipes = supervisor.Pipes(out[0], err[0], report[0], go[1])
sys.exit(supervisor.main(str(folder / "scratch"), Bucket(folder), child, pipes))
"""

TASK = messages.Task("f", "3.11.7", messages.Call(messages.Part("pickle", data=b"")), "prefix/")


@dataclass(frozen=True)
class Ended:
    """How the supervisor ended: its exit code and log, and the outcome that it stored."""

    code: int
    log: str
    outcome: messages.Outcome | None


def start(
    folder: Path, get: str | bytes = "", put: str = "", task: str = "reports", log: str = ""
) -> subprocess.Popen[str]:
    (folder / "task").write_bytes(envelope.encode_task(TASK))
    program = f"GET, PUT, TASK, LOG = {get!r}, {put!r}, {task!r}, {log!r}\n{PROGRAM}"
    job = {
        env_names.ENV_BUCKET: "bucket",
        env_names.ENV_OWNER: "123456789012",
        env_names.ENV_TASK: "key",
        env_names.ENV_JOB_ID: f"job-of-{folder.name}",
    }
    return subprocess.Popen(
        [sys.executable, "-c", program, str(folder)],
        env={**os.environ, **job},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def supervise(folder: Path, **given: str | bytes) -> Ended:
    process = start(folder, **given)
    _, log = process.communicate(timeout=120)
    return Ended(process.returncode, log, stored(folder))


def stored(folder: Path) -> messages.Outcome | None:
    assert not (folder / "scratch").exists()
    path = folder / "outcome"
    return envelope.decode_outcome(path.read_bytes()) if path.exists() else None


def test_what_the_task_reports_is_stored(tmp_path):
    ended = supervise(tmp_path)
    assert ended.code == 0
    assert ended.outcome is not None
    assert ended.outcome.status == messages.RETURNED


@pytest.mark.parametrize(
    ("get", "code"),
    [
        ("denied", exit_codes.EXIT_NO_PERMISSION),
        ("fails", exit_codes.EXIT_START_FAILED),
        (b"no task", exit_codes.EXIT_BAD_TASK),
    ],
)
def test_a_task_that_cannot_be_read_ends_the_job_and_its_log_says_why(tmp_path, get, code):
    ended = supervise(tmp_path, get=get)
    assert (ended.code, ended.outcome) == (code, None)
    assert "The task could not be read from s3://bucket/key: " in ended.log


@pytest.mark.parametrize(
    ("put", "code"),
    [("denied", exit_codes.EXIT_NO_PERMISSION), ("fails", exit_codes.EXIT_NOT_STORED)],
)
def test_an_outcome_that_cannot_be_stored_ends_a_job_that_is_not_retried(tmp_path, put, code):
    ended = supervise(tmp_path, put=put)
    assert (ended.code, ended.outcome) == (code, None)
    assert "The task ran, but its outcome could not be stored: " in ended.log


@pytest.mark.parametrize(
    ("task", "code"), [("dies at once", 9), ("reports nonsense", 1), ("reports a part", 1)]
)
def test_a_task_process_that_reports_nothing_readable_was_killed(tmp_path, task, code):
    ended = supervise(tmp_path, task=task)
    assert ended.code == code
    assert ended.outcome is not None
    assert (ended.outcome.status, ended.outcome.exit_code) == (messages.KILLED, code)


def test_a_job_that_is_terminated_while_it_fetches_its_task_ends_at_once(tmp_path):
    process = start(tmp_path, get="waits")
    assert process.stdout is not None
    assert process.stdout.readline() == "fetching\n"
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM
    assert "(SIGTERM) before its task had started" in log
    assert not (tmp_path / "outcome").exists()


def test_a_job_that_is_terminated_while_it_stores_the_outcome_stores_it(tmp_path):
    process = start(tmp_path, put="waits")
    assert process.stdout is not None
    assert process.stdout.readline() == "storing\n"
    process.send_signal(signal.SIGTERM)
    process.communicate("go on\n", timeout=120)
    assert process.returncode == 0
    assert stored(tmp_path) is not None


def test_an_outcome_is_stored_though_the_log_takes_nothing_any_more(tmp_path):
    process = start(tmp_path, log="full")
    assert process.wait(timeout=120) == 0
    process.communicate()
    assert stored(tmp_path) is not None
