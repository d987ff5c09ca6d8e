"""What jobs meet: private indexes, networks with S3 and nothing else, conda, old SDKs."""

from __future__ import annotations

import asyncio
import base64
import functools
import threading
import uuid
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import covalent as ct
import pytest
from covalent._workflow.transport import TransportableObject
from covalent.executor.utils.wrappers import wrapper_fn

from covalent_awsbatch_plugin.awsbatch import AWSBatchExecutor
from covalent_awsbatch_plugin.local import LocalAws
from covalent_awsbatch_plugin.local.ports import free_port
from tests.pythons import Python

from .images import Images
from .index import UNREACHABLE
from .test_workflows import make_wheel

USER, SECRET = "reader", "not-a-secret"

# Nothing listens there, and nothing but this machine is reached without it.
NO_NETWORK = {
    "http_proxy": "http://127.0.0.1:1",
    "https_proxy": "http://127.0.0.1:1",
    "no_proxy": "127.0.0.1",
}


@pytest.fixture
def run(aws: LocalAws) -> Callable[..., Any]:
    """Runs a function in an image as the Covalent server would; returns its value."""

    def run_in(image: str, function: Callable[[], Any], *hooks: Any, **options: Any) -> Any:
        settings = {"container_image_uri": image, "retry_attempts": 1, "poll_freq": 0.5}
        executor = AWSBatchExecutor(**{**aws.executor_options(), **settings, **options})
        before = [hook.apply() for hook in hooks]
        call = functools.partial(wrapper_fn, TransportableObject(function), before, [])
        metadata = {"dispatch_id": str(uuid.uuid4()), "node_id": 0}
        return asyncio.run(executor.run(call, [], {}, metadata)).get_deserialized()

    return run_in


@pytest.fixture
def private_index(tmp_path: Path) -> Iterator[str]:
    """A package index with one wheel, that wants a user and a password; its address has them."""
    folder = tmp_path / "simple" / "covalent-probe"
    folder.mkdir(parents=True)
    make_wheel(folder, "covalent_probe", "answer = 42\n")
    wanted = "Basic " + base64.b64encode(f"{USER}:{SECRET}".encode()).decode()

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Authorization") != wanted:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="packages"')
                self.end_headers()
                return
            super().do_GET()

        def log_message(self, *_: Any) -> None:
            """Write nothing."""

    handler = functools.partial(Handler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", free_port()), handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://{USER}:{SECRET}@127.0.0.1:{server.server_address[1]}/simple"
        server.shutdown()
        serving.join()


def probe() -> Callable[[], int]:
    def use_it() -> int:
        import covalent_probe

        return covalent_probe.answer

    return use_it


def about_python() -> Callable[[], Any]:
    def about() -> Any:
        import sys

        return sys.prefix

    return about


def test_a_private_index(run, images: Images, ours: Python, private_index: str) -> None:
    environment = {"PIP_INDEX_URL": private_index, "PIP_NO_CACHE_DIR": "1"}
    wanted = ct.DepsPip(["covalent-probe"])
    assert run(images.bare(ours), probe(), wanted, environment=environment) == 42


def test_no_network_but_s3(run, images: Images, ours: Python) -> None:
    def version() -> str:
        import covalent

        return covalent.__version__

    environment = {**UNREACHABLE, **NO_NETWORK}
    assert run(images.bare(ours), version, environment=environment) == ct.__version__


def test_a_python_of_conda_s(run, images: Images, ours: Python) -> None:
    assert run(images.conda(ours), about_python(), environment=UNREACHABLE) == "/opt/conda"


def test_packages_with_a_python_of_conda_s(
    run, images: Images, ours: Python, private_index: str
) -> None:
    environment = {"PIP_INDEX_URL": private_index, "PIP_NO_CACHE_DIR": "1"}
    wanted = ct.DepsPip(["covalent-probe"])
    assert run(images.conda(ours), probe(), wanted, environment=environment) == 42


def test_an_image_with_old_sdks(run, images: Images, ours: Python, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    versions = {"boto3": "1.17.0", "botocore": "1.20.0", "cloudpickle": "0.5"}
    for name, version in versions.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"__version__ = {version!r}\n")

    def imported() -> Any:
        import boto3
        import botocore

        return boto3.__version__, botocore.__version__

    properties = {
        "volumes": [{"name": "old", "host": {"sourcePath": str(tmp_path)}}],
        "mountPoints": [{"sourceVolume": "old", "containerPath": "/old", "readOnly": True}],
    }
    environment = {**UNREACHABLE, "PYTHONPATH": "/old"}
    reported = run(
        images.bare(ours), imported, environment=environment, container_properties=properties
    )
    assert reported == ("1.17.0", "1.20.0")
