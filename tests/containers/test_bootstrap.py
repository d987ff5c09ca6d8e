"""What a job does first, in the images that users have."""

from __future__ import annotations

import asyncio
import functools
import uuid
from collections.abc import Callable
from typing import Any

import docker
import pytest
from covalent._workflow.transport import TransportableObject
from covalent.executor.utils.wrappers import wrapper_fn

from covalent_awsbatch_plugin.awsbatch import AWSBatchExecutor
from covalent_awsbatch_plugin.errors import BatchTaskError
from covalent_awsbatch_plugin.local import LocalAws
from tests.pythons import CLAIMED, OURS, Python

from .images import Images
from .index import UNREACHABLE, Index

OTHER = next(minor for minor in CLAIMED if minor != OURS)

# Runs in a container: pickles a function with the Python that is to run it.
PICKLE = """
from covalent._workflow.transport import TransportableObject
def about():
    import os, sys
    return "{}.{}".format(*sys.version_info), os.getuid(), os.path.isdir(os.environ["HOME"])
print(TransportableObject(about).serialize().hex())
"""
OTHER_USER = {"user": "1234", "readonlyRootFilesystem": True}
TMPFS = {"linuxParameters": {"tmpfs": [{"containerPath": "/tmp", "size": 64}]}}


@pytest.fixture
def run(aws: LocalAws) -> Callable[..., Any]:
    """Runs a function in an image as the Covalent server would; returns its value."""

    def run_in(image: str, function: TransportableObject, **options: Any) -> Any:
        settings = {"container_image_uri": image, "retry_attempts": 1, "poll_freq": 0.5}
        executor = AWSBatchExecutor(**{**aws.executor_options(), **settings, **options})
        call = functools.partial(wrapper_fn, function, [], [])
        metadata = {"dispatch_id": str(uuid.uuid4()), "node_id": 0}
        result = asyncio.run(executor.run(call, [], {}, metadata))
        return result.get_deserialized()

    return run_in


@pytest.fixture(scope="session")
def pickled(engine: docker.DockerClient, images: Images) -> Callable[[Python], Any]:
    """Returns ``about``, pickled by a Python."""

    @functools.lru_cache
    def pickled_by(python: Python) -> TransportableObject:
        output = engine.containers.run(
            images.full(python),
            ["python", "-c", PICKLE],
            environment={"COVALENT_PLUGIN_LOAD": "false"},
            network_mode="none",
            remove=True,
        )
        return TransportableObject.deserialize(bytes.fromhex(output.decode().split()[-1]))

    return pickled_by


@pytest.mark.parametrize("minor", CLAIMED)
def test_an_image_with_everything_installs_nothing(images, python, pickled, run, minor):
    found = python(minor)
    reported = run(images.full(found), pickled(found), environment=UNREACHABLE)
    assert reported == (minor, 0, True)


@pytest.mark.parametrize("minor", CLAIMED)
def test_another_user_a_read_only_root_and_no_home(images, python, pickled, run, minor):
    found = python(minor)
    reported = run(
        images.full(found),
        pickled(found),
        environment=UNREACHABLE,
        container_properties={**OTHER_USER, **TMPFS},
    )
    assert reported == (minor, 1234, True)


def test_a_read_only_root_without_a_folder_for_temporary_files(images, ours, pickled, run):
    reported = run(images.full(ours), pickled(ours), container_properties=OTHER_USER)
    assert reported == (OURS, 1234, True)


def test_a_bare_image_installs_what_is_missing(images, ours, pickled, run, index_reachable: Index):
    reported = run(
        images.bare(ours),
        pickled(ours),
        environment=index_reachable.environment,
        container_properties=index_reachable.container_properties,
    )
    assert reported == (OURS, 0, True)


def test_a_bare_image_installs_for_another_user(
    images, ours, pickled, run, index_reachable: Index
):
    reported = run(
        images.bare(ours),
        pickled(ours),
        environment=index_reachable.environment,
        container_properties={**index_reachable.container_properties, "user": "1234"},
    )
    assert reported == (OURS, 1234, True)


def test_a_bare_image_without_an_index_says_so(images, ours, pickled, run):
    with pytest.raises(BatchTaskError) as caught:
        run(images.bare(ours), pickled(ours), environment=UNREACHABLE)
    text = str(caught.value)
    assert "this image lacks covalent" in text
    assert "package index" in text
    assert "covalent-awsbatch image" in text


def test_a_python_of_another_minor_version(images, python, ours, pickled, run):
    image = images.bare(python(OTHER))
    with pytest.raises(BatchTaskError) as caught:
        run(image, pickled(ours))
    text = str(caught.value)
    assert f"runs Python {OTHER}" in text
    assert f"python:{OURS}-slim" in text
    assert "container_image_uri" in text


def test_no_python_at_all(images, ours, pickled, run):
    with pytest.raises(BatchTaskError) as caught:
        run(images.without_python(), pickled(ours))
    text = str(caught.value)
    assert "has no Python" in text
    assert f"python:{OURS}-slim" in text


def test_an_image_that_cannot_be_pulled(ours, pickled, run):
    image = "127.0.0.1:1/nothing:1"
    with pytest.raises(BatchTaskError) as caught:
        run(image, pickled(ours))
    assert image in str(caught.value)
    assert "container_image_uri" in str(caught.value)
