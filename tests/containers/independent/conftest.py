"""Executors and command lines over the emulators of others."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from covalent_awsbatch_plugin import AWSBatchExecutor
from tests.cli.command import CommandLine
from tests.pythons import Python

from ..images import Images
from .servers import Cloud, all_of_moto, localbatch_and_nanio

# What emulators do otherwise than AWS, by cloud and test: their fault, and so expected.
# README.md explains each.
THEIRS = {
    ("moto", "test_a_second_attempt_counts"): "moto makes one attempt, whatever was asked for",
    ("localbatch", "test_large_arguments_and_results[localbatch-3]"): (
        "nanio refuses a range that ends after the object"
    ),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for (cloud, test), reason in THEIRS.items():
            if test in (item.name, item.name.partition("[")[0]) and f"[{cloud}" in item.name:
                item.add_marker(pytest.mark.xfail(reason=reason, strict=True))


@pytest.fixture(scope="package", params=["localbatch", "moto"])
def cloud(
    request: pytest.FixtureRequest,
    engine: docker.DockerClient,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Cloud]:
    """A cloud; when it has stopped, the containers that it left are removed."""
    folder = tmp_path_factory.mktemp(request.param)
    before = {container.id for container in engine.containers.list(all=True)}
    if request.param == "localbatch":
        if sys.version_info < (3, 11):
            pytest.skip("nanio needs Python 3.11")
        request.getfixturevalue("index_reachable")
        made = localbatch_and_nanio(folder)
    else:
        made = all_of_moto(folder)
    with made as cloud:
        yield cloud
    for container in engine.containers.list(all=True):
        if container.id not in before:
            container.remove(force=True)


@pytest.fixture
def options(
    cloud: Cloud, images: Images, ours: Python, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """The executor's options; this process finds the services by its environment."""
    for name, value in cloud.variables.items():
        monkeypatch.setenv(name, value)
    return {
        **cloud.options,
        "container_image_uri": images.full(ours),
        "cache_dir": str(tmp_path / "cache"),
        "poll_freq": 0.5,
        "retry_attempts": 1,
    }


@pytest.fixture
def executor(options: dict[str, Any]) -> Callable[..., AWSBatchExecutor]:
    def make(**given: Any) -> AWSBatchExecutor:
        return AWSBatchExecutor(**{**options, **given})

    return make


@pytest.fixture
def command_line(cloud: Cloud, options: dict[str, Any], tmp_path: Path) -> CommandLine:
    command = CommandLine(tmp_path / "home", dict(cloud.variables))
    command.configure(options)
    return command
