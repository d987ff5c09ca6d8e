"""A local AWS in a process of its own, started as the documentation shows."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import toml

LAST = "Press Ctrl-C to stop. Nothing is kept.\n"
STOP_LIMIT = 60


@contextmanager
def local_aws(environment: Mapping[str, str]) -> Iterator[str]:
    """Run ``covalent-awsbatch local``; give what it printed when it was ready."""
    command = ["-m", "covalent_awsbatch_plugin.cli", "local", "--port", "0"]
    process = subprocess.Popen(
        [sys.executable, *command, "--runner", "processes"],
        env={**environment, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield _read(process)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=STOP_LIMIT)
    assert process.returncode == 0


def _read(process: subprocess.Popen[str]) -> str:
    printed = ""
    while not printed.endswith(LAST):
        line = process.stdout.readline() if process.stdout else ""
        assert line, f"it ended after printing\n{printed}"
        printed += line
    return printed


def section(printed: str) -> dict[str, str]:
    """Return the configuration that was printed."""
    begin, end = printed.index("[executors.awsbatch]"), printed.index("\n\nFor the AWS command")
    options: dict[str, str] = toml.loads(printed[begin:end])["executors"]["awsbatch"]
    return options
