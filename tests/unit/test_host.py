"""The instance that ran a job, as far as ECS and EC2 still know it."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest
from botocore.stub import Stubber

from covalent_awsbatch_plugin.aws.model.access import Access
from covalent_awsbatch_plugin.cli.shared.account import Account
from covalent_awsbatch_plugin.cli.shared.host import describe_host
from covalent_awsbatch_plugin.cli.shared.job_facts import JobFacts
from covalent_awsbatch_plugin.cli.shared.optional import Notes

ARN = "arn:aws:ecs:us-east-1:123456789012:container-instance/AWSBatch-c/0123456789abcdef"
JOB = JobFacts("j", "SUCCEEDED", host=ARN)
INSTANCE = {
    "ec2InstanceId": "i-0abc",
    "attributes": [
        {"name": "ecs.instance-type", "value": "m5.large"},
        {"name": "ecs.availability-zone", "value": "us-east-1a"},
    ],
}


class Session:
    """Makes clients with the responses that a test wants, in order, by service."""

    def __init__(self, **responses: Any) -> None:
        self.responses = responses

    def client(self, service: str, **_: Any) -> Any:
        core = botocore.session.Session()
        client = core.create_client(
            service, "us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
        )
        stubber = Stubber(client)
        operation, response = self.responses[service]
        if isinstance(response, str):
            stubber.add_client_error(operation, response)
        else:
            stubber.add_response(operation, response)
        stubber.activate()
        return client


def host_of(endpoint: str = "", **responses: Any) -> tuple[Any, list[str]]:
    notes = Notes()
    account = Account(Access("", "", "us-east-1", endpoint), Session(**responses))
    return describe_host(account, JOB, notes), notes.lines


ECS = ("describe_container_instances", {"containerInstances": [INSTANCE]})


@pytest.mark.parametrize(
    ("described", "text"),
    [
        ({"InstanceLifecycle": "spot"}, "i-0abc (m5.large, us-east-1a, spot)"),
        ({}, "i-0abc (m5.large, us-east-1a, on-demand)"),
    ],
)
def test_a_host_has_type_zone_and_price_model(described: dict[str, str], text: str) -> None:
    ec2 = ("describe_instances", {"Reservations": [{"Instances": [described]}]})
    host, notes = host_of(ecs=ECS, ec2=ec2)
    assert (host.text, notes) == (text, [])


def test_a_price_model_that_may_not_be_seen_is_noted() -> None:
    host, notes = host_of(ecs=ECS, ec2=("describe_instances", "UnauthorizedOperation"))
    assert host.text == "i-0abc (m5.large, us-east-1a)"
    assert notes[0].startswith("Not shown: the instance's price model. ")


def test_a_host_that_aws_has_forgotten_is_none() -> None:
    gone = ("describe_container_instances", {"containerInstances": [], "failures": []})
    assert host_of(ecs=gone) == (None, [])


def test_an_emulator_is_not_asked() -> None:
    assert host_of("http://127.0.0.1:1") == (None, [])
