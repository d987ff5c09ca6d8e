"""A container engine, its images, and a local AWS whose jobs are containers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import docker
import pytest

from covalent_awsbatch_plugin.local import LocalAws
from covalent_awsbatch_plugin.local.runners.engine import NoEngine
from tests.end_to_end.conftest import executor, run, server
from tests.pythons import OURS, Python
from tests.pythons import find as find_python

from . import dockerd, index
from .images import Images

__all__ = ["executor", "run", "server"]


# Why there is no engine, where there is none.
NO_ENGINE = pytest.StashKey[str]()


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> Iterator[docker.DockerClient]:
    """The engine; without one the tests are skipped, in CI they fail."""
    with ExitStack() as stack:
        try:
            client = stack.enter_context(dockerd.engine())
        except NoEngine as error:
            if os.environ.get("CI") == "true":
                pytest.fail(str(error))
            request.config.stash[NO_ENGINE] = str(error)
            pytest.skip(str(error))
        yield client


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A run whose tests were skipped did not pass."""
    if NO_ENGINE in session.config.stash and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if reason := config.stash.get(NO_ENGINE, None):
        terminalreporter.write_line(
            f"Without a container engine this run proves nothing, and does not pass. {reason}",
            red=True,
        )


@pytest.fixture(scope="session")
def images(engine: docker.DockerClient) -> Images:
    return Images(engine)


@pytest.fixture(scope="session")
def aws(engine: docker.DockerClient) -> Iterator[LocalAws]:
    """A local AWS; when it has stopped, none of its containers is left."""
    before = {container.id for container in engine.containers.list(all=True)}
    with LocalAws(runner="containers") as local:
        yield local
    left = {container.id for container in engine.containers.list(all=True)} - before
    assert not left


@pytest.fixture(scope="session")
def python() -> Callable[[str], Python]:
    """Finds a Python of this machine; the test is skipped where there is none."""

    def find(minor: str) -> Python:
        found = find_python(minor)
        if found is None:
            pytest.skip(f"this machine has no Python {minor}")
        return found

    return find


@pytest.fixture(scope="session")
def ours(python: Callable[[str], Python]) -> Python:
    """The Python that runs these tests."""
    return python(OURS)


@pytest.fixture(scope="session")
def index_reachable() -> index.Index:
    """How this machine reaches a package index; the test is skipped where it does not."""
    found = index.configured()
    if problem := index.problem():
        pytest.skip(f"no package index can be reached: {problem}")
    return found
