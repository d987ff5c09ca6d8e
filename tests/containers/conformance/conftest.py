"""The local AWS of the conformance suite, with containers in place of processes."""

from __future__ import annotations

import docker
import pytest

from tests.conformance.conftest import jobs, local
from tests.pythons import Python

from ..images import Images

__all__ = ["jobs", "local"]


@pytest.fixture(scope="package")
def runner(engine: docker.DockerClient) -> str:
    return "containers"


@pytest.fixture(scope="package")
def image(images: Images, ours: Python) -> str:
    return images.full(ours)
