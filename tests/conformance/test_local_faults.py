"""Faults as clients of the local AWS see them; botocore's own retries are off."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError

from covalent_awsbatch_plugin.local import ApiFault, FaultPlan, JobFault, LocalAws
from covalent_awsbatch_plugin.protocol import tag_names

from .conftest import Jobs, wait_until

pytestmark = pytest.mark.emulator

LOST = (ConnectionClosedError, EndpointConnectionError)


@pytest.fixture(autouse=True)
def nothing_wrong_afterwards(local: LocalAws) -> Iterator[None]:
    yield
    local.faults = FaultPlan()


class Caller:
    """A user's clients, which every fault concerns."""

    def __init__(self, aws: LocalAws) -> None:
        session = boto3.Session("local", "local", region_name=aws.region)
        once = Config(retries={"total_max_attempts": 1, "mode": "standard"})
        self.clients = {
            name: session.client(name, endpoint_url=aws.endpoint_url, config=once)
            for name in ("batch", "s3", "logs", "sts")
        }
        self.bucket = aws.executor_options()["s3_bucket_name"]

    def call(self, operation: str) -> Any:
        service, _, name = operation.partition(":")
        arguments: dict[str, dict[str, Any]] = {
            "describe_jobs": {"jobs": ["x"]},
            "head_object": {"Bucket": self.bucket, "Key": "missing"},
            "put_object": {"Bucket": self.bucket, "Key": "made", "Body": b"content"},
            "list_objects_v2": {"Bucket": self.bucket},
            "get_log_events": {"logGroupName": "x", "logStreamName": "y"},
        }
        return getattr(self.clients[service], name)(**arguments.get(name, {}))


@pytest.fixture(scope="module")
def caller(local: LocalAws) -> Caller:
    return Caller(local)


@pytest.mark.parametrize(
    ("operation", "kind", "status", "code"),
    [
        ("batch:describe_jobs", "throttle", 429, "TooManyRequestsException"),
        ("logs:get_log_events", "throttle", 400, "ThrottlingException"),
        ("s3:put_object", "throttle", 503, "SlowDown"),
        ("sts:get_caller_identity", "throttle", 400, "Throttling"),
        ("batch:describe_jobs", "server_error", 500, "ServerException"),
        ("s3:put_object", "server_error", 500, "InternalError"),
        ("s3:list_objects_v2", "slow_down", 503, "SlowDown"),
        ("s3:head_object", "slow_down", 503, "503"),
        ("batch:describe_jobs", "expired_token", 403, "ExpiredTokenException"),
        ("s3:put_object", "expired_token", 400, "ExpiredToken"),
        ("sts:get_caller_identity", "expired_token", 403, "ExpiredToken"),
        ("batch:describe_jobs", "access_denied", 403, "AccessDeniedException"),
        ("s3:put_object", "access_denied", 403, "AccessDenied"),
        ("s3:head_object", "access_denied", 403, "403"),
    ],
)
def test_a_call_is_refused_as_its_service_refuses(
    local: LocalAws, caller: Caller, operation: str, kind: str, status: int, code: str
) -> None:
    local.faults = FaultPlan(api=[ApiFault("*", kind)])
    with pytest.raises(ClientError) as caught:
        caller.call(operation)
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert sum(local.injected.values()) == 1


def test_a_refusal_names_the_action(local: LocalAws, caller: Caller) -> None:
    local.faults = FaultPlan(api=[ApiFault("*", "access_denied")])
    with pytest.raises(ClientError, match="not authorized to perform: batch:DescribeJobs"):
        caller.call("batch:describe_jobs")


@pytest.mark.parametrize("operation", ["batch:describe_jobs", "s3:put_object"])
def test_a_connection_is_reset_before_anything_is_done(
    local: LocalAws, caller: Caller, operation: str
) -> None:
    local.client("s3").delete_object(Bucket=caller.bucket, Key="made")
    local.faults = FaultPlan(api=[ApiFault("*", "reset", calls=[1])])
    with pytest.raises(LOST):
        caller.call(operation)
    assert "Contents" not in local.client("s3").list_objects_v2(
        Bucket=caller.bucket, Prefix="made"
    )
    caller.call(operation)


