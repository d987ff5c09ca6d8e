"""What AWS Batch and CloudWatch do to jobs, row by row, on the emulator and on the fake.

Each test is named after what AWS does. The local AWS and the fake must be no kinder, or other
tests over them prove nothing; both are asked with plain boto3.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import cloudpickle
import pytest
from botocore.exceptions import ClientError

from covalent_awsbatch_plugin import AWSBatchExecutor, errors
from covalent_awsbatch_plugin.aws.model.submission import retry_strategy
from covalent_awsbatch_plugin.local import FaultPlan, JobFault, LocalAws
from tests.fake_aws import FakeAws, JobEnd, scripts
from tests.fake_aws.aws import ACCESS_KEY, BUCKET, SECRET_KEY

from .conftest import Jobs, wait_until

# What ECS and Batch give a job, and what an emulator must give it besides to reach anything.
GIVEN = {
    "AWS_BATCH_JOB_ID",
    "AWS_BATCH_JOB_ATTEMPT",
    "AWS_BATCH_JQ_NAME",
    "AWS_EXECUTION_ENV",
}
ACCESS = {
    "AWS_ENDPOINT_URL",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_EC2_METADATA_DISABLED",
}


@dataclass
class Cloud:
    """The emulator or the fake, as tests of both see it."""

    name: str
    options: dict[str, Any]
    client: Callable[[str], Any]
    local: LocalAws | None = None
    fake: FakeAws | None = None

    def executor_options(self) -> dict[str, Any]:
        return dict(self.options)

    def scale_up_slowly(self, seconds: float) -> None:
        """Have jobs reported as misconfigured for a while, as when there is no instance yet."""
        if self.local:
            self.local.faults = FaultPlan(jobs=[JobFault("scaling_up", after=seconds)])
        if self.fake:
            self.fake.batch.scaling_seconds = seconds

    def make_fair_share_queue(self, name: str) -> None:
        if self.fake:
            self.fake.batch.add_queue(name, fair_share=True)
            return
        batch = self.client("batch")
        policy = batch.create_scheduling_policy(name=name)["arn"]
        order = batch.describe_job_queues()["jobQueues"][0]["computeEnvironmentOrder"]
        batch.create_job_queue(
            jobQueueName=name,
            state="ENABLED",
            priority=1,
            schedulingPolicyArn=policy,
            computeEnvironmentOrder=order,
        )

    def lose_role(self) -> str:
        """Return the ARN of a role that does not exist."""
        arn = "arn:aws:iam::123456789012:role/that-is-not-there"
        if self.fake:
            self.fake.batch.missing_roles.add(arn)
        return arn


@pytest.fixture(params=["emulator", "fake"])
def cloud(request: pytest.FixtureRequest, runner: str) -> Iterator[Cloud]:
    if request.param == "emulator":
        local = request.getfixturevalue("local")
        yield Cloud("emulator", local.executor_options(), local.client, local=local)
        local.faults = FaultPlan()
        return
    with FakeAws(script=scripts.run_process) as fake:
        session = boto3.Session(ACCESS_KEY, SECRET_KEY, region_name=fake.region)

        def client(service: str) -> Any:
            return session.client(service, endpoint_url=fake.endpoint_url)

        yield Cloud("fake", fake.executor_options(), client, fake=fake)


@pytest.fixture
def jobs(cloud: Cloud, image: str) -> Iterator[Jobs]:
    made = Jobs(cloud, image)
    yield made
    made.end_all()


def sh(text: str) -> tuple[str, ...]:
    return ("sh", "-c", text)


# The job's environment


def test_a_job_s_environment_holds_what_aws_gives_and_no_more(jobs: Jobs) -> None:
    program = "import json, os; print(json.dumps(dict(os.environ)))"
    job = jobs.run("python3", "-c", program)
    seen = json.loads(jobs.output(job)[-1])
    of_aws = {name for name in seen if name.startswith("AWS_")}
    assert of_aws - ACCESS == GIVEN
    assert not {"AWS_REGION", "AWS_DEFAULT_REGION"} & of_aws


def test_a_job_s_credentials_are_its_role_s_and_come_from_an_address(jobs: Jobs) -> None:
    program = """
