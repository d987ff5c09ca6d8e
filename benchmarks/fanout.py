"""A wide workflow through a real Covalent server, beside the least that any executor costs."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import runs
from benchmarks.fake_server import FakeServer
from covalent_awsbatch_plugin.local.covalent_server import CovalentServer

HERE = Path(__file__).parent


def against_two_calls(width: int, times: int) -> dict[str, float]:
    """Return the median seconds of a fan-out of instant jobs, and of the two database calls."""
    measured: dict[str, list[float]] = {"awsbatch": [], "two_calls": []}
    with FakeServer(latency=runs.LATENCY, job_seconds=0.0) as aws, _server(aws) as server:
        # The first dispatch of a server's life imports and connects: it is not counted.
        for executor in measured:
            _dispatch(server, executor, 2)
        for _ in range(times):
            for executor, seconds in measured.items():
                seconds.append(_dispatch(server, executor, width))
    return {name: statistics.median(seconds) for name, seconds in measured.items()}


@contextmanager
def _server(aws: FakeServer) -> Iterator[CovalentServer]:
    """Run a Covalent server whose configuration names the fake AWS."""
    environment = {"COVALENT_EXECUTOR_DIR": str(HERE / "executors")}
    server = CovalentServer(environment=environment)
    options = {**aws.options, "poll_freq": runs.POLL_FREQ}
    lines = [f"{name} = {json.dumps(value)}" for name, value in options.items()]
    server.config_file.parent.mkdir(parents=True)
    server.config_file.write_text("\n".join(["[executors.awsbatch]", *lines, ""]))
    with server:
        yield server


def _dispatch(server: CovalentServer, executor: str, width: int) -> float:
    """Run ``workflow.py`` and return the seconds its dispatch took in the server."""
    done = subprocess.run(
        [sys.executable, str(HERE / "workflow.py"), executor, str(width)],
        env=server.environment,
        cwd=server.home,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(done.stdout.splitlines()[-1])
