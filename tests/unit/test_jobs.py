"""From specifications to requests, and from answers to facts."""

from __future__ import annotations

import json
import string
import subprocess
import sys

import pytest
from botocore.session import Session
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from covalent_awsbatch_plugin.aws.model import description, job_command, job_definition, submission
from covalent_awsbatch_plugin.aws.model.access import Identity
from covalent_awsbatch_plugin.aws.model.task import TaskRequest, job_spec
from covalent_awsbatch_plugin.local.batch.retries import AttemptEnd, is_retried
from covalent_awsbatch_plugin.protocol import env_names, exit_codes, tag_names

IDENTITY = Identity("123456789012", "aws-cn", "arn:aws-cn:sts::123456789012:assumed-role/x")


def definition(**changes) -> job_definition.DefinitionSpec:
    return job_definition.DefinitionSpec(
        **{
            "name": "jobs",
            "image": "image",
            "execution_role": "execution",
            "job_role": "arn:aws-cn:iam::123456789012:role/job",
            "log_group": "logs",
            "region": "cn-north-1",
            "python": "3.11",
            **changes,
        }
    )


def job(**changes) -> submission.JobSpec:
    return submission.JobSpec(
        **{
            "name": "job",
            "queue": "queue",
            "vcpus": 2,
            "memory_mib": 3840,
            "gpus": 0,
            "attempts": 3,
            "retry_on": "any",
            "time_limit": 300,
            "environment": {"A": "b"},
            "tags": {"k": "v"},
            **changes,
        }
    )


def assert_accepted(operation: str, request: dict) -> None:
    shape = Session().get_service_model("batch").operation_model(operation).input_shape
    assert not ParamValidator().validate(request, shape).has_errors()


def test_requests_are_of_the_form_batch_accepts():
    assert_accepted(
        "RegisterJobDefinition", job_definition.definition_request(definition(), IDENTITY)
    )
    assert_accepted("SubmitJob", submission.submit_request(job(gpus=1), "arn"))


def test_roles_are_of_the_caller_s_partition_and_account():
    container = job_definition.definition_request(definition(), IDENTITY)["containerProperties"]
    assert container["executionRoleArn"] == "arn:aws-cn:iam::123456789012:role/execution"
    assert container["jobRoleArn"] == "arn:aws-cn:iam::123456789012:role/job"


def hash_of(spec: job_definition.DefinitionSpec) -> str:
    return job_definition.definition_request(spec, IDENTITY)["tags"][tag_names.TAG_PROPERTIES]


def test_the_hash_depends_on_properties_and_not_on_their_order():
    ordered = {"A": "1", "B": "2"}
    turned = dict(reversed(ordered.items()))
    assert hash_of(definition(environment=ordered)) == hash_of(definition(environment=turned))
    assert hash_of(definition(environment=ordered)) != hash_of(definition())
    assert hash_of(definition(tags={"team": "x"})) == hash_of(definition()), "tags change no job"


def test_the_user_s_container_properties_go_over_ours():
    theirs = {"linuxParameters": {"sharedMemorySize": 64}, "user": "1000", "image": "other"}
    extra = {"environment": [{"name": "X", "value": "y"}], **theirs}
    request = job_definition.definition_request(definition(container_properties=extra), IDENTITY)
    container = request["containerProperties"]
    assert (container["user"], container["image"]) == ("1000", "other")
    assert container["linuxParameters"] == {"sharedMemorySize": 64, "initProcessEnabled": True}
    names = [pair["name"] for pair in container["environment"]]
    assert {"X", env_names.ENV_PYTHON} <= set(names)
    assert len(set(names)) == len(names)
    assert container["logConfiguration"]["options"]["awslogs-group"] == "logs"


# Bytes of JSON in which DescribeJobs describes the same job of the version before this one.
DESCRIBED_BEFORE = 5758