import json, os, urllib.request
url = os.environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
print(json.dumps(json.loads(opener.open(url).read()) if url else None))
"""
    role = jobs.job_role()
    ended = [
        jobs.ended(jobs.submit(jobs.define("python3", "-c", program, container=container)))
        for container in ({"jobRoleArn": role}, {"jobRoleArn": None})
    ]
    keys, none = (json.loads(jobs.output(job)[-1]) for job in ended)
    assert none is None
    assert keys["RoleArn"] == role
    assert {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"} <= set(keys)


def test_tags_reach_tasks_only_with_propagate_tags_and_fifty_of_them(jobs: Jobs) -> None:
    definition = jobs.define(*sh("exit 0"), tags={f"d{n}": "" for n in range(30)})
    tags = {f"j{n}": "" for n in range(21)}
    assert jobs.describe(jobs.submit(definition))["propagateTags"] is False
    alone = jobs.ended(jobs.submit(definition, tags=tags))
    assert alone["status"] == "SUCCEEDED"
    together = jobs.ended(jobs.submit(definition, tags=tags, propagateTags=True))
    assert together["status"] == "FAILED"
    assert "50 tags" in together["statusReason"]


def test_a_time_limit_counts_all_of_an_attempt_but_not_the_time_in_the_queue(
    local: LocalAws, image: str
) -> None:
    jobs = Jobs(local, image)
    # A minute takes six tenths of a second here.
    limit = {"attemptDurationSeconds": 60}
    local.faults = FaultPlan(jobs=[JobFault("scaling_up", after=1.5)])
    waited = jobs.run(*sh("exit 0"), timeout=limit)
    local.faults = FaultPlan()
    assert waited["status"] == "SUCCEEDED"
    assert waited["startedAt"] - waited["createdAt"] > 1000
    # What a container does before the task, such as installing packages, counts.
    installing = jobs.run(*sh("trap 'exit 1' TERM; sleep 30 & wait"), timeout=limit)
    assert (installing["status"], installing["statusReason"]) == (
        "FAILED",
        "Job attempt duration exceeded timeout",
    )


# The job's life


def test_misconfiguration_comes_and_goes_while_the_environment_scales_up(
    cloud: Cloud, jobs: Jobs
) -> None:
    cloud.scale_up_slowly(0.4)
    job_id = jobs.submit(jobs.define(*sh("exit 0")))
    waiting = jobs.describe(job_id)
    assert waiting["status"] == "RUNNABLE"
    assert waiting["statusReason"].startswith("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT")
    assert jobs.ended(job_id)["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        ("VCPU", "512", "MISCONFIGURATION:"),
        ("MEMORY", "99000000", "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT"),
        ("GPU", "1", "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT"),
    ],
)
def test_what_the_environments_do_not_have_stays_runnable(
    jobs: Jobs, kind: str, value: str, reason: str
) -> None:
    asked = {"resourceRequirements": [{"type": kind, "value": value}]}
    job = jobs.describe(jobs.submit(jobs.define(*sh("exit 0")), containerOverrides=asked))
    assert job["status"] == "RUNNABLE"
    assert job["statusReason"].startswith(reason)


def test_roles_that_do_not_exist_are_accepted_and_fail_the_job(cloud: Cloud, jobs: Jobs) -> None:
    role = cloud.lose_role()
    definition = jobs.define(*sh("exit 0"), container={"executionRoleArn": role})
    job = jobs.ended(jobs.submit(definition))
    assert job["status"] == "FAILED"
    assert job["statusReason"].startswith(f"ECS was unable to assume the role '{role}'")
    assert "exitCode" not in job["container"]


def test_an_exit_code_pattern_matches_what_is_before_the_asterisk_too(jobs: Jobs) -> None:
    rules = [{"onExitCode": "21*", "action": "EXIT"}]
    strategy = {"attempts": 2, "evaluateOnExit": rules}
    attempts = {
        code: len(jobs.run(*sh(f"exit {code}"), retryStrategy=strategy)["attempts"])
        for code in (2, 21, 210)
    }
    assert attempts == {2: 2, 21: 1, 210: 1}


def test_list_jobs_by_name_groups_by_names_and_by_time_has_the_newest_first(jobs: Jobs) -> None:
    definition = jobs.define(*sh("exit 0"))
    names = ["list-b", "list-a", "list-b", "list-c", "list-a"]
    ids = [jobs.submit(definition, jobName=name) for name in names]
    start = min(jobs.ended(job_id)["createdAt"] for job_id in ids)

    def listed(name: str, value: str) -> list[dict[str, Any]]:
        filters = [{"name": name, "values": [value]}]
        found = jobs.batch.list_jobs(jobQueue=jobs.queue, filters=filters)["jobSummaryList"]
        return [job for job in found if job["jobId"] in ids]

    by_name = [job["jobName"] for job in listed("JOB_NAME", "LIST-*")]
    assert by_name == sorted(names)
    by_time = [job["createdAt"] for job in listed("AFTER_CREATED_AT", str(start - 1))]
    assert by_time == sorted(by_time, reverse=True)
    assert len(by_time) == len(names)


def test_list_jobs_takes_one_filter(jobs: Jobs) -> None:
    filters = [{"name": "JOB_NAME", "values": ["a"]}, {"name": "JOB_NAME", "values": ["b"]}]
    with pytest.raises(ClientError, match="one filter"):
        jobs.batch.list_jobs(jobQueue=jobs.queue, filters=filters)


def test_a_fair_share_queue_requires_a_share_and_other_queues_refuse_one(
    cloud: Cloud, jobs: Jobs
) -> None:
    cloud.make_fair_share_queue("fair")
    definition = jobs.define(*sh("exit 0"))
    with pytest.raises(ClientError, match="shareIdentifier"):
        jobs.submit(definition, jobQueue="fair")
    with pytest.raises(ClientError, match="schedulingPriority"):
        jobs.submit(definition, jobQueue="fair", shareIdentifier="a")
    with pytest.raises(ClientError, match="shareIdentifier"):
        jobs.submit(definition, shareIdentifier="a", schedulingPriorityOverride=1)
    given = {"shareIdentifier": "a", "schedulingPriorityOverride": 1}
    job = jobs.ended(jobs.submit(definition, jobQueue="fair", **given))
    assert (job["status"], job["shareIdentifier"]) == ("SUCCEEDED", "a")
    described = jobs.batch.describe_job_queues(jobQueues=["fair"])["jobQueues"][0]
    assert described["schedulingPolicyArn"]


# Logs


def test_a_page_of_a_log_may_be_empty_before_its_beginning(jobs: Jobs) -> None:
    job = jobs.run(*sh("echo one; echo two"))
    request = {
        "logGroupName": jobs.options["batch_job_log_group_name"],
        "logStreamName": job["container"]["logStreamName"],
        "limit": 50,
    }
    first = jobs.logs.get_log_events(**request)
    assert first["events"] == []
    second = jobs.logs.get_log_events(**request, nextToken=first["nextBackwardToken"])
    assert [event["message"] for event in second["events"]] == ["one", "two"]
    third = jobs.logs.get_log_events(**request, nextToken=second["nextBackwardToken"])
    assert third["events"] == []
    assert third["nextBackwardToken"] == second["nextBackwardToken"]


def test_a_log_stream_may_never_appear(cloud: Cloud, jobs: Jobs) -> None:
    if cloud.local:
        cloud.local.faults = FaultPlan(jobs=[JobFault("no_log")])
    if cloud.fake:
        cloud.fake.logs.lost = True
    job = jobs.run(*sh("echo lost"))
    assert job["status"] == "SUCCEEDED"
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        jobs.output(job)


# The executor with all of it


def add_one(number: int) -> int:
    return number + 1


def run(cloud: Cloud, function: Any = add_one, argument: Any = 1, **options: Any) -> Any:
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    executor = AWSBatchExecutor(**cloud.options, poll_freq=0.1, **options)
    metadata = {"dispatch_id": f"as-aws-{cloud.name}", "node_id": 0}
    try:
        work = executor.run(function, [argument], {}, metadata)
        return asyncio.run(asyncio.wait_for(work, 60))
    finally:
        cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def test_a_task_outlives_a_misconfiguration_that_passes(cloud: Cloud) -> None:
    cloud.scale_up_slowly(1.5)
    assert run(cloud) == 2


def test_a_task_that_can_never_start_is_given_up_in_the_end(cloud: Cloud) -> None:
    with pytest.raises(errors.NeverStarted, match="lower vcpu="):
        run(cloud, vcpu=512, misconfiguration_timeout=1)
    with pytest.raises(errors.NeverStarted, match="MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT"):
        run(cloud, num_gpus=1, misconfiguration_timeout=0)


def test_a_fair_share_queue_can_be_used(cloud: Cloud) -> None:
    cloud.make_fair_share_queue("fair-too")
    options = {**cloud.options, "batch_queue": "fair-too"}
    shared = Cloud(cloud.name, options, cloud.client)
    with pytest.raises(errors.AWSError, match="shareIdentifier"):
        run(shared)
    assert run(shared, share_identifier="team", scheduling_priority=5) == 2


def test_the_log_s_end_is_found_behind_an_empty_page() -> None:
    def leave_a_log_only(job: Any, aws: FakeAws) -> JobEnd:
        return JobEnd(3, log=("the reason",))

    with FakeAws(script=leave_a_log_only) as fake:
        cloud = Cloud("fake", fake.executor_options(), boto3.client)
        with pytest.raises(errors.OutcomeMissing, match="the reason"):
            run(cloud, retry_attempts=1)


@pytest.mark.parametrize("size", [10, 12_000_000])
def test_a_bucket_that_requires_encryption_headers_gets_them_of_server_and_job(size: int) -> None:
    required = ("aws:kms", "alias/team")
    options = {"s3_encryption": required[0], "s3_kms_key_id": required[1]}
    with FakeAws(script=scripts.run_process) as fake:
        fake.s3.buckets[BUCKET].encryption = required
        cloud = Cloud("fake", fake.executor_options(), boto3.client)
        assert run(cloud, bytes.__len__, bytes(size), **options) == size
        assert len(run(cloud, bytes.upper, bytes(size), **options)) == size
        with pytest.raises(errors.NotPermitted, match="s3_encryption="):
            run(cloud, retry_attempts=1)


# What only the emulator runs: containers, or processes as if they were


@pytest.mark.parametrize(
    "reason",
    [
        "CannotPullImageManifestError: Error response from daemon: toomanyrequests: Rate exceeded",
        "CannotPullECRContainerError: i/o timeout",
        "CannotPullContainerAuthError: no basic auth credentials",
        "CannotCreateContainerError: no space left on device",
        "CannotInspectContainerError: Could not inspect container",
        "CannotStartContainerError: failed to initialize logging driver: i/o timeout",
        "ResourceInitializationError: unable to pull secrets: AccessDeniedException",
    ],
)
def test_today_s_error_names_are_retried_as_infrastructure(
    local: LocalAws, image: str, reason: str
) -> None:
    jobs = Jobs(local, image)
    local.faults = FaultPlan(jobs=[JobFault("not_started", attempts=[1], reason=reason)])
    job = jobs.run(*sh("exit 0"), retryStrategy=retry_strategy(2, "infrastructure"))
    local.faults = FaultPlan()
    assert job["status"] == "SUCCEEDED"
    first = job["attempts"][0]
    assert (first["statusReason"], first["container"]["reason"]) == (
        "Task failed to start",
        reason,
    )


def test_process_1_ignores_sigterm_until_it_installs_a_handler(
    local: LocalAws, image: str
) -> None:
    jobs = Jobs(local, image)
    init = {"linuxParameters": {"initProcessEnabled": True}}
    trap = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.1; done"
    codes = {
        name: _code_of_a_terminated(jobs, command, container)
        for name, command, container in (
            ("plain", "echo ready; exec sleep 600", {}),
            ("init", "echo ready; exec sleep 600", init),
            ("handler", trap, {}),
        )
    }
    assert codes == {"plain": 137, "init": 143, "handler": 9}


def _code_of_a_terminated(jobs: Jobs, command: str, container: dict[str, Any]) -> int:
    job_id = jobs.submit(jobs.define(*sh(command), container=container))
    running = jobs.reached(job_id, "RUNNING")
    wait_until(lambda: jobs.output(running))
    jobs.batch.terminate_job(jobId=job_id, reason="enough")
    return int(jobs.ended(job_id)["container"]["exitCode"])


def test_sigterm_goes_to_process_1_alone(local: LocalAws, image: str) -> None:
    jobs = Jobs(local, image)
    child = "trap 'echo child' TERM; sleep 600 & wait"
    parent = f"({child}) & trap 'sleep 0.1; exit 9' TERM; echo ready; wait"
    job_id = jobs.submit(jobs.define(*sh(parent)))
    running = jobs.reached(job_id, "RUNNING")
    wait_until(lambda: jobs.output(running))
    jobs.batch.terminate_job(jobId=job_id, reason="enough")
    job = jobs.ended(job_id)
    assert job["container"]["exitCode"] == 9
    assert jobs.output(job) == ["ready"]


def test_a_log_group_that_is_missing_fails_a_job_only_in_blocking_mode(
    local: LocalAws, image: str
) -> None:
    jobs = Jobs(local, image)

    def ended(**options: str) -> dict[str, Any]:
        log = {"logDriver": "awslogs", "options": {"awslogs-group": "missing", **options}}
        return jobs.ended(jobs.submit(jobs.define("true", container={"logConfiguration": log})))

    assert ended()["status"] == "SUCCEEDED"
    blocked = ended(mode="blocking")
    assert blocked["status"] == "FAILED"
    assert "failed to initialize logging driver" in blocked["container"]["reason"]


@dataclass
class Environments:
    """Queues and compute environments like the first stack's, made with plain boto3."""

    batch: Any

    def make(self, name: str, queue: dict[str, Any] | None = None, **resources: Any) -> str:
        """Make an environment with other compute resources, and a queue; return its name."""
        first = self.batch.describe_compute_environments()["computeEnvironments"][0]
        wanted = {**first["computeResources"], **resources}
        wanted.pop("desiredvCpus", None)
        arn = self.batch.create_compute_environment(
            computeEnvironmentName=name,
            type="MANAGED",
            state="ENABLED",
            computeResources=wanted,
            serviceRole=first["serviceRole"],
        )["computeEnvironmentArn"]
        order = [{"order": 1, "computeEnvironment": arn}]
        self.batch.create_job_queue(
            jobQueueName=name,
            state="ENABLED",
            priority=1,
            computeEnvironmentOrder=order,
            **(queue or {}),
        )
        return name


