"""One Covalent server and one local AWS; every workflow is dispatched at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cloudpickle
import covalent as ct
import pytest

import tests.parity
from covalent_awsbatch_plugin.awsbatch import AWSBatchExecutor
from covalent_awsbatch_plugin.local import LocalAws
from covalent_awsbatch_plugin.local.covalent_server import CovalentServer
from tests.end_to_end.conftest import POLL_FREQ, aws, server

from .case import CATALOGUE, Case, Setting
from .observation import Observation, observe

__all__ = ["aws", "server"]

HERE = Path(__file__).parent

# Seconds within which all workflows together must have ended: only what never ends takes so long.
LIMIT = 900.0

ENDED = ("COMPLETED", "FAILED", "CANCELLED", "POSTPROCESSING_FAILED")

LOCAL = "local"
ON_HOST = "awsbatch"
ON_BATCH = "awsbatch, built-in nodes on Batch"

# The server and the jobs cannot import this folder, as they cannot import a user's script.
cloudpickle.register_pickle_by_value(tests.parity)


class Runs:
    """Runs cases in their modes, each once, and observes them."""

    def __init__(self, aws: LocalAws, server: CovalentServer, root: Path) -> None:
        self._aws = aws
        self._server = server
        self._root = root
        self._threads = ThreadPoolExecutor(4)
        self._dispatched: dict[tuple[str, str], Future[str]] = {}
        self._observed: dict[tuple[str, str], Observation] = {}
        self._deadline = time.monotonic() + LIMIT

    def setting(self, name: str, mode: str) -> Setting:
        place = self._root / f"{name}-{'-'.join(mode.replace(',', '').split())}"
        place.mkdir(parents=True, exist_ok=True)
        return Setting(place, self.executor(mode), self._server.url, self.environment())

    def executor(self, mode: str) -> Any:
        if mode != ON_BATCH:
            return mode
        return AWSBatchExecutor(**self.options(), builtin_nodes_on_batch=True)

    def options(self) -> dict[str, Any]:
        return {**self._aws.executor_options(), "poll_freq": POLL_FREQ, "retry_attempts": 1}

    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self._aws.endpoint_url,
            "AWS_SHARED_CREDENTIALS_FILE": str(self._aws.credentials_file),
            "AWS_DEFAULT_REGION": self._aws.region,
        }

    def start(self, case: Case, mode: str) -> None:
        if (case.name, mode) not in self._dispatched:
            future = self._threads.submit(self._dispatch, case, mode)
            self._dispatched[case.name, mode] = future

    def _dispatch(self, case: Case, mode: str) -> str:
        setting = self.setting(case.name, mode)
        workflow = case.build(setting)
        options = {
            "executor": setting.executor,
            "workflow_executor": setting.executor,
            **workflow.options,
        }
        lattice = ct.lattice(workflow.function, **options)
        dispatch_id: str = ct.dispatch(lattice)(*workflow.args, **workflow.kwargs)
        return dispatch_id

    def observation(self, case: Case, mode: str) -> Observation:
        """Return what was observed of a case, once it has ended."""
        key = (case.name, mode)
        if key not in self._observed:
            self.start(case, mode)
            dispatch_id = self._dispatched[key].result()
            wait_for_end(dispatch_id, self._deadline, mode)
            result = ct.get_result(dispatch_id)
            self._observed[key] = observe(result, self.setting(*key).place)
        return self._observed[key]

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)


def unfinished(dispatch_id: str) -> dict[str, str]:
    """Return what has not completed in a dispatch."""
    nodes = ct.get_result(dispatch_id).get_all_node_results()
    return {
        f"{node['node_id']} {node['node_name']}": str(node["status"])
        for node in nodes
        if str(node["status"]) != "COMPLETED"
    }


def wait_for_end(dispatch_id: str, deadline: float, mode: str) -> str:
    """Wait for the end of a dispatch; return its status."""
    while True:
        status = str(ct.get_result(dispatch_id, status_only=True)["status"])
        if status in ENDED:
            return status
        assert time.monotonic() < deadline, f"on {mode}: {unfinished(dispatch_id)}"
        time.sleep(0.3)


@pytest.fixture(scope="package")
def runs(
    request: pytest.FixtureRequest,
    aws: LocalAws,
    server: CovalentServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Runs]:
    """All runs; those of the selected tests are dispatched before the first is awaited."""
    ct.set_config("executors.awsbatch.retry_attempts", 1)
    running = Runs(aws, server, tmp_path_factory.mktemp("parity"))
    for item in request.session.items:
        params = getattr(item, "callspec", None) and item.callspec.params
        # Tests of other suites have parameters of these names, too.
        if item.path.parent == HERE and params and {"name", "mode"} <= params.keys():
            running.start(CATALOGUE[params["name"]], LOCAL)
            running.start(CATALOGUE[params["name"]], params["mode"])
    yield running
    running.close()
