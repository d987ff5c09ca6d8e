"""Packages that the electrons of a dispatch share: installed once, by a job in a container."""

from __future__ import annotations

import asyncio
import functools
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import covalent as ct
import pytest
from covalent._workflow.transport import TransportableObject
from covalent.executor.utils.wrappers import wrapper_fn

from covalent_awsbatch_plugin.awsbatch import AWSBatchExecutor
from covalent_awsbatch_plugin.local import LocalAws
from tests.pythons import Python

from .images import Images
from .index import UNREACHABLE
from .test_workflows import make_wheel

WHEEL = "covalent_probe-1-py3-none-any.whl"
READ_ONLY = {
    "user": "1234",
    "readonlyRootFilesystem": True,
    "linuxParameters": {"tmpfs": [{"containerPath": "/tmp", "size": 64}]},
}


def electron() -> TransportableObject:
    """Return an electron that uses the wheel."""

    def use_it() -> tuple[int, str]:
        import subprocess
        import sys

        import covalent_probe

        # What pip installs, processes of the task have, too.
        code = "import covalent_probe; print(covalent_probe.answer)"
        output = subprocess.check_output([sys.executable, "-c", code], text=True)
        return covalent_probe.answer, output

    return TransportableObject(use_it)


@pytest.fixture
def run(aws: LocalAws, images: Images, ours: Python, tmp_path: Path) -> Callable[..., Any]:
    """Runs an electron of one dispatch that asks for a wheel of this machine's."""
    tmp_path.chmod(0o755)
    make_wheel(tmp_path, "covalent_probe", "answer = 42\n")
    dispatch = str(uuid.uuid4())
    volume = {
        "volumes": [{"name": "wheels", "host": {"sourcePath": str(tmp_path)}}],
        "mountPoints": [{"sourceVolume": "wheels", "containerPath": "/wheels"}],
    }

    async def run_all(executor: AWSBatchExecutor, nodes: range) -> list[Any]:
        hook = ct.DepsPip([f"/wheels/{WHEEL}"]).apply()
        pickled = electron()
        results = []
        for node in nodes:
            if node == nodes[-1]:
                # Nothing is left to install from.
                (tmp_path / WHEEL).unlink()
            call = functools.partial(wrapper_fn, pickled, [hook], [])
            metadata = {"dispatch_id": dispatch, "node_id": node}
            results.append((await executor.run(call, [], {}, metadata)).get_deserialized())
        return results

    def run_nodes(count: int, **properties: Any) -> list[Any]:
        executor = AWSBatchExecutor(
            **{
                **aws.executor_options(),
                "container_image_uri": images.bare(ours),
                "retry_attempts": 1,
                "poll_freq": 0.5,
                "environment": UNREACHABLE,
                "container_properties": {**volume, **properties},
            }
        )
        return asyncio.run(run_all(executor, range(count)))

    return run_nodes


@pytest.mark.parametrize("properties", [{}, READ_ONLY], ids=["root", "read-only root, not root"])
def test_the_third_electron_unpacks_what_the_second_shared(run, aws: LocalAws, properties):
    assert run(3, **properties) == [(42, "42\n")] * 3