def test_a_submission_whose_answer_is_lost_was_accepted(
    local: LocalAws, caller: Caller, jobs: Jobs
) -> None:
    definition = jobs.define("true")
    local.faults = FaultPlan(api=[ApiFault("batch:SubmitJob", "lost_answer")])
    with pytest.raises(LOST):
        caller.clients["batch"].submit_job(
            jobName="lost", jobQueue=jobs.queue, jobDefinition=definition
        )
    found = jobs.batch.list_jobs(
        jobQueue=jobs.queue, filters=[{"name": "JOB_NAME", "values": ["lost"]}]
    )
    [job] = found["jobSummaryList"]
    assert jobs.ended(job["jobId"])["status"] == "SUCCEEDED"


def test_a_slow_answer_comes_late(local: LocalAws, caller: Caller) -> None:
    local.faults = FaultPlan(api=[ApiFault("s3:*", "slow", seconds=0.3)])
    start = time.monotonic()
    caller.call("s3:put_object")
    assert time.monotonic() - start >= 0.3


def test_only_the_calls_that_are_named_get_faults(local: LocalAws, caller: Caller) -> None:
    local.faults = FaultPlan(api=[ApiFault("s3:PutObject", "server_error", calls=[2])])
    caller.call("s3:put_object")
    caller.call("s3:list_objects_v2")
    with pytest.raises(ClientError):
        caller.call("s3:put_object")
    caller.call("s3:put_object")
    assert local.injected == {"s3:PutObject server_error": 1}


def test_calls_of_jobs_get_faults_apart(local: LocalAws, caller: Caller, jobs: Jobs) -> None:
    local.faults = FaultPlan(api=[ApiFault("sts:*", "access_denied", by="job")])
    caller.call("sts:get_caller_identity")
    program = "import boto3; boto3.client('sts', 'us-east-1').get_caller_identity()"
    job = jobs.run("python", "-c", program)
    assert job["status"] == "FAILED"
    assert "AccessDenied" in jobs.output(job)[-1]


# Jobs


def injected(jobs: Jobs, kind: str, *command: str, **given: Any) -> dict[str, Any]:
    """Run a command as a job with a fault."""
    job_id = start_faulty(jobs, kind, *command, **given)
    return jobs.ended(job_id)


def start_faulty(jobs: Jobs, kind: str, *command: str, attempts: int = 1, **given: Any) -> str:
    jobs.aws.faults = FaultPlan(jobs=[JobFault(kind, **given)])
    definition = jobs.define(*(command or ("sleep", "600")))
    return jobs.submit(definition, retryStrategy={"attempts": attempts})


def test_host_lost(jobs: Jobs) -> None:
    job = injected(jobs, "host_lost")
    assert job["status"] == "FAILED"
    assert job["statusReason"].startswith("Host EC2 (instance i-")
    assert job["statusReason"].endswith(") terminated.")
    assert "exitCode" not in job["container"]
    assert "reason" not in job["container"]


def test_a_job_whose_host_is_lost_once_succeeds_at_the_second_attempt(jobs: Jobs) -> None:
    command = ("sh", "-c", "test $AWS_BATCH_JOB_ATTEMPT = 2 || sleep 600")
    job = injected(jobs, "host_lost", *command, attempts=3, after=0.1)
    assert job["status"] == "SUCCEEDED"
    first, second = job["attempts"]
    assert first["statusReason"].startswith("Host EC2")
    assert "exitCode" not in first["container"]
    assert second["container"]["exitCode"] == 0


def test_an_attempt_that_ends_before_the_fault_is_not_affected(jobs: Jobs) -> None:
    assert injected(jobs, "host_lost", "true", after=60)["status"] == "SUCCEEDED"


def test_out_of_memory(jobs: Jobs) -> None:
    job = injected(jobs, "out_of_memory")
    assert job["container"]["exitCode"] == 137
    assert job["container"]["reason"] == ("OutOfMemoryError: Container killed due to memory usage")
    assert job["statusReason"] == "Essential container in task exited"


def test_an_image_that_cannot_be_pulled(jobs: Jobs) -> None:
    job = injected(jobs, "image", attempts=2)
    assert len(job["attempts"]) == 2
    assert job["container"]["reason"].startswith("CannotPullContainerError: ")
    assert "exitCode" not in job["container"]
    assert "logStreamName" not in job["container"]


def test_docker_that_does_not_answer(jobs: Jobs) -> None:
    job = injected(jobs, "docker_timeout")
    assert job["container"]["reason"].startswith("DockerTimeoutError: ")


def test_a_job_that_is_stuck_holds_up_no_other_and_can_be_ended(jobs: Jobs) -> None:
    job_id = start_faulty(jobs, "stuck")
    jobs.aws.faults = FaultPlan()
    assert jobs.run("true")["status"] == "SUCCEEDED"
    job = jobs.describe(job_id)
    assert job["status"] == "RUNNABLE"
    assert job["statusReason"].startswith("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT")
    jobs.batch.cancel_job(jobId=job_id, reason="never starts")
    assert jobs.describe(job_id)["statusReason"] == "never starts"


