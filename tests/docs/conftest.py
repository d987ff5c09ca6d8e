"""A local AWS and a Covalent server for the examples, with a home of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import toml

from covalent_awsbatch_plugin.local.covalent_server import CovalentServer

from .local_aws import local_aws, section


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a user who follows the documentation."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="package")
def printed(home: Path) -> Iterator[str]:
    """What the local AWS printed that runs as long as this is used."""
    with local_aws(CovalentServer(home).environment) as text:
        yield text


@pytest.fixture(scope="package")
def server(home: Path, printed: str) -> Iterator[CovalentServer]:
    """A Covalent server whose configuration is what the local AWS printed."""
    server = CovalentServer(home)
    options = {**section(printed), "poll_freq": 0.5}
    server.config_file.parent.mkdir(parents=True)
    server.config_file.write_text(toml.dumps({"executors": {"awsbatch": options}}))
    with server:
        yield server
