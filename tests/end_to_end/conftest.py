"""A real Covalent server and a local AWS, shared by the tests of a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import covalent as ct
import pytest
from covalent._shared_files.config import set_config

from covalent_awsbatch_plugin.awsbatch import AWSBatchExecutor
from covalent_awsbatch_plugin.local import LocalAws
from covalent_awsbatch_plugin.local.covalent_server import CovalentServer
from tests.waiting import wait_until

# Jobs take about a second: look often.
POLL_FREQ = 0.5


@pytest.fixture(scope="package")
def aws() -> Iterator[LocalAws]:
    with LocalAws(runner="processes") as local:
        yield local


@pytest.fixture(scope="package")
def server(aws: LocalAws) -> Iterator[CovalentServer]:
    """The server; this process is its client, configured by the same file."""
    section = ct.get_config("executors.awsbatch")
    before = dict(section)
    configure({**aws.executor_options(), "poll_freq": POLL_FREQ})
    home, port = Path(os.environ["HOME"]), int(os.environ["COVALENT_SVC_PORT"])
    with CovalentServer(home, port) as running:
        yield running
    for key in section.keys() - before.keys():
        del section[key]
    configure(before)


def configure(options: dict[str, Any]) -> None:
    set_config({f"executors.awsbatch.{key}": value for key, value in options.items()})


@pytest.fixture
def executor(aws: LocalAws, server: CovalentServer) -> Callable[..., AWSBatchExecutor]:
    """Makes executors for the local AWS."""

    def make(**options: Any) -> AWSBatchExecutor:
        return AWSBatchExecutor(
            **{**aws.executor_options(), "poll_freq": POLL_FREQ, "retry_attempts": 1, **options}
        )

    return make


@pytest.fixture
def run(server: CovalentServer) -> Callable[..., Any]:
    """Dispatches a lattice and waits for its result."""

    def dispatch(lattice: Any, *args: Any, **kwargs: Any) -> Any:
        return ct.get_result(ct.dispatch(lattice)(*args, **kwargs), wait=True)

    return dispatch


@pytest.fixture
def jobs_of(aws: LocalAws) -> Callable[[str], list[dict[str, Any]]]:
    """Describes the jobs of a dispatch."""
    batch, queue = aws.client("batch"), aws.executor_options()["batch_queue"]

    def describe(dispatch_id: str) -> list[dict[str, Any]]:
        wanted = [{"name": "JOB_NAME", "values": [f"covalent-{dispatch_id}-*"]}]
        pages = batch.get_paginator("list_jobs").paginate(jobQueue=queue, filters=wanted)
        ids = [job["jobId"] for page in pages for job in page["jobSummaryList"]]
        return batch.describe_jobs(jobs=ids)["jobs"] if ids else []

    return describe


@pytest.fixture
def busy_hosts(aws: LocalAws) -> Iterator[None]:
    """Keeps every slot for jobs occupied, so that new jobs wait."""
    batch, options = aws.client("batch"), aws.executor_options()
    sleeping = {"command": ["sleep", "600"]}
    request = {
        "jobQueue": options["batch_queue"],
        "jobDefinition": options["batch_job_definition_name"],
        "containerOverrides": sleeping,
    }
    ids = [
        batch.submit_job(jobName=f"sleep-{number}", **request)["jobId"]
        for number in range(2 * (os.cpu_count() or 1))
    ]

    def all_run() -> bool:
        described = batch.describe_jobs(jobs=ids)["jobs"]
        return all(job["status"] == "RUNNING" for job in described)

    wait_until(all_run)
    yield
    for job_id in ids:
        batch.terminate_job(jobId=job_id, reason="the test is over")


def node(result: Any, name: str) -> dict[str, Any]:
    """Return a workflow's node by its function's name."""
    for number in range(50):
        found = result.get_node_result(number)
        if found["node_name"] == name:
            return found
    raise LookupError(name)
