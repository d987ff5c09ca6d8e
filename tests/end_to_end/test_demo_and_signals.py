"""A process leaves nothing behind, whichever signal ends it; a demo runs where proxies are set."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

from tests.remains import command, pids, processes, remains, start, temporary_files

from .conftest import wait_until

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")

# By which the process without an environment is found.
SECONDS = str(100_000 + os.getpid())

SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL]

# A job with a process that leaves its group, and one without an environment.
USERS_SCRIPT = """
import time
from covalent_awsbatch_plugin.local import LocalAws
from covalent_awsbatch_plugin.local.covalent_server import CovalentServer

with LocalAws(runner="processes") as aws, CovalentServer() as server:
    batch, options = aws.client("batch"), aws.executor_options()
    script = "setsid sleep 601 & env -i sleep SECONDS & sleep 602"
    job = batch.submit_job(
        jobName="j",
        jobQueue=options["batch_queue"],
        jobDefinition=options["batch_job_definition_name"],
        containerOverrides={"command": ["sh", "-c", script]},
    )["jobId"]
    while batch.describe_jobs(jobs=[job])["jobs"][0]["status"] != "RUNNING":
        time.sleep(0.1)
    print("ready", flush=True)
    time.sleep(600)
"""

EXAMPLE = """
import sys, time
import covalent as ct

@ct.electron(executor="awsbatch")
def sleep(seconds):
    time.sleep(seconds)
    return "slept"

@ct.lattice
def workflow(seconds):
    return sleep(seconds)

print(ct.get_result(ct.dispatch(workflow)(SECONDS), wait=True).result)
"""

# Where nothing listens, in both spellings that programs read, and without exceptions.
PROXIES = {
    spelling: f"{scheme}://127.0.0.1:9"
    for name, scheme in (("http_proxy", "http"), ("https_proxy", "http"), ("all_proxy", "socks5"))
    for spelling in (name, name.upper())
} | {"no_proxy": "", "NO_PROXY": ""}


@pytest.fixture
def folder() -> Iterator[Path]:
    with temporary_files() as made:
        yield made


def end(process: subprocess.Popen[str], number: int) -> None:
    process.send_signal(number)
    with process:
        process.wait(60)


def wait_for_line(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdout
    assert any(text in line for line in process.stdout), f"it ended without printing {text!r}"


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_script_leaves_nothing(number: int, folder: Path) -> None:
    process = start(folder, "-c", USERS_SCRIPT.replace("SECONDS", SECONDS))
    wait_for_line(process, "ready")
    assert sleeping()
    end(process, number)
    wait_for_nothing(folder)
    wait_until(lambda: not sleeping())


def sleeping() -> list[int]:
    """Return the process that the script's job started without an environment."""
    return [pid for pid in pids() if command(pid) == f"sleep {SECONDS} "]


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name
)
def test_a_demo_leaves_nothing(number: int, folder: Path, tmp_path: Path) -> None:
    process = start_demo(folder, tmp_path, 600)
    wait_for_line(process, "RUNNING")
    end(process, number)
    wait_for_nothing(folder)


def test_a_demo_runs_where_proxies_are_set(folder: Path, tmp_path: Path) -> None:
    process = start_demo(folder, tmp_path, 0, PROXIES)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "\nslept\n" in output
    assert not remains(folder)


def start_demo(
    folder: Path, home: Path, seconds: int, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    example = home / "example.py"
    example.write_text(EXAMPLE.replace("SECONDS", str(seconds)))
    demo = str(ROOT / "examples" / "demo.py")
    return start(folder, demo, str(example), environment=environment)


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name
)
def test_a_test_session_leaves_nothing(number: int, folder: Path) -> None:
    test = f"{ROOT}/tests/end_to_end/test_workflows.py"
    base = folder / "pytest"
    process = start(folder, "-m", "pytest", "-p", "no:cacheprovider", f"--basetemp={base}", test)
    wait_for_server(process, folder)
    end(process, number)
    wait_for_nothing(folder, base)


def wait_for_server(process: subprocess.Popen[str], folder: Path) -> None:
    def has_server() -> bool:
        output = "" if process.poll() is None else process.communicate()[0]
        assert process.returncode is None, f"it ended: {output}"
        return any("--no-cluster" in line for line in processes(folder).values())

    wait_until(has_server, seen=lambda: processes(folder))


def wait_for_nothing(folder: Path, *kept: Path) -> None:
    """Wait until nothing remains of a process that was ended but the folders that it may keep."""
    left = partial(remains, folder)
    wait_until(
        lambda: all(each in kept for each in left()), seen=lambda: [*left(), *folder.rglob("*")]
    )
