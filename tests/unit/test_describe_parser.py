"""DescribeJobs' answers are read leanly, and nothing that is used of them gets lost."""

from __future__ import annotations

import gc
import json
from typing import Any

import botocore.session
import pytest
from botocore.parsers import create_parser

from covalent_awsbatch_plugin.aws.model.describe_parser import read_leanly
from covalent_awsbatch_plugin.aws.model.description import JobDescription, parse_job
from tests.fake_aws.jobs import Definition, Job, JobEnd

PROPERTIES = {
    "image": "python:3.11",
    "command": ["sh", "-c", "true" * 500],
    "environment": [{"name": "status", "value": "jobId"}],
    "resourceRequirements": [{"type": "MEMORY", "value": "512"}],
    "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "g"}},
}


def described() -> list[dict[str, Any]]:
    """Return a waiting, a running, a failed and a stuck job, as Batch describes them."""
    request = {"jobDefinitionName": "d", "type": "container", "containerProperties": PROPERTIES}
    definition = Definition("arn:d", "d", 1, request, 0.0)
    jobs = [Job("arn:j", {"jobName": "n", "tags": {"k": "v"}}, definition, "q") for _ in range(4)]
    for job in jobs[1:3]:
        job.start()
    jobs[2].finish_attempt(JobEnd(137, "OutOfMemoryError: Container killed due to memory usage"))
    jobs[2].settle("FAILED")
    described = [job.describe() for job in jobs]
    described[3]["statusReason"] = "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT"
    return described


class Events:
    """What a client's events are registered with."""

    meta: Any

    def __init__(self) -> None:
        self.meta = self
        self.events = self

    def register(self, name: str, handler: Any) -> None:
        assert name == "before-parse.batch.DescribeJobs"
        self.handler = handler


def read(body: bytes, status: int = 200) -> tuple[dict[str, Any], bytes]:
    """Return what is handed on beside the body, and the body that is left to botocore."""
    client, response, handed = Events(), {"body": body, "status_code": status}, {}
    read_leanly(client)
    client.handler(response_dict=response, customized_response_dict=handed, operation_model=None)
    return handed, response["body"]


def test_the_same_is_read_as_from_botocores_answer() -> None:
    body = json.dumps({"jobs": described()}).encode()
    session = botocore.session.get_session()
    shape = session.get_service_model("batch").operation_model("DescribeJobs").output_shape
    whole = create_parser("rest-json").parse(
        {"body": body, "status_code": 200, "headers": {}}, shape
    )
    lean, left = read(body)
    read_whole = [parse_job(job) for job in whole["jobs"]]
    read_lean = [parse_job(job) for job in lean["jobs"]]
    assert [job.finished for job in read_whole] == [False, False, True, False]
    assert [job.never_fits for job in read_whole] == [False, False, False, True]
    assert read_lean[2:] == read_whole[2:]
    # Of those that go on, only how they are.
    for less, more in zip(read_lean[:2], read_whole[:2], strict=True):
        assert less == JobDescription(more.job_id, more.status, more.status_reason)
    assert left == b"{}"
    assert len(json.dumps(lean)) < len(body) / 4


def test_the_collector_need_not_follow_a_job_that_goes_on() -> None:
    waiting = described()[0]
    lean, _ = read(json.dumps({"jobs": [waiting] * 100}).encode())
    assert len(lean["jobs"]) == 100
    assert not any(map(gc.is_tracked, lean["jobs"]))


@pytest.mark.parametrize("status", [["FAILED"], {}, 1, None])
def test_a_job_of_an_unknown_shape_is_handed_on(status: object) -> None:
    lean, _ = read(json.dumps({"jobs": [{"jobId": "j", "status": status}]}).encode())
    assert lean == {"jobs": [{"jobId": "j", "status": status}]}


@pytest.mark.parametrize(
    ("body", "status"), [(b'{"message": "no"}', 400), (b"<html>", 200), (b"[]", 200), (b"", 200)]
)
def test_everything_else_is_botocores(body: bytes, status: int) -> None:
    assert read(body, status) == ({}, body)


def test_an_attempt_without_an_end_has_not_ended() -> None:
    attempts = [{"startedAt": 1, "stoppedAt": 2, "container": {}}, {"startedAt": 3}]
    job = {"jobId": "j", "jobName": "n", "status": "RUNNING", "attempts": attempts}
    handed, _ = read(json.dumps({"jobs": [job]}).encode())
    assert len(handed["jobs"][0]["attempts"]) == 1
    job["attempts"] = attempts[1:]
    handed, _ = read(json.dumps({"jobs": [job]}).encode())
    assert "attempts" not in handed["jobs"][0]
