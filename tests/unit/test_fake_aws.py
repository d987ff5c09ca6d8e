"""The fake is as strict as AWS: otherwise tests over it prove little."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from covalent_awsbatch_plugin.protocol import env_names, envelope, messages, s3_keys
from tests.fake_aws import ApiError, FakeAws, JobEnd, scripts
from tests.fake_aws.aws import BUCKET, LOG_GROUP, QUEUE
from tests.fake_aws.scripts import transportable

OWNER = "123456789012"


@pytest.fixture
def aws() -> Iterator[FakeAws]:
    with FakeAws(script=lambda job, aws: JobEnd()) as fake:
        yield fake


@functools.cache
def session(key: str = "AKIAFAKEFAKEFAKEFAKE") -> boto3.Session:
    return boto3.Session(key, "secret", region_name="us-east-1")


def client(aws: FakeAws, service: str) -> Any:
    config = Config(retries={"total_max_attempts": 1})
    return session().client(service, endpoint_url=aws.endpoint_url, config=config)


def code(raised: pytest.ExceptionInfo[ClientError]) -> str:
    return str(raised.value.response["Error"]["Code"])


def register(batch: Any, **changes: Any) -> str:
    properties = {
        "image": "python:3.11",
        "command": ["true"],
        "resourceRequirements": [
            {"type": "VCPU", "value": "1"},
            {"type": "MEMORY", "value": "512"},
        ],
        "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": LOG_GROUP}},
    }
    request = {"jobDefinitionName": "d", "type": "container", "containerProperties": properties}
    return str(batch.register_job_definition(**{**request, **changes})["jobDefinitionArn"])


def submit(batch: Any, definition: str = "d", **more: Any) -> str:
    request = {"jobName": "j", "jobQueue": QUEUE, "jobDefinition": definition}
    return str(batch.submit_job(**{**request, **more})["jobId"])


def ended(batch: Any, job_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        [job] = batch.describe_jobs(jobs=[job_id])["jobs"]
        if job["status"] in ("SUCCEEDED", "FAILED"):
            return dict(job)
        time.sleep(0.005)
    raise AssertionError(f"{job_id} has not ended")


def test_a_job_lives_and_is_described_as_batch_describes_it(aws: FakeAws) -> None:
    batch = client(aws, "batch")
    register(batch, retryStrategy={"attempts": 2})
    job_id = submit(batch, tags={"a": "b"}, timeout={"attemptDurationSeconds": 60})
    job = ended(batch, job_id)
    assert job["status"] == "SUCCEEDED"
    assert job["container"]["exitCode"] == 0
    assert job["container"]["image"] == "python:3.11"
    assert job["createdAt"] <= job["startedAt"] <= job["stoppedAt"]
    assert job["tags"]["a"] == "b"
    assert len(job["attempts"]) == 1
    assert aws.calls["batch:SubmitJob"] == 1


def test_unknown_ids_are_left_out_and_more_than_100_are_refused(aws: FakeAws) -> None:
    batch = client(aws, "batch")
    assert batch.describe_jobs(jobs=["unknown"])["jobs"] == []
    with pytest.raises(ClientError) as raised:
        batch.describe_jobs(jobs=["x"] * 101)
    assert code(raised) == "ClientException"


@pytest.mark.parametrize(
    "wrong",
    [
        {"jobName": "-starts-badly"},
        {"jobName": "x" * 129},
        {"jobQueue": "no-such-queue"},
        {"jobDefinition": "no-such-definition"},
        {"tags": {"k": "v" * 257}},
        {"tags": {str(n): "" for n in range(51)}},
        {"timeout": {"attemptDurationSeconds": 59}},
        {"retryStrategy": {"attempts": 11}},
        {"containerOverrides": {"environment": [{"name": "AWS_BATCH_X", "value": "1"}]}},
        {"containerOverrides": {"environment": [{"name": "X", "value": "1" * 8192}]}},
        {"containerOverrides": {"resourceRequirements": [{"type": "VCPU", "value": "0.5"}]}},
        {"parameters": {"p": "v" * 31 * 1024}},
        {
            "retryStrategy": {
                "attempts": 2,
                "evaluateOnExit": [{"onReason": "what?", "action": "EXIT"}],
            }
        },
    ],
    ids="-".join,
)
def test_a_submission_that_batch_would_refuse(aws: FakeAws, wrong: dict[str, Any]) -> None:
    batch = client(aws, "batch")
    register(batch)
    request = {"jobName": "j", "jobQueue": QUEUE, "jobDefinition": "d", **wrong}
    with pytest.raises(ClientError) as raised:
        batch.submit_job(**request)
    assert code(raised) == "ClientException"
    assert not aws.batch.jobs


def test_submissions_beyond_the_rate_are_refused(aws: FakeAws) -> None:
    batch = client(aws, "batch")
    register(batch)
    aws.buckets["batch:SubmitJob"].rate = 5
    refused = []
    for _ in range(60):
        try:
            submit(batch)
        except ClientError as error:
            refused.append(error.response["Error"]["Code"])
    assert refused
    assert set(refused) == {"TooManyRequestsException"}
    assert aws.refused["batch:SubmitJob"] == len(refused)


def test_a_definition_is_visible_late() -> None:
    with FakeAws(definition_delay=0.3) as aws:
        batch = client(aws, "batch")
        registered = time.monotonic()
        arn = register(batch)
        assert batch.describe_job_definitions(jobDefinitionName="d")["jobDefinitions"] == []
        with pytest.raises(ClientError, match="not found"):
            submit(batch, arn)
        while not batch.describe_job_definitions(jobDefinitionName="d")["jobDefinitions"]:
            assert time.monotonic() < registered + 10
        assert time.monotonic() > registered + 0.3
        assert submit(batch, arn)


def test_attempts_follow_the_retry_strategy(aws: FakeAws) -> None:
    batch = client(aws, "batch")
    ends = iter([JobEnd(None, status_reason="Host EC2 (instance i-1) terminated."), JobEnd(3)])
    aws.script = lambda job, aws: next(ends)
    rules = [
        {"onStatusReason": "Host EC2*", "action": "RETRY"},
        {"onReason": "*", "action": "EXIT"},
    ]
    register(batch, retryStrategy={"attempts": 5, "evaluateOnExit": rules})
    job = ended(batch, submit(batch))
    assert job["status"] == "FAILED"
    assert [attempt["container"].get("exitCode") for attempt in job["attempts"]] == [None, 3]
    streams = {attempt["container"]["logStreamName"] for attempt in job["attempts"]}
    assert len(streams) == 2


def test_a_script_that_fails_fails_its_job(aws: FakeAws) -> None:
    batch = client(aws, "batch")
    aws.script = lambda job, aws: JobEnd(1 // 0)
    register(batch)
    job = ended(batch, submit(batch))
    assert (job["status"], "ZeroDivisionError" in job["statusReason"]) == ("FAILED", True)


@pytest.mark.parametrize("queue_seconds", [0.0, math.inf])
def test_a_terminated_job_is_failed_with_the_callers_reason(queue_seconds: float) -> None:
    with FakeAws(job_seconds=math.inf, queue_seconds=queue_seconds) as aws:
        batch = client(aws, "batch")
        register(batch)
        job_id = submit(batch)
        batch.terminate_job(jobId=job_id, reason="because")
        job = ended(batch, job_id)
        assert (job["status"], job["statusReason"]) == ("FAILED", "because")
        with pytest.raises(ClientError):
            batch.terminate_job(jobId=job_id, reason="x" * 256)


def test_jobs_are_listed_by_name_in_pages(aws: FakeAws) -> None:
    aws.buckets.clear()
    batch = client(aws, "batch")
    register(batch)
    for number in range(5):
        submit(batch, jobName=f"mine-{number}")
    submit(batch, jobName="other")
    pages = batch.get_paginator("list_jobs").paginate(
        jobQueue=QUEUE,
        filters=[{"name": "JOB_NAME", "values": ["mine-*"]}],
        PaginationConfig={"PageSize": 2},
    )
    names = [job["jobName"] for page in pages for job in page["jobSummaryList"]]
    assert sorted(names) == [f"mine-{number}" for number in range(5)]


def test_objects(aws: FakeAws) -> None:
    s3 = client(aws, "s3")
    s3.put_object(Bucket=BUCKET, Key="a/ü b", Body=b"0123456789", Metadata={"k": "v"})
    found = s3.get_object(Bucket=BUCKET, Key="a/ü b", Range="bytes=2-4")
    assert (found["Body"].read(), found["Metadata"]) == (b"234", {"k": "v"})
    assert s3.head_object(Bucket=BUCKET, Key="a/ü b")["ContentLength"] == 10
    with pytest.raises(ClientError) as raised:
        s3.put_object(Bucket=BUCKET, Key="a/ü b", Body=b"", IfNoneMatch="*")
    assert code(raised) == "PreconditionFailed"
    with pytest.raises(ClientError) as raised:
        s3.get_object(Bucket=BUCKET, Key="none")
    assert code(raised) == "NoSuchKey"
    with pytest.raises(ClientError) as raised:
        s3.get_object(Bucket=BUCKET, Key="a/ü b", ExpectedBucketOwner="999999999999")
    assert code(raised) == "AccessDenied"
    assert s3.get_object(Bucket=BUCKET, Key="a/ü b", ExpectedBucketOwner=OWNER)


def test_objects_are_listed_and_deleted_in_batches(aws: FakeAws) -> None:
    s3 = client(aws, "s3")
    for number in range(5):
        s3.put_object(Bucket=BUCKET, Key=f"p/{number}", Body=b"x")
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=BUCKET, Prefix="p/", PaginationConfig={"PageSize": 2}
    )
    keys = [item["Key"] for page in pages for item in page["Contents"]]
    assert keys == [f"p/{number}" for number in range(5)]
    s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": key} for key in keys]})
    assert s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0


def test_a_large_object_goes_up_and_down_in_parts(aws: FakeAws, tmp_path: Any) -> None:
    s3 = client(aws, "s3")
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes(bytes(range(256)) * 80_000)
    s3.upload_file(str(there), BUCKET, "large")
    s3.download_file(BUCKET, "large", str(back))
    assert back.read_bytes() == there.read_bytes()
    assert aws.calls["s3:UploadPart"] == 3
    assert not aws.s3.buckets[BUCKET].uploads


def test_a_bucket_elsewhere_says_where(aws: FakeAws) -> None:
    aws.s3.add_bucket("elsewhere", OWNER, "eu-west-1")
    with pytest.raises(ClientError) as raised:
        client(aws, "s3").get_object(Bucket="missing", Key="k")
    assert code(raised) == "NoSuchBucket"
    found = client(aws, "s3").list_objects_v2(Bucket="elsewhere")
    assert found["KeyCount"] == 0
    assert aws.calls["s3:ListObjectsV2"] == 2


def test_events_end_with_a_token_that_repeats(aws: FakeAws) -> None:
    logs = client(aws, "logs")
    aws.logs.write(LOG_GROUP, "s", [f"line {n}" for n in range(5)])
    asked = {"logGroupName": LOG_GROUP, "logStreamName": "s", "limit": 3}
    first = logs.get_log_events(**asked, startFromHead=True)
    second = logs.get_log_events(**asked, nextToken=first["nextForwardToken"])
    last = logs.get_log_events(**asked, nextToken=second["nextForwardToken"])
    assert [len(page["events"]) for page in (first, second, last)] == [3, 2, 0]
    assert last["nextForwardToken"] == second["nextForwardToken"]
    tail = logs.get_log_events(**asked)
    assert tail["events"] == []
    tail = logs.get_log_events(**asked, nextToken=tail["nextBackwardToken"])
    assert [event["message"] for event in tail["events"]] == ["line 2", "line 3", "line 4"]
    with pytest.raises(ClientError) as raised:
        logs.get_log_events(logGroupName=LOG_GROUP, logStreamName="none")
    assert code(raised) == "ResourceNotFoundException"


def test_identity_and_strangers(aws: FakeAws) -> None:
    assert client(aws, "sts").get_caller_identity()["Account"] == OWNER
    with pytest.raises(ClientError) as raised:
        session("AKIASTRANGER").client("sts", endpoint_url=aws.endpoint_url).get_caller_identity()
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_a_call_fails_as_often_as_it_is_told(aws: FakeAws) -> None:
    sts = client(aws, "sts")
    aws.fail("sts:GetCallerIdentity", ApiError("ExpiredToken", "expired", 403))
    with pytest.raises(ClientError) as raised:
        sts.get_caller_identity()
    assert code(raised) == "ExpiredToken"
    assert sts.get_caller_identity()["Account"] == OWNER


@pytest.mark.parametrize("script", ["played", "run_here"])
def test_scripts_answer_the_workers_protocol(script: str) -> None:
    with FakeAws(script=getattr(scripts, script)) as aws:
        batch = client(aws, "batch")
        register(batch)
        prefix = s3_keys.node_prefix("dispatch", 0)
        call = messages.Call(transportable(max), (transportable(1), transportable(2)))
        task = messages.Task("max", "3.11.0", call, prefix)
        aws.s3.put(BUCKET, "task", envelope.encode_task(task))
        variables = {env_names.ENV_BUCKET: BUCKET, env_names.ENV_TASK: "task"}
        overrides = {
            "environment": [{"name": k, "value": v} for k, v in variables.items()],
        }
        job = ended(batch, submit(batch, containerOverrides=overrides))
        assert job["status"] == "SUCCEEDED"
        stored = aws.s3.get(BUCKET, s3_keys.outcome_key(prefix, job["jobId"], 1))
        outcome = envelope.decode_outcome(stored)
        assert outcome.result is not None
        assert outcome.result.string == {"played": "None", "run_here": "2"}[script]
