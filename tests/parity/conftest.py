"""One Covalent server and one local AWS; many workflows run at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

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

# Seconds within which a workflow must have ended: only what never ends takes so long.
LIMIT = 240.0

# Workflows that run at once. More would not end sooner, and each would take longer.
AT_ONCE = 12

# Seconds that a response of the server may take beyond that.
GRACE = 60.0

T = TypeVar("T")

ENDED = ("COMPLETED", "FAILED", "CANCELLED", "POSTPROCESSING_FAILED")

LOCAL = "local"
ON_HOST = "awsbatch"
ON_BATCH = "awsbatch, built-in nodes on Batch"

# The server and the jobs cannot import this folder, as they cannot import a user's script.
cloudpickle.register_pickle_by_value(tests.parity)


class Runs:
    """Runs cases in their modes, each once and in the order of the tests, and observes them."""

    def __init__(self, aws: LocalAws, server: CovalentServer, root: Path) -> None:
        self._aws = aws
        self._server = server
        self._root = root
        self._threads = ThreadPoolExecutor(AT_ONCE)
        self._started: dict[tuple[str, str], Future[Observation]] = {}

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
        if (case.name, mode) not in self._started:
            self._started[case.name, mode] = self._threads.submit(self._run, case, mode)

    def _run(self, case: Case, mode: str) -> Observation:
        setting = self.setting(case.name, mode)
        workflow = case.build(setting)
        options = {
            "executor": setting.executor,
            "workflow_executor": setting.executor,
            **workflow.options,
        }
        lattice = ct.lattice(workflow.function, **options)
        result = finished(ct.dispatch(lattice)(*workflow.args, **workflow.kwargs), mode)
        return observe(result, setting.place)

    def observation(self, case: Case, mode: str) -> Observation:
        """Return what was observed of a case, once it has ended."""
        self.start(case, mode)
        # Those before it have ended, or their tests have failed: it has begun, or begins now.
        return bounded(self._started[case.name, mode], f"{case.name} on {mode}")

    def close(self) -> None:
        """Start nothing more. What waits for the server ends with it."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def bounded(future: Future[T], what: str) -> T:
    """Return a future's result; fail if the Covalent server does not respond any more."""
    try:
        return future.result(LIMIT + GRACE)
    except TimeoutError:
        raise AssertionError(f"The Covalent server does not respond: {what}") from None


def at_once(look: Callable[[str], T], *modes: str) -> list[T]:
    """Return what is seen in each mode; all are looked at at once."""
    threads = ThreadPoolExecutor(len(modes))
    futures = [threads.submit(look, mode) for mode in modes]
    threads.shutdown(wait=False)
    return [bounded(future, mode) for future, mode in zip(futures, modes, strict=True)]


def finished(dispatch_id: str, mode: str) -> Any:
    """Wait for the end of a dispatch; return its result."""
    wait_for_end(dispatch_id, mode)
    return ct.get_result(dispatch_id)


def unfinished(dispatch_id: str) -> dict[str, str]:
    """Return what has not completed in a dispatch."""
    nodes = ct.get_result(dispatch_id).get_all_node_results()
    return {
        f"{node['node_id']} {node['node_name']}": str(node["status"])
        for node in nodes
        if str(node["status"]) != "COMPLETED"
    }


def wait_for_end(dispatch_id: str, mode: str) -> None:
    """Wait for the end of a dispatch."""
    deadline = time.monotonic() + LIMIT
    while str(ct.get_result(dispatch_id, status_only=True)["status"]) not in ENDED:
        assert time.monotonic() < deadline, f"not ended on {mode}: {unfinished(dispatch_id)}"
        time.sleep(0.3)


@pytest.fixture(scope="package")
def runs(
    request: pytest.FixtureRequest,
    aws: LocalAws,
    server: CovalentServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Runs]:
    """All runs; those of the selected tests run while the first is awaited."""
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
