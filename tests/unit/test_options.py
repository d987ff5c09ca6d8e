"""The options: documented defaults, what wins, and every offence named at once."""

from __future__ import annotations

import math

import pytest
from botocore.session import get_session

from covalent_awsbatch_plugin.errors import InvalidOptions
from covalent_awsbatch_plugin.options import resolution
from covalent_awsbatch_plugin.options.bounds import NOT_ON_EC2, TAKEN
from covalent_awsbatch_plugin.options.table import OPTIONS

# The configuration table of the published documentation.
DOCUMENTED = {
    "profile": "default",
    "region": "us-east-1",
    "credentials": "~/.aws/credentials",
    "batch_queue": "covalent-batch-queue",
    "s3_bucket_name": "covalent-batch-job-resources",
    "batch_job_definition_name": "covalent-batch-jobs",
    "batch_execution_role_name": "ecsTaskExecutionRole",
    "batch_job_role_name": "CovalentBatchJobRole",
    "batch_job_log_group_name": "covalent-batch-job-logs",
    "vcpu": 2,
    "memory": 3.75,
    "num_gpus": 0,
    "retry_attempts": 3,
    "time_limit": 300,
    "poll_freq": 10,
    "cache_dir": "/tmp/covalent",
}


def test_documented_defaults():
    defaults = resolution.defaults(documented_only=True)
    assert {name: defaults[name] for name in DOCUMENTED} == DOCUMENTED
    assert set(defaults) - set(DOCUMENTED) == {"container_image_uri"}


def test_every_default_is_valid():
    assert resolution.resolve({}, {}) == {o.attr: o.default for o in OPTIONS}


def test_an_argument_wins_also_zero_and_an_empty_text():
    configured = {"num_gpus": 4, "profile": "work", "vcpu": 8}
    values = resolution.resolve({"num_gpus": 0, "profile": "", "vcpu": None}, configured)
    assert (values["num_gpus"], values["profile"], values["vcpu"]) == (0, "", 8)


def test_text_of_a_configuration_becomes_numbers():
    configured = {"vcpu": "4", "memory": "7.5", "builtin_nodes_on_batch": "true", "poll_freq": "2"}
    values = resolution.resolve({}, configured)
    assert (values["vcpu"], values["memory"]) == (4, 7.5)
    assert (values["builtin_nodes_on_batch"], values["poll_freq"]) == (True, 2)


@pytest.mark.parametrize(
    ("name", "value", "bound"),
    [
        ("time_limit", 59, "at least 60"),
        ("memory", 0, "at least"),
        ("retry_attempts", 11, "at most 10"),
        ("retry_attempts", -1, "at least 0"),
        ("vcpu", 0.5, "a whole number"),
        ("vcpu", 0, "at least 1"),
        ("vcpu", True, "a whole number"),
        ("num_gpus", -1, "at least 0"),
        ("poll_freq", 0, "at least 0.1"),
        ("poll_freq", "soon", "a number"),
        ("s3_bucket_name", "My_Bucket", "a name S3 accepts"),
        ("s3_bucket_name", "192.168.0.1", "a name S3 accepts"),
        ("s3_bucket_name", "ab", "a name S3 accepts"),
        ("batch_queue", "my queue", "queue's name"),
        ("batch_job_definition_name", "a" * 129, "128 at most"),
        ("region", "Frankfurt", "a region's name"),
        ("retry_on", "sometimes", "'any', 'infrastructure'"),
        ("environment", {"AWS_BATCH_JOB_ID": "x"}, "must not set AWS_BATCH_JOB_ID"),
        ("environment", {"A": 1}, "must have text for values"),
        ("tags", {"aws:x": "y"}, "must not begin with aws:"),
        ("container_properties", {"command": []}, "must not set command"),
        ("endpoint_url", "localhost", "an http or https URL"),
        ("memory", math.inf, "finite"),
        ("memory", "nan", "finite"),
        ("memory", 1e300, "at most"),
        ("poll_freq", math.nan, "finite"),
        ("misconfiguration_timeout", "inf", "finite"),
        ("time_limit", 2**31, "at most 2147483647"),
        ("vcpu", 10**12, "at most"),
        ("region", "eu-west-\uff11", "a region's name"),
        ("batch_queue", "größe", "queue's name"),
        ("batch_queue", "queue\n", "queue's name"),
        ("batch_job_role_name", "r" * 65, "role's name"),
        ("batch_job_role_name", "rôle", "role's name"),
        ("batch_job_log_group_name", "aws/mine", "log group's name"),
        ("container_image_uri", "i" * 256, "image's name"),
        ("s3_bucket_name", "mine--x-s3", "S3 keeps for itself"),
        ("s3_bucket_name", "sthree-mine", "S3 keeps for itself"),
        ("cache_dir", "/tmp/\0", "NUL"),
        ("profile", "\ud800", "valid Unicode"),
        ("environment", {"A": "\0"}, "NUL"),
        ("environment", {"A": "\udfff"}, "valid Unicode"),
        ("environment", {"A": "x" * 17_000}, "at most 16384 bytes"),
        ("environment", {1: "x"}, "names a shell accepts"),
        ("tags", {1: "x"}, "text for keys"),
        ("tags", {"a": "<b>"}, "letters, digits, spaces"),
        ("tags", {"a" * 129: "b"}, "1 to 128"),
        ("tags", {str(n): "" for n in range(46)}, "at most 45"),
        ("container_properties", {"sharedMemory": 5}, "must not have sharedMemory"),
        ("container_properties", {"privileged": {1, 2}}, "numbers, texts"),
        ("container_properties", {"ulimits": [math.nan]}, "numbers, texts"),
        (
            "container_properties",
            {"environment": [{"name": "AWS_BATCH_X", "value": ""}]},
            "must not set AWS_BATCH_X",
        ),
        ("container_properties", {"environment": {"A": "b"}}, "must have a list for environment"),
        ("container_properties", {"networkConfiguration": {}}, "for jobs on EC2"),
        ("container_properties", {"linuxParameters": {"swappiness": 101}}, "0 to 100"),
        (
            "container_properties",
            {"linuxParameters": {"sharedMemorySize": True}},
            "a whole number for linuxParameters.sharedMemorySize",
        ),
        ("container_properties", {"ulimits": [{"name": "nofile"}]}, "have ulimits[0].hardLimit"),
        ("container_properties", {"user": "a\0"}, "NUL nor lone surrogates in user"),
        (
            "container_properties",
            {"logConfiguration": {"logDriver": "syslogd"}},
            "for logConfiguration.logDriver",
        ),
        ("share_identifier", "a-b", "letters and digits"),
        ("share_identifier", "a" * 256, "255"),
        ("scheduling_priority", 10_000, "at most 9999"),
        ("s3_encryption", "AES512", "'aws:kms'"),
        ("s3_kms_key_id", "a key", "KMS key"),
        ("s3_kms_key_id", "alias/mine", "needs s3_encryption"),
        ("scheduling_priority", 5, "needs a share_identifier"),
    ],
)
def test_a_value_out_of_bounds_is_named_with_its_bound(name, value, bound):
    with pytest.raises(InvalidOptions) as caught:
        resolution.resolve({name: value}, {})
    assert name in str(caught.value)
    assert bound in str(caught.value)


