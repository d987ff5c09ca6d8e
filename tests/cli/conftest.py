from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.served import served

from .command import Aws, CommandLine


@pytest.fixture(scope="session")
def aws() -> Iterator[Aws]:
    """A local AWS for all tests of the commands, with the stack of the prefix ``covalent``."""
    with served("tests.cli.serve") as found:
        yield Aws(found)


@pytest.fixture
def command(tmp_path: Path) -> CommandLine:
    """The command line, with an empty home."""
    return CommandLine(tmp_path / "home")


@pytest.fixture
def on_aws(aws: Aws, command: CommandLine) -> CommandLine:
    """The command line of a user whose configuration names the local AWS."""
    command.configure(aws.access())
    return command
