"""What users write, through a real Covalent server, with electrons in containers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import covalent as ct
import docker
import numpy
import pytest

from tests.end_to_end.conftest import node
from tests.end_to_end.test_workflows import make_wheel
from tests.pythons import OURS, Python

from .images import Images
from .index import UNREACHABLE, Index

EXAMPLES = Path(__file__).parents[2] / "examples"
MEGABYTE = 10**6
NOT_ROOT = {"user": "1000"}


@pytest.fixture(scope="session")
def image(images: Images, ours: Python) -> str:
    """An image that has what is needed, so that jobs start at once."""
    return images.full(ours)


def completed(result):
    assert str(result.status) == "COMPLETED", (result.status, result.error)
    return result.result


def test_the_documented_example(aws, server, image, tmp_path):
    """As a user runs it; the image is named by the configuration."""
    settings = {"container_image_uri": image, "poll_freq": 0.5}
    before = {key: ct.get_config(f"executors.awsbatch.{key}") for key in settings}
    ct.set_config({f"executors.awsbatch.{key}": value for key, value in settings.items()})
    try:
        done = subprocess.run(
            [sys.executable, EXAMPLES / "svm.py"],
            env=server.environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
    finally:
        ct.set_config({f"executors.awsbatch.{key}": value for key, value in before.items()})
    assert done.returncode == 0, done.stdout + done.stderr
    assert 0.8 < float(done.stdout.split("Score:")[1]) <= 1


def test_it_is_a_container(executor, run, image):
    batch = executor(container_image_uri=image, container_properties=NOT_ROOT, memory=0.5)

    @ct.electron(executor=batch)
    def about():
        import sys

        return os.getuid(), sys.prefix, Path(__file__).exists()

    @ct.lattice
    def workflow():
        return about()

    assert completed(run(workflow)) == (1000, "/usr/local", False)


def test_a_task_over_its_memory_is_told_so(executor, run, image):
    batch = executor(container_image_uri=image, memory=0.3)

    @ct.electron(executor=batch)
    def fill():
        print("filling")
        return sum(len(held) for held in [bytearray(b"x" * MEGABYTE) for _ in range(2000)])

    @ct.lattice
    def workflow():
        return fill()

    result = run(workflow)
    assert str(result.status) == "FAILED"
    filled = node(result, "fill")
    assert "filling" in filled["stdout"]
    # Covalent keeps no other text of an executor's error than what stands in stderr.
    assert "used more memory than it had asked for" in filled["stderr"]
    assert "memory=" in filled["stderr"], "the advice"
    assert "137" in filled["stderr"]


def test_an_argument_of_100_megabytes(executor, run, image):
    batch = executor(container_image_uri=image, memory=2)

    @ct.electron(executor=batch)
    def measure(data):
        return data.nbytes, float(data[0]), float(data[-1])

    @ct.lattice
    def workflow(data):
        return measure(data)

    # Not bytes: Covalent makes a text of every argument, which for bytes is four times as long.
    data = numpy.linspace(1.0, 2.0, 100 * MEGABYTE // 8)
    assert completed(run(workflow, data)) == (100 * MEGABYTE, 1.0, 2.0)


@pytest.mark.parametrize("read_only", [False, True], ids=["", "read-only root"])
def test_pip_dependencies_where_the_user_is_not_root(executor, run, image, tmp_path, read_only):
    tmp_path.chmod(0o755)
    make_wheel(tmp_path, "covalent_probe", "answer = 42\n")
    properties = {
        **NOT_ROOT,
        "readonlyRootFilesystem": read_only,
        "linuxParameters": {"tmpfs": [{"containerPath": "/tmp", "size": 64}]},
        "volumes": [{"name": "wheels", "host": {"sourcePath": str(tmp_path)}}],
        "mountPoints": [{"sourceVolume": "wheels", "containerPath": "/wheels"}],
    }
    batch = executor(
        container_image_uri=image, container_properties=properties, environment=UNREACHABLE
    )
    wheel = "/wheels/covalent_probe-1-py3-none-any.whl"

    @ct.electron(executor=batch, deps_pip=ct.DepsPip(packages=[wheel]))
    def use_it():
        import covalent_probe

        return covalent_probe.answer, os.getuid()

    @ct.lattice
    def workflow():
        return use_it()

    assert completed(run(workflow)) == (42, 1000)


def test_the_image_of_our_own_dockerfile(
    engine: docker.DockerClient,
    images: Images,
    ours: Python,
    executor,
    run,
    index_reachable: Index,
    tmp_path,
):
    base = images.bare_with(ours, index_reachable)
    command = [sys.executable, "-m", "covalent_awsbatch_plugin.cli", "image"]
    done = subprocess.run([*command, "--base", base], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (tmp_path / "Dockerfile").write_text(done.stdout)
    built, _ = engine.images.build(path=str(tmp_path), network_mode="host", rm=True)
    try:
        assert built.labels["covalent-awsbatch.python"] == OURS
        batch = executor(container_image_uri=built.id, environment=UNREACHABLE)

        @ct.electron(executor=batch)
        def about():
            return os.getuid(), os.environ["HOME"]

        @ct.lattice
        def workflow():
            return about()

        assert completed(run(workflow)) == (1000, "/home/covalent")
    finally:
        engine.images.remove(built.id, force=True)
        engine.images.remove(base, force=True)