def test_a_job_s_description_is_small_since_a_hundred_come_at_once():
    task = TaskRequest(
        dispatch_id="0f3c5a1e-0000-4000-8000-123456789abc",
        node_id=17,
        name="f",
        bucket="covalent-batch-job-resources",
        definition=definition(
            image="public.ecr.aws/docker/library/python:3.11-slim",
            execution_role="ecsTaskExecutionRole",
            job_role="CovalentBatchJobRole",
            log_group="covalent-batch-job-logs",
            region="us-east-1",
        ),
        cache_dir="/tmp",
        queue="queue",
        vcpus=2,
        memory_mib=1024,
        gpus=0,
        attempts=3,
        retry_on="any",
        time_limit=300,
        poll_freq=10,
    )
    job = job_spec(task.for_run(), IDENTITY)
    container = job_definition.definition_request(task.definition, IDENTITY)["containerProperties"]
    container["environment"] += job_definition.pairs(job.environment)
    text = json.dumps([container, job.tags], separators=(",", ":"))
    assert len(text) <= DESCRIBED_BEFORE


def test_the_worker_is_the_same_bytes_each_time():
    assert job_command.worker_archive() == job_command.worker_archive.__wrapped__()


def test_any_failure_is_retried_but_those_that_cannot_succeed():
    strategy = submission.retry_strategy(3, "any")
    assert strategy["attempts"] == 3
    assert strategy["evaluateOnExit"][-1] == {"action": "EXIT", "onExitCode": "21*"}


@pytest.mark.parametrize("retry_on", ["any", "infrastructure"])
def test_a_task_s_own_exit_codes_are_retried_as_the_option_asks(retry_on):
    rules = submission.retry_strategy(3, retry_on)["evaluateOnExit"]
    for code in map(exit_codes.of_job, (1, 2, 20, 21, 22, 99, 137, 139)):
        end = AttemptEnd(code, "Essential container in task exited")
        assert is_retried(end, 1, 3, rules) == (retry_on == "any"), code
    for code in range(210, 220):
        end = AttemptEnd(code, "Essential container in task exited")
        assert not is_retried(end, 1, 3, rules), code


@pytest.mark.parametrize(
    ("status_reason", "reason"),
    [
        ("Host EC2 (instance i-0) terminated.", None),
        ("Task failed to start", None),
        ("Task failed to start", "ResourceInitializationError: unable to pull secrets"),
        *(
            ("Essential container in task exited", f"{name}: something")
            for name in (
                "CannotPullContainerError",
                "CannotPullImageManifestError",
                "CannotPullECRContainerError",
                "CannotPullContainerAuthError",
                "CannotCreateContainerError",
                "CannotInspectContainerError",
                "CannotStartContainerError",
                "DockerTimeoutError",
            )
        ),
    ],
)
def test_infrastructure_covers_today_s_errors_of_the_ecs_agent(status_reason, reason):
    rules = submission.retry_strategy(3, "infrastructure")["evaluateOnExit"]
    assert is_retried(AttemptEnd(None, status_reason, reason), 1, 3, rules)


def variables_of(spec: job_definition.DefinitionSpec) -> dict[str, str]:
    container = job_definition.definition_request(spec, IDENTITY)["containerProperties"]
    return {pair["name"]: pair["value"] for pair in container["environment"]}


def test_a_job_has_the_executor_s_region_unless_the_user_sets_another():
    plain = variables_of(definition())
    assert plain["AWS_REGION"] == plain["AWS_DEFAULT_REGION"] == "cn-north-1"
    assert variables_of(definition(environment={"AWS_REGION": "x"}))["AWS_REGION"] == "x"
    theirs = {"environment": [{"name": "AWS_DEFAULT_REGION", "value": "y"}]}
    spec = definition(container_properties=theirs)
    assert variables_of(spec)["AWS_DEFAULT_REGION"] == "y"


def test_the_log_mode_is_named_and_another_driver_gets_none_of_its_options():
    def log_of(**theirs):
        spec = definition(container_properties=theirs)
        container = job_definition.definition_request(spec, IDENTITY)["containerProperties"]
        return container["logConfiguration"]

    assert log_of()["options"]["mode"] == "non-blocking"
    blocking = log_of(logConfiguration={"options": {"mode": "blocking"}})
    assert blocking["options"] == {**log_of()["options"], "mode": "blocking"}
    other = {"logDriver": "splunk", "options": {"splunk-url": "https://splunk.example"}}
    assert log_of(logConfiguration=other) == other