def test_a_job_definition_s_tables_have_room_together():
    half = {"A": "x" * 9000}
    with pytest.raises(InvalidOptions, match="together"):
        resolution.resolve({"environment": half, "container_properties": {"user": "u" * 9000}}, {})


def test_all_offences_are_told_at_once():
    wrong = {"time_limit": 5, "memory": 0, "retry_attempts": 11, "s3_bucket_name": "B"}
    with pytest.raises(InvalidOptions) as caught:
        resolution.resolve(wrong, {})
    assert all(name in str(caught.value) for name in wrong)


def test_values_of_tables_are_not_shown():
    with pytest.raises(InvalidOptions) as caught:
        resolution.resolve({"environment": {"A": "secret", "B": 1}}, {})
    assert "secret" not in str(caught.value)


def test_the_image_that_release_0_42_configured_by_itself_means_the_default():
    configured = {"container_image_uri": resolution.DEFAULT_IMAGE_0_42}
    assert resolution.resolve({}, configured)["container_image_uri"] == ""
    assert resolution.default_image("3.10.4").endswith("python:3.10-slim")


def test_the_nearest_option_is_found():
    assert resolution.nearest("memroy") == "memory"
    assert resolution.nearest("s3_bucket") == "s3_bucket_name"
    assert resolution.nearest("zzzzzz") == ""


@pytest.mark.parametrize(
    "values",
    [
        {"batch_job_role_name": "service-role/team/my-role"},
        {"batch_job_role_name": "arn:aws-us-gov:iam::123456789012:role/path/r"},
        {"batch_queue": "arn:aws-cn:batch:cn-north-1:123456789012:job-queue/q"},
        {"container_image_uri": "x/y:1@sha256:" + "a" * 64},
        {"tags": {"Größe": "zwei + drei", "team": ""}},
        {"s3_encryption": "aws:kms", "s3_kms_key_id": "alias/team/key"},
        {
            "s3_encryption": "aws:kms:dsse",
            "s3_kms_key_id": "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab",
        },
        {"share_identifier": "teamA", "scheduling_priority": "99"},
        {"region": "us-iso-east-1"},
        {"region": "eusc-de-east-1"},
        {"misconfiguration_timeout": 0},
        {"container_properties": {"logConfiguration": {"options": {"mode": "blocking"}}}},
        {"container_properties": {"linuxParameters": {"tmpfs": []}, "user": "1000:1000"}},
    ],
    ids=str,
)
def test_what_aws_accepts_is_accepted(values):
    resolution.resolve(values, {})


def test_container_properties_are_those_of_the_service_model():
    model = get_session().get_service_model("batch").shape_for("ContainerProperties")
    assert set(model.members) > TAKEN | NOT_ON_EC2
