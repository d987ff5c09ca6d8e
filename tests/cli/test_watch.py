"""``watch`` of a dispatch that Covalent runs and that has no job yet."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from covalent_awsbatch_plugin.local.covalent_server import CovalentServer

from .command import TIME_LIMIT, Aws, CommandLine
from .terminal import open_terminal

DISPATCH = """
import sys
import covalent as ct

@ct.electron(executor="local")
def prepare(gate):
    import os, time
    end = time.monotonic() + 120
    while not os.path.exists(gate) and time.monotonic() < end:
        time.sleep(0.1)
    return 1

@ct.electron(executor="awsbatch")
def simulate(x):
    return x + 1

@ct.lattice
def flow(gate):
    return simulate(prepare(gate))

print(ct.dispatch(flow)(sys.argv[1]))
"""


def test_the_beginning_of_an_id_is_enough_before_the_first_job(
    aws: Aws, command: CommandLine, tmp_path: Path
) -> None:
    command.configure({**aws.options, "poll_freq": 0.5})
    gate = tmp_path / "gate"
    folder = {"COVALENT_CONFIG_DIR": str(command.configuration.parent)}
    with CovalentServer(command.home, environment=folder) as server:
        first, second = (dispatched(server, gate) for _ in range(2))

        unknown = command("watch", "0" * 8 if not first.startswith("0" * 8) else "1" * 8)
        assert (unknown.code, "There is no job" in unknown.err) == (1, True), unknown.text

        with open_terminal(command, 80, "watch", first[:8]) as terminal:
            terminal.wait_for(lambda text: "Waiting for the first job" in text)
            gate.touch()
            assert terminal.wait(TIME_LIMIT) == 0, terminal.text
            assert "0 of 1 task failed. Covalent: COMPLETED." in terminal.text
        assert command("watch", second[:8]).code == 0


def dispatched(server: CovalentServer, gate: Path) -> str:
    """Dispatch a task on AWS that begins once there is a file, and return the dispatch's id."""
    done = subprocess.run(
        [sys.executable, "-c", DISPATCH, str(gate)],
        env=server.environment,
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1]