def test_tags_are_propagated_and_only_a_fair_share_queue_gets_a_share():
    plain = submission.submit_request(job(), "arn")
    assert plain["propagateTags"] is True
    assert "shareIdentifier" not in plain
    assert "schedulingPriorityOverride" not in plain
    shared = submission.submit_request(job(share_identifier="a", scheduling_priority=7), "arn")
    assert (shared["shareIdentifier"], shared["schedulingPriorityOverride"]) == ("a", 7)


def test_only_infrastructure_is_retried_when_asked_for():
    rules = submission.retry_strategy(3, "infrastructure")["evaluateOnExit"]
    assert len(rules) <= 5
    assert rules[-1] == {"action": "EXIT", "onReason": "*"}
    assert {rule["action"] for rule in rules[:-1]} == {"RETRY"}


def test_no_attempts_means_one():
    assert submission.retry_strategy(0, "any")["attempts"] == 1


@given(st.text(), st.text() | st.integers())
def test_names_and_tags_are_of_the_form_aws_accepts(text, node):
    name = submission.job_name(text, node, "0123abcd")
    assert len(name) <= 128
    assert set(name) <= set(string.ascii_letters + string.digits + "-_")
    tags = submission.job_tags(text, node, text, "host:1")
    assert all(len(value) <= 256 for value in tags.values())
    assert not set("<>#%&{}\\^~[]|`\n") & set("".join(tags.values()))


def test_a_description_that_lacks_almost_everything_is_read():
    read = description.parse_job({"jobId": "j", "status": "SUBMITTED"})
    assert (read.job_id, read.waiting, read.finished, read.exit_code) == ("j", True, False, None)


def test_a_whole_description_is_read():
    read = description.parse_job(
        {
            "jobId": "j",
            "jobName": "n",
            "status": "FAILED",
            "statusReason": "Host EC2 (instance i-1) terminated.",
            "container": {
                "reason": "r",
                "exitCode": 137,
                "image": "i",
                "logStreamName": "s2",
                "logConfiguration": {"options": {"awslogs-group": "g"}},
                "resourceRequirements": [{"type": "MEMORY", "value": "2048"}],
            },
            "attempts": [{"container": {"exitCode": 1, "logStreamName": "s1"}}],
            "isTerminated": True,
        }
    )
    assert (read.exit_code, read.memory_mib, read.log_group) == (137, 2048, "g")
    assert read.attempts[0] == description.Attempt(exit_code=1, log_stream="s1")
    assert read.terminated
    assert read.finished


@pytest.mark.parametrize(
    ("status", "reason", "misconfigured", "never_fits"),
    [
        ("RUNNABLE", "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - too large", True, True),
        ("RUNNABLE", "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - low", True, True),
        ("RUNNABLE", "MISCONFIGURATION:SERVICE_ROLE_PERMISSIONS - denied", True, False),
        ("RUNNABLE", "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - none", False, False),
        ("RUNNING", "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - too large", False, False),
    ],
)
def test_two_reasons_of_a_waiting_job_mean_that_no_host_can_run_it(
    status, reason, misconfigured, never_fits
):
    job = description.JobDescription("j", status, reason)
    assert (bool(job.misconfiguration), job.never_fits) == (misconfigured, never_fits)


NAMES = """
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from covalent_awsbatch_plugin.aws.model.task import process_name

barrier = Barrier(16)
with ThreadPoolExecutor(16) as pool:
    print(len(set(pool.map(lambda _: [barrier.wait(), process_name()][1], range(16)))))
"""


def test_threads_that_ask_at_once_get_one_name_of_the_process() -> None:
    """What tasks share would be uploaded once for each name."""
    done = subprocess.run(
        [sys.executable, "-c", NAMES], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1"]
