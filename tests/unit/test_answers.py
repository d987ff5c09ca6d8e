"""DescribeJobs' answers are read leanly, and nothing that is used of them gets lost."""

from __future__ import annotations

import json
from typing import Any

import botocore.session
import pytest
from botocore.parsers import create_parser

from covalent_awsbatch_plugin.aws.answers import read_leanly
from covalent_awsbatch_plugin.aws.jobs import parse_job
from tests.fake_aws.jobs import Definition, Job, JobEnd

PROPERTIES = {
    "image": "python:3.11",
    "command": ["sh", "-c", "true" * 500],
    "environment": [{"name": "status", "value": "jobId"}],
    "resourceRequirements": [{"type": "MEMORY", "value": "512"}],
    "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "g"}},
}


def described() -> list[dict[str, Any]]:
    """Return a waiting, a running and a failed job, as Batch describes them."""
    request = {"jobDefinitionName": "d", "type": "container", "containerProperties": PROPERTIES}
    definition = Definition("arn:d", "d", 1, request, 0.0)
    jobs = [Job("arn:j", {"jobName": "n", "tags": {"k": "v"}}, definition, "q") for _ in range(3)]
    for job in jobs[1:]:
        job.start()
    jobs[2].finish_attempt(JobEnd(137, "OutOfMemoryError: Container killed due to memory usage"))
    jobs[2].settle("FAILED")
    return [job.describe() for job in jobs]


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
    assert [parse_job(job) for job in lean["jobs"]] == [parse_job(job) for job in whole["jobs"]]
    assert left == b"{}"
    assert len(json.dumps(lean)) < len(body) / 4


@pytest.mark.parametrize(
    ("body", "status"), [(b'{"message": "no"}', 400), (b"<html>", 200), (b"[]", 200), (b"", 200)]
)
def test_everything_else_is_botocores(body: bytes, status: int) -> None:
    assert read(body, status) == ({}, body)
