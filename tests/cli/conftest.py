from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .command import Aws, CommandLine


@pytest.fixture(scope="session")
def aws() -> Iterator[Aws]:
    """A local AWS for all tests of the commands, with the stack of the prefix ``covalent``."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.cli.serve"],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Aws(json.loads(process.stdout.readline()))
        finally:
            process.stdin.close()
            process.wait(60)


@pytest.fixture
def command(tmp_path: Path) -> CommandLine:
    """The command line, with an empty home."""
    return CommandLine(tmp_path / "home")


@pytest.fixture
def on_aws(aws: Aws, command: CommandLine) -> CommandLine:
    """The command line of a user whose configuration names the local AWS."""
    command.configure(aws.access())
    return command
