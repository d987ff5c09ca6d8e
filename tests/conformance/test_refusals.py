"""What AWS Batch refuses, emulator and fake refuse: requests that no SDK has checked before.

By botocore's model of Batch, and by what Batch documents besides it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from covalent_awsbatch_plugin.local import LocalAws
from tests.fake_aws import FakeAws
from tests.fake_aws.aws import ACCESS_KEY, SECRET_KEY

CONTAINER = {
    "image": "i",
    "command": ["true"],
    "resourceRequirements": [
        {"type": "VCPU", "value": "1"},
        {"type": "MEMORY", "value": "64"},
    ],
}
LIMIT = {
    "reason": "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT",
    "state": "RUNNABLE",
    "maxTimeSeconds": 600,
    "action": "CANCEL",
}
VOLUME = {"sourceVolume": "v", "containerPath": "/x"}
SECRET = {"name": "a", "valueFrom": "b"}
VCPU, MEMORY = CONTAINER["resourceRequirements"]

# What is wrong in the container properties of RegisterJobDefinition, and which fake checks.
PROPERTIES: Mapping[str, dict[str, Any]] = {
    "no image": {"image": None},
    "an image's name of 256 characters": {"image": "i" * 256},
    "a space in an image's name": {"image": "a b"},
    "a type that is not there": {"resourceRequirements": [VCPU, {"type": "CPU", "value": "1"}]},
    "a value that is a number": {"resourceRequirements": [MEMORY, {"type": "VCPU", "value": 1}]},
    "half a vCPU": {"resourceRequirements": [MEMORY, {"type": "VCPU", "value": "0.5"}]},
    "no memory": {"resourceRequirements": [VCPU]},
    "3 MiB": {"resourceRequirements": [VCPU, {"type": "MEMORY", "value": "3"}]},
    "no GPU": {"resourceRequirements": [VCPU, MEMORY, {"type": "GPU", "value": "0"}]},
    "a role's name": {"jobRoleArn": "role"},
    "network configuration": {"networkConfiguration": {"assignPublicIp": "ENABLED"}},
    "Fargate": {"fargatePlatformConfiguration": {"platformVersion": "LATEST"}},
    "an instance type": {"instanceType": "m5.large"},
    "half a ulimit": {"ulimits": [{"name": "nofile"}]},
    "an unknown log driver": {"logConfiguration": {"logDriver": "x"}},
    "no log driver": {"logConfiguration": {"options": {}}},
    "privileged by text": {"privileged": "yes"},
    "a variable of Batch's": {"environment": [{"name": "AWS_BATCH_X", "value": "b"}]},
}
DEFINITIONS: Mapping[str, dict[str, Any]] = {
    "an unknown type": {"type": "x"},
    "no type": {"type": None},
    "no container": {"containerProperties": None},
    "a name with a space": {"jobDefinitionName": "a b"},
    "a priority of 10,000": {"schedulingPriority": 10_000},
    "a negative priority": {"schedulingPriority": -1},
    "eleven attempts": {"retryStrategy": {"attempts": 11}},
    "attempts as text": {"retryStrategy": {"attempts": "3"}},
    "six rules": {"retryStrategy": {"evaluateOnExit": [{"action": "EXIT"}] * 6}},
    "an unknown action": {"retryStrategy": {"evaluateOnExit": [{"action": "STOP"}]}},
    "59 seconds": {"timeout": {"attemptDurationSeconds": 59}},
    "51 tags": {"tags": {str(number): "" for number in range(51)}},
    "a tag of AWS's": {"tags": {"aws:a": "b"}},
    "25 KiB": {"parameters": {"a": "x" * 25 * 1024}},
}
SUBMISSIONS: Mapping[str, dict[str, Any]] = {
    "no name": {"jobName": None},
    "a name with a dot": {"jobName": "a.b"},
    "no queue": {"jobQueue": None},
    "an unknown queue": {"jobQueue": "nowhere"},
    "no definition": {"jobDefinition": None},
    "an unknown definition": {"jobDefinition": "nothing:1"},
    "no attempt": {"retryStrategy": {"attempts": 0}},
    "a priority of 10,000": {"schedulingPriorityOverride": 10_000},
    "a share": {"shareIdentifier": "a"},
    "a timeout as text": {"timeout": {"attemptDurationSeconds": "100"}},
    "overrides of 9 KiB": {"containerOverrides": {"command": ["x" * 9000]}},
    "parameters that are numbers": {"parameters": {"a": 1}},
    "propagation by text": {"propagateTags": "yes"},
}
REQUESTS: Mapping[str, tuple[str, dict[str, Any]]] = {
    **{
        f"a definition with {what}": ("register_job_definition", {"containerProperties": wrong})
        for what, wrong in PROPERTIES.items()
    },
    **{
        f"a definition with {what}": ("register_job_definition", wrong)
        for what, wrong in DEFINITIONS.items()
    },
    **{f"a job with {what}": ("submit_job", wrong) for what, wrong in SUBMISSIONS.items()},
    "101 jobs": ("describe_jobs", {"jobs": ["x"] * 101}),
    "no jobs": ("describe_jobs", {}),
    "no queue to list": ("list_jobs", {}),
    "an unknown queue to list": ("list_jobs", {"jobQueue": "nowhere"}),
    "an unknown status": ("list_jobs", {"jobQueue": "QUEUE", "jobStatus": "GONE"}),
    "pages of 101": ("list_jobs", {"jobQueue": "QUEUE", "maxResults": 101}),
    "pages of none": ("list_jobs", {"jobQueue": "QUEUE", "maxResults": 0}),
    "a job to end without a reason": ("terminate_job", {"jobId": "x"}),
    "a reason of 256 characters": ("terminate_job", {"jobId": "x", "reason": "r" * 256}),
    "a reason without a job": ("cancel_job", {"reason": "x"}),
    "pages of 101 definitions": ("describe_job_definitions", {"maxResults": 101}),
}

# Queues and compute environments, which the fake does not have.
RESOURCES: Mapping[str, tuple[str, dict[str, Any]]] = {
    "a volume that is not there": (
        "register_job_definition",
        {"containerProperties": {"mountPoints": [VOLUME]}},
    ),
    "secrets without a role": (
        "register_job_definition",
        {"containerProperties": {"secrets": [SECRET]}},
    ),
    "a swappiness of 101": (
        "register_job_definition",
        {"containerProperties": {"linuxParameters": {"swappiness": 101, "maxSwap": 1}}},
    ),
    "two numbers of vCPUs": (
        "register_job_definition",
        {"containerProperties": {"resourceRequirements": [VCPU, VCPU, MEMORY]}},
    ),
    "21 dependencies": ("submit_job", {"dependsOn": [{"jobId": "x"}] * 21}),
    "a token of another": ("list_jobs", {"jobQueue": "QUEUE", "nextToken": "x"}),
    "a queue's name with a space": ("create_job_queue", {"jobQueueName": "a b"}),
    "a negative queue priority": ("create_job_queue", {"priority": -1}),
    "a queue priority as text": ("create_job_queue", {"priority": "1"}),
    "no environment": ("create_job_queue", {"computeEnvironmentOrder": []}),
    "an environment twice": ("create_job_queue", {"computeEnvironmentOrder": ["ENV", "ENV"]}),
    "an unknown queue state": ("create_job_queue", {"state": "ON"}),
    "a limit of 599 seconds": (
        "create_job_queue",
        {"jobStateTimeLimitActions": [{**LIMIT, "maxTimeSeconds": 599}]},
    ),
    "a limit that terminates": (
        "create_job_queue",
        {"jobStateTimeLimitActions": [{**LIMIT, "action": "TERMINATE"}]},
    ),
    "an environment's name with a space": (
        "create_compute_environment",
        {"computeEnvironmentName": "a b"},
    ),
    "an unknown environment type": ("create_compute_environment", {"type": "X"}),
    "an environment without resources": ("create_compute_environment", {"computeResources": None}),
    "an environment that is there": (
        "create_compute_environment",
        {"computeEnvironmentName": "covalent-batch-on-demand"},
    ),
    "a maximum below the minimum": (
        "create_compute_environment",
        {"computeResources": {"minvCpus": 9, "maxvCpus": 1}},
    ),
    "an environment without subnets": (
        "create_compute_environment",
        {"computeResources": {"subnets": None}},
    ),
    "a queue that is enabled": ("delete_job_queue", {"jobQueue": "QUEUE"}),
    "an environment that is enabled": (
        "delete_compute_environment",
        {"computeEnvironment": "ENVIRONMENT"},
    ),
}


@dataclass
class Sender:
    """Sends requests as they are, their errors corrected where they are not the point."""

    batch: Any
    queue: str
    environment: dict[str, Any]

    def __post_init__(self) -> None:
        self.definition = self.batch.register_job_definition(
            jobDefinitionName="right", type="container", containerProperties=CONTAINER
        )["jobDefinitionArn"]

    def right(self, operation: str) -> dict[str, Any]:
        """Return parameters with which an operation succeeds."""
        order = [self.order()] if self.environment else []
        return {
            "register_job_definition": {
                "jobDefinitionName": "d",
                "type": "container",
                "containerProperties": CONTAINER,
            },
            "submit_job": {
                "jobName": "j",
                "jobQueue": self.queue,
                "jobDefinition": self.definition,
            },
            "create_job_queue": {
                "jobQueueName": "another",
                "state": "ENABLED",
                "priority": 1,
                "computeEnvironmentOrder": order,
            },
            "create_compute_environment": {
                "computeEnvironmentName": "another",
                "type": "MANAGED",
                "state": "ENABLED",
                "computeResources": self.environment.get("computeResources"),
                "serviceRole": self.environment.get("serviceRole"),
            },
        }.get(operation, {})

    def order(self) -> dict[str, Any]:
        return {"order": 1, "computeEnvironment": self.environment["computeEnvironmentArn"]}

    def send(self, operation: str, wrong: Mapping[str, Any]) -> Any:
        return getattr(self.batch, operation)(**self._merged(self.right(operation), wrong))

    def _merged(self, right: dict[str, Any], wrong: Mapping[str, Any]) -> dict[str, Any]:
        merged = dict(right)
        for name, value in wrong.items():
            nested = isinstance(value, dict) and isinstance(merged.get(name), dict)
            merged[name] = self._merged(merged[name], value) if nested else self._named(value)
        return {name: value for name, value in merged.items() if value is not None}

    def _named(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._named(each) for each in value]
        names = {"QUEUE": self.queue}
        if self.environment:
            names["ENVIRONMENT"] = self.environment["computeEnvironmentArn"]
        if value == "ENV":
            return self.order()
        return names.get(value, value) if isinstance(value, str) else value


def client(endpoint: str, key: str, secret: str) -> Any:
    session = boto3.Session(key, secret, region_name="us-east-1")
    config = Config(parameter_validation=False, retries={"max_attempts": 0}, proxies={})
    return session.client("batch", endpoint_url=endpoint, config=config)


@pytest.fixture(scope="module")
def emulator(local: LocalAws) -> Sender:
    batch = client(local.endpoint_url, "a", "b")
    environment = batch.describe_compute_environments()["computeEnvironments"][0]
    environment["computeResources"].pop("desiredvCpus", None)
    return Sender(batch, local.executor_options()["batch_queue"], environment)


@pytest.fixture(scope="module")
def fake() -> Iterator[Sender]:
    with FakeAws() as aws:
        queue = aws.executor_options()["batch_queue"]
        yield Sender(client(aws.endpoint_url, ACCESS_KEY, SECRET_KEY), queue, {})


def assert_refused(sender: Sender, operation: str, wrong: Mapping[str, Any]) -> None:
    with pytest.raises(ClientError) as caught:
        sender.send(operation, wrong)
    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert response["Error"]["Code"] == "ClientException"


@pytest.mark.parametrize("what", REQUESTS)
def test_the_fake_refuses(fake: Sender, what: str) -> None:
    assert_refused(fake, *REQUESTS[what])


@pytest.mark.emulator
@pytest.mark.parametrize("what", {**REQUESTS, **RESOURCES})
def test_the_emulator_refuses(emulator: Sender, what: str) -> None:
    assert_refused(emulator, *{**REQUESTS, **RESOURCES}[what])


@pytest.mark.emulator
def test_what_a_newer_sdk_sends_besides_is_ignored(emulator: Sender) -> None:
    assert emulator.send("register_job_definition", {})["revision"]
    session = boto3.Session("a", "b", region_name="us-east-1")
    batch = session.client("batch", endpoint_url=emulator.batch.meta.endpoint_url)

    def add(params: dict[str, Any], **_: Any) -> None:
        # AWS takes null for left out.
        params["body"] = params["body"][:-1] + b', "ofTheFuture": 1, "tags": null}'

    batch.meta.events.register("before-call.batch.SubmitJob", add)
    given = emulator.right("submit_job")
    assert batch.submit_job(**given)["jobId"]


def test_right_requests_are_taken(fake: Sender) -> None:
    assert fake.send("register_job_definition", {})["revision"]
    assert fake.send("submit_job", {})["jobId"]


# What is wrong with a request to S3, and S3's code.
WRONG_DIGEST = "A" * 43 + "="
STORING: Mapping[str, tuple[dict[str, Any], str]] = {
    "a key of 1,025 bytes": ({"Key": "\u00fc" * 512 + "k"}, "KeyTooLongError"),
    "a condition that is not an asterisk": ({"IfNoneMatch": '"etag"'}, "NotImplemented"),
    "another SHA-256": ({"ChecksumSHA256": WRONG_DIGEST}, "BadDigest"),
    "another MD5": ({"ContentMD5": "A" * 22 + "=="}, "BadDigest"),
    "a bucket of another account": ({"ExpectedBucketOwner": "9" * 12}, "AccessDenied"),
    "an object that is there": ({"Key": "there", "IfNoneMatch": "*"}, "PreconditionFailed"),
}


@pytest.mark.emulator
@pytest.mark.parametrize("what", STORING)
def test_s3_refuses(local: LocalAws, what: str) -> None:
    s3, bucket = local.client("s3"), local.executor_options()["s3_bucket_name"]
    s3.put_object(Bucket=bucket, Key="there", Body=b"1")
    wrong, code = STORING[what]
    with pytest.raises(ClientError) as caught:
        s3.put_object(**{"Bucket": bucket, "Key": "k", "Body": b"content", **wrong})
    assert caught.value.response["Error"]["Code"] == code


@pytest.mark.emulator
def test_s3_deletes_a_thousand_objects_at_once(local: LocalAws) -> None:
    s3, bucket = local.client("s3"), local.executor_options()["s3_bucket_name"]

    def delete(count: int) -> Any:
        keys = [{"Key": str(number)} for number in range(count)]
        return s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})

    assert "Errors" not in delete(1000)
    with pytest.raises(ClientError, match="MalformedXML"):
        delete(1001)


@pytest.mark.emulator
def test_a_queue_is_deleted_when_it_is_disabled_and_an_environment_when_no_queue_has_it(
    emulator: Sender,
) -> None:
    batch = emulator.batch
    environment = emulator.send("create_compute_environment", {"computeEnvironmentName": "mine"})
    arn = environment["computeEnvironmentArn"]
    order = [{"order": 1, "computeEnvironment": arn}]
    emulator.send("create_job_queue", {"jobQueueName": "mine", "computeEnvironmentOrder": order})
    batch.update_compute_environment(computeEnvironment=arn, state="DISABLED")
    with pytest.raises(ClientError, match="existing JobQueue relationship"):
        batch.delete_compute_environment(computeEnvironment=arn)
    batch.update_job_queue(jobQueue="mine", state="DISABLED")
    batch.delete_job_queue(jobQueue="mine")
    batch.delete_compute_environment(computeEnvironment=arn)