def test_time_limit(jobs: Jobs) -> None:
    job = injected(jobs, "time_limit", attempts=3)
    assert job["statusReason"] == "Job attempt duration exceeded timeout"
    assert len(job["attempts"]) == 1


def test_a_job_that_vanishes_goes_on(jobs: Jobs, caller: Caller) -> None:
    key = "covalent/vanished"
    program = f"import boto3; boto3.client('s3').put_object(Bucket='{caller.bucket}', Key='{key}')"
    job_id = start_faulty(jobs, "vanished", "python", "-c", program)
    wait_until(lambda: jobs.batch.describe_jobs(jobs=[job_id])["jobs"] == [])
    s3 = jobs.aws.client("s3")
    wait_until(lambda: s3.list_objects_v2(Bucket=caller.bucket, Prefix=key)["KeyCount"])
    listed = jobs.batch.list_jobs(jobQueue=jobs.queue, jobStatus="SUCCEEDED")
    assert job_id not in {each["jobId"] for each in listed["jobSummaryList"]}


def test_a_job_can_vanish_without_having_run(jobs: Jobs) -> None:
    job_id = start_faulty(jobs, "vanished_dead")
    wait_until(lambda: jobs.batch.describe_jobs(jobs=[job_id])["jobs"] == [])


def test_a_zombie_is_reported_lost_and_ends_its_work_later(jobs: Jobs, caller: Caller) -> None:
    program = (
        "import boto3, os; boto3.client('s3').put_object("
        f"Bucket='{caller.bucket}', Key='covalent/zombie-' + os.environ['AWS_BATCH_JOB_ATTEMPT'])"
    )
    jobs.aws.faults = FaultPlan(jobs=[JobFault("zombie", attempts=[1])])
    definition = jobs.define(
        "sh", "-c", 'test $AWS_BATCH_JOB_ATTEMPT = 2 || sleep 0.5; exec python -c "$0"', program
    )
    job = jobs.ended(jobs.submit(definition, retryStrategy={"attempts": 2}))
    assert job["status"] == "SUCCEEDED"
    assert job["attempts"][0]["statusReason"].startswith("Host EC2")
    s3 = jobs.aws.client("s3")
    wait_until(
        lambda: (
            s3.list_objects_v2(Bucket=caller.bucket, Prefix="covalent/zombie-")["KeyCount"] == 2
        )
    )


def test_an_exit_without_an_outcome(jobs: Jobs) -> None:
    job = injected(jobs, "no_outcome")
    assert (job["status"], job["container"]["exitCode"]) == ("SUCCEEDED", 0)
    job = injected(jobs, "no_outcome", exit_code=9)
    assert (job["status"], job["container"]["exitCode"]) == ("FAILED", 9)


def test_killed_after_the_work_was_done(jobs: Jobs) -> None:
    job = injected(jobs, "killed_after_outcome", "sh", "-c", "echo done")
    assert (job["status"], job["container"]["exitCode"]) == ("FAILED", 137)
    assert jobs.output(job) == ["done"]


def test_a_log_stream_that_is_not_there(jobs: Jobs) -> None:
    job = injected(jobs, "no_log", "sh", "-c", "echo lost; exit 1")
    assert job["container"]["exitCode"] == 1
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        jobs.output(job)


def test_the_same_seed_injects_into_the_same_nodes(jobs: Jobs) -> None:
    def failed(run: int) -> list[bool]:
        jobs.aws.faults = FaultPlan(5, jobs=[JobFault("docker_timeout", probability=0.5)])
        definition = jobs.define("true")
        ids = [
            jobs.submit(
                definition,
                jobName=f"run-{run}-{node}",
                tags={tag_names.TAG_DISPATCH: "d", tag_names.TAG_NODE: str(node)},
            )
            for node in range(12)
        ]
        return [jobs.ended(each)["status"] == "FAILED" for each in ids]

    first = failed(1)
    assert first == failed(2)
    assert {True, False} == set(first)


def test_resetting_ends_zombies_and_forgets_jobs(jobs: Jobs, local: LocalAws) -> None:
    job_id = start_faulty(jobs, "zombie")
    jobs.ended(job_id)
    local.reset()
    assert jobs.batch.describe_jobs(jobs=[job_id])["jobs"] == []
    assert jobs.batch.describe_job_queues(jobQueues=[jobs.queue])["jobQueues"]
