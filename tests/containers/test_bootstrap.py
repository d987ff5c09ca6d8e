"""What a job does first, in the images that users have."""

from __future__ import annotations

import asyncio
import functools
import uuid
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import covalent as ct
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

    def run_in(image: str, function: TransportableObject, before: Any = (), **options: Any) -> Any:
        settings = {"container_image_uri": image, "retry_attempts": 1, "poll_freq": 0.5}
        executor = AWSBatchExecutor(**{**aws.executor_options(), **settings, **options})
        call = functools.partial(wrapper_fn, function, list(before), [])
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


@pytest.mark.parametrize("minor", CLAIMED)
def test_a_bare_image_needs_nothing_but_python(images, python, pickled, run, minor):
    found = python(minor)
    reported = run(images.bare(found), pickled(found), environment=UNREACHABLE)
    assert reported == (minor, 0, True)


def test_a_bare_image_with_a_read_only_root_another_user_and_no_home(images, ours, pickled, run):
    reported = run(
        images.bare(ours),
        pickled(ours),
        environment=UNREACHABLE,
        container_properties={**OTHER_USER, **TMPFS},
    )
    assert reported == (OURS, 1234, True)


def test_hooks_need_no_covalent(images, ours, run):
    deps = ct.DepsBash(["echo made > /tmp/made"]).apply()
    hook = ct.DepsCall(open, ["/tmp/made"], retval_keyword="file").apply()

    def read(file):
        import importlib.util

        return file.read(), importlib.util.find_spec("covalent").origin

    reported = run(
        images.bare(ours), TransportableObject(read), [deps, hook], environment=UNREACHABLE
    )
    assert reported == ("made\n", None)


TMPFS_FOR_NATIVE_CODE = {"containerPath": "/tmp", "size": 256, "mountOptions": ["exec"]}
LARGE_TMPFS = {"linuxParameters": {"tmpfs": [TMPFS_FOR_NATIVE_CODE]}}


@pytest.mark.parametrize(
    "properties",
    [{}, {"user": "1234"}, {**OTHER_USER, **LARGE_TMPFS}],
    ids=["root", "not root", "read-only root, not root"],
)
def test_covalent_that_is_imported_comes_from_the_server(images, ours, run, properties):
    def node():
        import subprocess
        import sys

        import covalent

        # What is installed, processes of the task have, too.
        code = "import covalent; print(covalent.__version__)"
        output = subprocess.check_output([sys.executable, "-c", code], text=True)
        return covalent.__version__, output.strip(), covalent.get_context().task_id

    reported = run(
        images.bare(ours),
        TransportableObject(node),
        environment=UNREACHABLE,
        container_properties=properties,
    )
    assert reported == (version("covalent"), version("covalent"), 0)


@pytest.mark.parametrize("user", ["root", "1234"])
def test_what_a_task_imports_without_naming_it_is_installed(
    images, ours, run, index_reachable: Index, user: str
):
    def node():
        import importlib

        import boto3

        # Covalent's name is nowhere in the pickle, so the server sends nothing along.
        covalent = importlib.import_module("".join(["cova", "lent"]))

        context = covalent.get_context()
        return covalent.__version__, boto3.__version__, context.task_id

    expected = (version("covalent"), version("boto3"), 0)
    reported = run(
        images.bare(ours),
        TransportableObject(node),
        environment=index_reachable.environment,
        container_properties={**index_reachable.container_properties, "user": user},
    )
    assert reported == expected
    # What one job has installed, the next finds in the bucket.
    properties = {"user": user}
    reported = run(
        images.bare(ours),
        TransportableObject(node),
        environment=UNREACHABLE,
        container_properties=properties,
    )
    assert reported == expected


def test_an_import_that_cannot_be_satisfied_ends_the_job_and_says_why(images, ours, run):
    def node():
        import importlib

        return importlib.import_module("".join(["cova", "lent"]))

    with pytest.raises(BatchTaskError) as caught:
        run(
            images.bare(ours),
            TransportableObject(node),
            environment=UNREACHABLE,
            share_packages="never",
        )
    text = str(caught.value)
    assert "this image lacks covalent" in text
    assert "package index" in text
    assert "covalent-awsbatch image" in text


def test_user_code_that_can_do_without_goes_on(images, ours, run):
    def node():
        try:
            import boto3
        except ImportError:
            return None
        return boto3

    options = {"environment": UNREACHABLE, "share_packages": "never"}
    assert run(images.bare(ours), TransportableObject(node), **options) is None


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