def test_jobs_that_wait_start_when_their_environment_changes(local: LocalAws, image: str) -> None:
    jobs, batch = Jobs(local, image), local.client("batch")
    queue = Environments(batch).make("changing", maxvCpus=1)
    two = {"resourceRequirements": [{"type": "VCPU", "value": "2"}]}
    definition = jobs.define(*sh("exit 0"))
    job_id = jobs.submit(definition, jobQueue=queue, containerOverrides=two)
    waiting = jobs.describe(job_id)
    assert waiting["status"] == "RUNNABLE"
    assert waiting["statusReason"].startswith("MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE")
    # A change of something else starts nothing.
    batch.update_job_queue(jobQueue=queue, priority=2)
    assert jobs.describe(job_id)["statusReason"] == waiting["statusReason"]
    batch.update_compute_environment(computeEnvironment=queue, computeResources={"maxvCpus": 2})
    assert jobs.ended(job_id)["status"] == "SUCCEEDED"
    batch.update_compute_environment(computeEnvironment=queue, state="DISABLED")
    job_id = jobs.submit(definition, jobQueue=queue)
    disabled = jobs.describe(job_id)
    assert disabled["status"] == "RUNNABLE"
    assert "statusReason" not in disabled
    batch.update_compute_environment(computeEnvironment=queue, state="ENABLED")
    assert jobs.ended(job_id)["status"] == "SUCCEEDED"


