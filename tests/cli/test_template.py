"""The CloudFormation template: valid, private, and in step with the code."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from cfnlint.api import lint_file

from covalent_awsbatch_plugin.cli.deployment.plan import PARAMETERS, template
from covalent_awsbatch_plugin.cli.deployment.stack import OUTPUT_KEYS
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


def test_parameters_are_those_that_deploy_knows(content: dict[str, Any]) -> None:
    assert tuple(content["Parameters"]) == PARAMETERS


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
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert set(statement["Action"]) == {"s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"}
    assert statement["Resource"]["Sub"].endswith(f"/{s3_keys.PREFIX}/*")


def test_nothing_may_connect_to_the_instances(content: dict[str, Any]) -> None:
    assert "SecurityGroupIngress" not in content["Resources"]["SecurityGroup"]["Properties"]
    launch = content["Resources"]["LaunchTemplate"]["Properties"]["LaunchTemplateData"]
    assert launch["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}


def test_no_partition_is_written_out() -> None:
    assert "arn:aws:" not in template()
