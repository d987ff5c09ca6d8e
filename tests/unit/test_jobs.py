"""From specifications to requests, and from answers to facts."""

from __future__ import annotations

import string

from botocore.session import Session
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from covalent_awsbatch_plugin.aws.model import description, job_command, job_definition, submission
from covalent_awsbatch_plugin.aws.model.access import Identity
from covalent_awsbatch_plugin.protocol import env_names, tag_names

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
            "requirements": ("boto3==1",),
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
    assert hash_of(definition(tags={"team": "x"})) != hash_of(definition())


def test_the_user_s_container_properties_go_over_ours():
    theirs = {"linuxParameters": {"sharedMemorySize": 64}, "user": "1000", "image": "other"}
    extra = {"environment": [{"name": "X", "value": "y"}], **theirs}
    request = job_definition.definition_request(definition(container_properties=extra), IDENTITY)
    container = request["containerProperties"]
    assert {key: container[key] for key in theirs} == theirs
    names = [pair["name"] for pair in container["environment"]]
    assert names[0] == "X"
    assert env_names.ENV_PYTHON in names
    assert container["logConfiguration"]["options"]["awslogs-group"] == "logs"


def test_the_command_is_small_since_each_description_repeats_it():
    assert sum(map(len, job_command.worker_command())) < 5000
    assert job_command.worker_archive() == job_command.worker_archive()


def test_any_failure_is_retried_but_those_that_cannot_succeed():
    strategy = submission.retry_strategy(3, "any")
    assert strategy["attempts"] == 3
    assert strategy["evaluateOnExit"] == [{"action": "EXIT", "onExitCode": "21*"}]


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


def test_only_a_waiting_job_can_be_stuck():
    reason = "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - too large"
    assert description.JobDescription("j", "RUNNABLE", reason).stuck
    assert not description.JobDescription("j", "RUNNING", reason).stuck
    assert not description.JobDescription("j", "RUNNABLE", "CAPACITY:INSUFFICIENT").stuck
