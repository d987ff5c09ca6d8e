"""A sweep of 60 electrons, of which four fail: followed, understood, repaired."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from covalent_awsbatch_plugin.local.covalent_server import CovalentServer

from .command import TIME_LIMIT, Aws, CommandLine
from .terminal import open_terminal, screen_of

SWEEP = """
import sys
import covalent as ct
from covalent.executor import AWSBatchExecutor

repaired = sys.argv[1] == "repaired"
wrong = () if repaired else (7, 17)

@ct.electron(executor="awsbatch")
def simulate(seed, wrong):
    print(f"Simulating with seed {seed}")
    if seed in wrong:
        raise ValueError(f"seed {seed} is not physical")
    return seed

@ct.electron(executor=AWSBatchExecutor(memory=1 if repaired else 0.25))
def hungry(repaired):
    import os, signal
    kept = bytearray(255 * 2**20)
    # The local AWS without containers limits no memory: this is what its end looks like.
    if not repaired:
        os.kill(os.getpid(), signal.SIGKILL)
    return len(kept)

@ct.electron(executor=AWSBatchExecutor(time_limit=60))
def slow(seconds):
    import time
    time.sleep(seconds)
    return seconds

@ct.lattice
def sweep(seeds):
    results = [simulate(seed, wrong) for seed in seeds]
    return results, hungry(repaired), slow(0 if repaired else 600)

seeds = [7, 17] if repaired else list(range(58))
print(ct.dispatch(sweep)(seeds))
"""


def dispatched(server: CovalentServer, script: Path, how: str) -> str:
    """Dispatch the sweep, and return its id."""
    done = subprocess.run(
        [sys.executable, str(script), how],
        env=server.environment,
        capture_output=True,
        text=True,
        timeout=4 * TIME_LIMIT,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1]


def test_a_sweep_is_followed_understood_and_repaired(
    aws: Aws, command: CommandLine, tmp_path: Path
) -> None:
    command.configure({**aws.options, "poll_freq": 0.5, "retry_attempts": 1, "time_limit": 300})
    script = tmp_path / "sweep.py"
    script.write_text(SWEEP)
    folder = {"COVALENT_CONFIG_DIR": str(command.configuration.parent)}
    with CovalentServer(command.home, environment=folder) as server:
        dispatch = dispatched(server, script, "broken")

        # Followed.
        with open_terminal(command, 80, "watch", dispatch) as terminal:
            terminal.wait_for(lambda text: re.search(r"\d+/60 ended: .*running", text) is not None)
            assert terminal.wait(6 * TIME_LIMIT) == 1
            end = terminal.text
        assert "56 done, 4 failed; " in end
        assert "4 of 60 tasks failed. Covalent: FAILED." in end

        # Understood.
        for words in (
            "1 failed: ValueError: seed 7 is not physical",
            "1 failed: ValueError: seed 17 is not physical",
            "1 failed: out of memory (peak 0.2",
            "Fix: raise memory= above 0.25 GB",
            "1 failed: ran longer than its limit of 60 s",
            "Fix: raise time_limit= above 60",
        ):
            assert words in end, end
        code, screen = screen_of(command, 80, "jobs", dispatch)
        rows = [line for line in screen.splitlines() if line.startswith(f"{dispatch[:8]}:")]
        assert (code, len(rows)) == (0, 60), screen
        assert all(len(row) <= 80 for row in rows)
        failed = {
            job["function"]: job
            for job in command("jobs", dispatch, "--status", "failed", "--json").json()
        }
        task = f"{dispatch[:8]}:{failed['simulate']['node']}"
        shown = command("show", task).out
        assert "is not physical" in shown
        assert "Traceback" in shown
        logs = command("logs", dispatch, "--failed").out
        assert len(re.findall(r"simulate +\| Simulating with seed (?:7|17)\n", logs)) == 2
        assert len(re.findall(r"ValueError: seed (?:7|17) is not physical\n", logs)) >= 2

        # Repaired.
        again = dispatched(server, script, "repaired")
        done = subprocess.run(
            [sys.executable, "-m", "covalent_awsbatch_plugin.cli", "watch", again],
            env=command.environment(),
            capture_output=True,
            text=True,
            timeout=3 * TIME_LIMIT,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "0 of 4 tasks failed. Covalent: COMPLETED." in done.stdout
