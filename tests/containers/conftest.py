"""A container engine, its images, and a local AWS whose jobs are containers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import docker
import pytest

from covalent_awsbatch_plugin.local import LocalAws
from covalent_awsbatch_plugin.local.runners.engine import NoEngine
from tests.end_to_end.conftest import executor, run, server
from tests.pythons import OURS, Python

from . import dockerd, index
from .images import Images

__all__ = ["executor", "run", "server"]


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    """The engine; without one the tests are skipped, in CI they fail."""
    try:
        context = dockerd.engine()
        client = context.__enter__()
    except NoEngine as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))
    yield client
    context.__exit__(None, None, None)


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
        found = find(minor)
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
