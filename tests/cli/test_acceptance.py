"""The way of a newcomer: local AWS, deploy, doctor, a workflow, jobs, logs, and all away again."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from covalent_awsbatch_plugin.local.covalent_server import CovalentServer

from .command import Aws, CommandLine
from .test_deploy import left

WORKFLOW = """
import covalent as ct

@ct.electron(executor="awsbatch")
def double(number):
    print("doubling", number)
    return 2 * number

@ct.lattice
def workflow(number):
    return double(number)

dispatch_id = ct.dispatch(workflow)(21)
print(dispatch_id, ct.get_result(dispatch_id, wait=True).result)
"""


@pytest.fixture
def local(command: CommandLine) -> Iterator[subprocess.Popen[str]]:
    """``covalent-awsbatch local`` in another terminal."""
    with command.start("local", "--port", "0", "--runner", "processes") as process:
        yield process
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


def exported(process: subprocess.Popen[str]) -> dict[str, str]:
    """Return the variables that it asks users to export."""
    assert process.stdout is not None
    variables = {}
    for line in process.stdout:
        if line.startswith("Press Ctrl-C"):
            break
        if found := re.match(r"export (\w+)=(.*)", line):
            variables[found[1]] = found[2]
    return variables


def run_workflow(command: CommandLine, script: Path) -> tuple[str, str]:
    """Run a workflow through a Covalent server with the user's configuration."""
    script.write_text(WORKFLOW)
    environment = {"COVALENT_CONFIG_DIR": str(command.configuration.parent)}
    with CovalentServer(command.home, environment=environment) as server:
        done = subprocess.run(
            [sys.executable, str(script)],
            env=server.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr + server.log_file.read_text()
    dispatch, result = done.stdout.split()[-2:]
    return dispatch, result


def test_from_nothing_to_a_workflow_and_back(
    command: CommandLine, local: subprocess.Popen[str], tmp_path: Path
) -> None:
    command.extra.update(exported(local))
    assert command("deploy").code == 0
    aws = Aws(command.section())
    # From here on, the configuration that deploy wrote is all there is.
    command.extra.clear()
    assert command("doctor").code == 0

    dispatch, result = run_workflow(command, tmp_path / "workflow.py")
    assert result == "42"

    (job,) = command("jobs", dispatch, "--json").json()
    assert (job["status"], job["function"], job["dispatch"]) == ("SUCCEEDED", "double", dispatch)
    assert "doubling 21" in command("logs", dispatch).out.splitlines()

    assert command("deploy", "--delete", "--yes").code == 0
    assert left(aws, "covalent") == []
