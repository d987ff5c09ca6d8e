"""The CloudFormation template: valid, private, and in step with the code."""

from __future__ import annotations

import email
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from cfnlint.api import lint_file
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER
from cfripper.cli import get_cfmodel
from cfripper.config.config import Config
from cfripper.rule_processor import RuleProcessor
from cfripper.rules import DEFAULT_RULES

from covalent_awsbatch_plugin.cli.deployment.plan import PARAMETERS, template
from covalent_awsbatch_plugin.cli.deployment.stack import OUTPUT_KEYS
from covalent_awsbatch_plugin.cli.deployment.tagging import TAGGERS
from covalent_awsbatch_plugin.local.services.cloudformation import template as language
from covalent_awsbatch_plugin.options.table import BY_NAME
from covalent_awsbatch_plugin.protocol import s3_keys

ASSETS = files("covalent_awsbatch_plugin") / "assets"


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms: ``!Ref x`` becomes ``{"Ref": x}``."""


def _short_form(loader: Any, suffix: str, node: Any) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {suffix: loader.construct_scalar(node)}
    return {suffix: loader.construct_sequence(node, deep=True)}


_Loader.add_multi_constructor("!", _short_form)


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    return dict(yaml.load(template(), Loader=_Loader))


def test_cfn_lint_finds_nothing() -> None:
    found = lint_file(Path(str(ASSETS / "cloudformation.yaml")))
    assert [str(match) for match in found] == []


# What the second linter asks for and the template does not do, and why.
NOT_DONE = {
    ("S3ObjectVersioningRule", "Bucket"): "tasks' objects are deleted when they are done with",
    ("WildcardResourceRule", "ExecutionRole"): "the image may be of any repository",
    ("WildcardResourceRule", "DispatcherPolicy"): "actions that only look",
}


def test_cfripper_finds_nothing_that_is_not_explained() -> None:
    with (ASSETS / "cloudformation.yaml").open() as file:
        model = get_cfmodel(file)
    model = model.resolve(extra_params={})
    config = Config(rules=list(DEFAULT_RULES), stack_name="covalent-awsbatch")
    rules = [DEFAULT_RULES[name](config) for name in config.rules]
    result = RuleProcessor(*rules).process_cf_template(model, config)
    assert not result.exceptions
    found = {
        (failure.rule, resource)
        for failure in result.get_failures()
        for resource in failure.resource_ids
    }
    assert found == set(NOT_DONE)


def test_parameters_are_those_that_deploy_knows(content: dict[str, Any]) -> None:
    assert tuple(content["Parameters"]) == PARAMETERS


def test_what_deploy_tags_is_all_but_the_buckets_policy(content: dict[str, Any]) -> None:
    kinds = {resource["Type"] for resource in content["Resources"].values()}
    assert kinds - set(TAGGERS) == {"AWS::S3::BucketPolicy"}


def test_outputs_are_options_of_the_executor(content: dict[str, Any]) -> None:
    assert set(content["Outputs"]) == set(OUTPUT_KEYS)
    assert set(OUTPUT_KEYS.values()) < set(BY_NAME)


def test_the_bucket_is_private_encrypted_and_cleans_up(content: dict[str, Any]) -> None:
    bucket = content["Resources"]["Bucket"]["Properties"]
    assert all(bucket["PublicAccessBlockConfiguration"].values())
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    rules = bucket["LifecycleConfiguration"]["Rules"]
    expiring = [rule for rule in rules if "ExpirationInDays" in rule]
    assert [rule["Prefix"] for rule in expiring] == [f"{s3_keys.PREFIX}/"]
    assert any("AbortIncompleteMultipartUpload" in rule for rule in rules)
    (statement,) = content["Resources"]["BucketPolicy"]["Properties"]["PolicyDocument"][
        "Statement"
    ]
    assert (statement["Effect"], statement["Action"]) == ("Deny", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_roles_are_for_this_accounts_tasks_alone(content: dict[str, Any]) -> None:
    for name in ("JobRole", "ExecutionRole"):
        (statement,) = content["Resources"][name]["Properties"]["AssumeRolePolicyDocument"][
            "Statement"
        ]
        assert statement["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
        assert "aws:SourceAccount" in statement["Condition"]["StringEquals"]


def test_a_task_reaches_its_objects_alone(content: dict[str, Any]) -> None:
    (policy,) = content["Resources"]["JobRole"]["Properties"]["Policies"]
    statement, for_key = policy["PolicyDocument"]["Statement"]
    assert for_key["Fn::If"][0] == "UseKms"
    assert set(statement["Action"]) == {"s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"}
    assert statement["Resource"]["Sub"].endswith(f"/{s3_keys.PREFIX}/*")


def test_nothing_may_connect_to_the_instances(content: dict[str, Any]) -> None:
    assert "SecurityGroupIngress" not in content["Resources"]["SecurityGroup"]["Properties"]
    launch = content["Resources"]["LaunchTemplate"]["Properties"]["LaunchTemplateData"]
    assert launch["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}


def test_no_partition_is_written_out() -> None:
    assert "arn:aws:" not in template()


# What cannot be changed on a resource that has a name: CloudFormation would make the new one
# before it deletes the old one, and fail over the name. By type, from AWS's own schemas.
CREATE_ONLY = {
    "AWS::Batch::ComputeEnvironment": ("ComputeEnvironmentName", "Tags", "Type"),
    "AWS::Batch::JobDefinition": ("JobDefinitionName",),
    "AWS::Batch::JobQueue": ("JobQueueName", "JobQueueType"),
    "AWS::EC2::LaunchTemplate": ("LaunchTemplateName", "TagSpecifications"),
    "AWS::EC2::SecurityGroup": ("GroupDescription", "GroupName", "VpcId"),
    "AWS::IAM::InstanceProfile": ("InstanceProfileName", "Path"),
    "AWS::IAM::ManagedPolicy": ("ManagedPolicyName", "Description", "Path"),
    "AWS::IAM::Role": ("RoleName", "Path"),
    "AWS::Logs::LogGroup": ("LogGroupName",),
    "AWS::S3::Bucket": ("BucketName",),
}


def _created(text: str) -> dict[str, Any]:
    """Return what a template that asks for everything makes, with what cannot be changed."""
    content = language.load(text)
    given = {"Prefix": "p", "VpcId": "vpc-1", "SubnetIds": "subnet-1", "Spot": "true"}
    values = language.parameters(content, given)
    pseudo = {
        "AWS::AccountId": "1",
        "AWS::Partition": "aws",
        "AWS::Region": "eu-west-1",
        "AWS::URLSuffix": "amazonaws.com",
    }
    known = language.environment(content, values, pseudo)
    return {
        name: {
            key: value
            for key, value in resource["Properties"].items()
            if key in CREATE_ONLY.get(resource["Type"], ())
        }
        for name, resource in language.resources(content, known).items()
    }


def test_an_update_replaces_no_resource_of_an_older_stack() -> None:
    older = Path(__file__).parent / "fixtures" / "cloudformation-2026-11.yaml"
    before, now = _created(older.read_text("utf-8")), _created(template())
    assert {name: now[name] for name in before} == before


def test_what_cannot_be_changed_is_what_the_schemas_have() -> None:
    for kind, names in CREATE_ONLY.items():
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
        fixed = {
            path.split("/")[2] for path in schema["createOnlyProperties"] if path.count("/") == 2
        }
        assert fixed & set(_used(kind)) <= set(names), kind


def _used(kind: str) -> set[str]:
    found = yaml.load(template(), Loader=_Loader)["Resources"].values()
    return {
        key for resource in found if resource["Type"] == kind for key in resource["Properties"]
    }


def test_ended_containers_do_not_fill_the_disk(content: dict[str, Any]) -> None:
    launch = content["Resources"]["LaunchTemplate"]["Properties"]["LaunchTemplateData"]
    message = email.message_from_string(launch["UserData"]["Fn::Base64"])
    assert message.is_multipart()
    (script,) = message.get_payload()
    assert script.get_content_type() == "text/x-shellscript"
    lines = script.get_payload().splitlines()
    assert lines[0] == "#!/bin/bash"
    assert "echo ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION=5m >> /etc/ecs/ecs.config" in lines


def test_jobs_that_can_never_run_leave_the_queue_after_ten_minutes(
    content: dict[str, Any],
) -> None:
    for queue in ("JobQueue", "GpuQueue"):
        actions = content["Resources"][queue]["Properties"]["JobStateTimeLimitActions"]
        assert {action["MaxTimeSeconds"] for action in actions} == {600}