def test_a_queue_s_time_limit_cancels_jobs_that_wait_for_its_reason(
    local: LocalAws, image: str
) -> None:
    jobs, batch = Jobs(local, image), local.client("batch")
    code = "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE"
    limit = {"reason": code, "state": "RUNNABLE", "maxTimeSeconds": 600, "action": "CANCEL"}
    queue = Environments(batch).make("limited", {"jobStateTimeLimitActions": [limit]}, maxvCpus=1)
    described = batch.describe_job_queues(jobQueues=[queue])["jobQueues"][0]
    assert described["jobStateTimeLimitActions"] == [limit]
    definition = jobs.define(*sh("exit 0"))
    asked = {
        kind: {"resourceRequirements": [{"type": kind, "value": value}]}
        for kind, value in (("VCPU", "2"), ("GPU", "1"))
    }
    ids = {
        kind: jobs.submit(definition, jobQueue=queue, containerOverrides=overrides)
        for kind, overrides in asked.items()
    }
    canceled = jobs.ended(ids["VCPU"])
    assert canceled["statusReason"] == (
        f"Canceled by JobStateTimeLimit action due to reason: {code}"
    )
    assert canceled["attempts"] == []
    # The limit is for one reason; another one's job goes on waiting.
    assert jobs.describe(ids["GPU"])["status"] == "RUNNABLE"
    jobs.end_all()


def test_instances_in_subnets_without_a_route_never_join(local: LocalAws, image: str) -> None:
    jobs = Jobs(local, image)
    ec2, batch = local.client("ec2"), local.client("batch")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{n}.0/24", AvailabilityZone="us-east-1a")
        for n in (0, 1)
    ]
    isolated = subnets[1]["Subnet"]["SubnetId"]
    Environments(batch).make("isolated", subnets=[isolated])
    job_id = jobs.submit(jobs.define(*sh("exit 0")), jobQueue="isolated")
    waiting = jobs.describe(job_id)
    assert waiting["status"] == "RUNNABLE"
    assert "statusReason" not in waiting
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])
    table = tables["RouteTables"][0]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    assert jobs.ended(job_id)["status"] == "SUCCEEDED"
