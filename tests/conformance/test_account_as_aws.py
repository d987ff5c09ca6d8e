"""What CloudFormation, IAM and Service Quotas do, row by row, on the emulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from covalent_awsbatch_plugin.local import LocalAws
from covalent_awsbatch_plugin.local.services.stack import template

PREFIX = "second"


@pytest.fixture
def network(local: LocalAws) -> dict[str, str]:
    ec2 = local.client("ec2")
    subnets = [each["SubnetId"] for each in ec2.describe_subnets()["Subnets"]]
    vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]
    return {"VpcId": vpc["VpcId"], "SubnetIds": subnets[0], "Prefix": PREFIX}


@pytest.fixture
def stack(local: LocalAws, network: dict[str, str]) -> Iterator[str]:
    stacks, name = local.client("cloudformation"), f"{PREFIX}-stack"
    stacks.create_stack(
        StackName=name,
        TemplateBody=template(),
        Parameters=parameters(network),
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    yield name
    stacks.delete_stack(StackName=name)


def parameters(given: dict[str, str]) -> list[dict[str, Any]]:
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()]


def status(local: LocalAws, stack: str) -> str:
    described = local.client("cloudformation").describe_stacks(StackName=stack)
    return str(described["Stacks"][0]["StackStatus"])


def test_a_change_set_is_validated_early_and_details_are_events_until_it_is_deleted(
    local: LocalAws, network: dict[str, str], stack: str
) -> None:
    cloudformation = local.client("cloudformation")
    made = cloudformation.create_change_set(
        StackName=f"{PREFIX}-again",
        ChangeSetName="plan",
        ChangeSetType="CREATE",
        TemplateBody=template(),
        Parameters=parameters(network),
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    described = cloudformation.describe_change_set(ChangeSetName=made["Id"])
    assert described["Status"] == "FAILED"
    assert "AWS::EarlyValidation::ResourceExistenceCheck" in described["StatusReason"]
    assert PREFIX not in described["StatusReason"]

    def events() -> list[dict[str, Any]]:
        found = cloudformation.describe_events(
            ChangeSetName=made["Id"], Filters={"FailedEvents": True}
        )
        return list(found["OperationEvents"])

    reasons = {event["LogicalResourceId"]: event["ValidationStatusReason"] for event in events()}
    assert {"Bucket", "JobRole", "LogGroup", "JobQueue", "DispatcherPolicy"} <= set(reasons)
    assert f"'{PREFIX}-batch-job-role" in reasons["JobRole"]
    cloudformation.delete_change_set(ChangeSetName=made["Id"])
    with pytest.raises(ClientError, match="does not exist"):
        events()


def test_an_attached_policy_blocks_the_deletion_of_a_role(local: LocalAws, stack: str) -> None:
    iam, cloudformation = local.client("iam"), local.client("cloudformation")
    resources = cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
    role = next(r for r in resources if r["LogicalResourceId"] == "JobRole")["PhysicalResourceId"]
    statement = {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    policy = iam.create_policy(PolicyName="mine", PolicyDocument=document)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=role, PolicyArn=policy)
    with pytest.raises(ClientError, match="DeleteConflict"):
        iam.delete_role(RoleName=role)
    cloudformation.delete_stack(StackName=stack)
    assert status(local, stack) == "DELETE_FAILED"
    iam.detach_role_policy(RoleName=role, PolicyArn=policy)
    iam.delete_policy(PolicyArn=policy)
    stack_id = resources[0]["StackId"]
    cloudformation.delete_stack(StackName=stack)
    assert status(local, stack_id) == "DELETE_COMPLETE"


def test_quotas_of_vcpus_are_those_of_a_new_account(local: LocalAws) -> None:
    quotas = local.client("service-quotas")
    listed = {q["QuotaCode"]: q for q in quotas.list_service_quotas(ServiceCode="ec2")["Quotas"]}
    standard, graphics = listed["L-1216C47A"], listed["L-DB2E81BA"]
    assert 0 < standard["Value"] < 256
    assert graphics["Value"] == 0
    asked = quotas.get_service_quota(ServiceCode="ec2", QuotaCode="L-1216C47A")["Quota"]
    assert asked == standard


def test_desired_vcpus_are_what_runs(local: LocalAws) -> None:
    batch, options = local.client("batch"), local.executor_options()

    def desired() -> int:
        described = batch.describe_compute_environments()["computeEnvironments"]
        mine = [e for e in described if e["computeEnvironmentName"].startswith("covalent-")]
        return int(mine[0]["computeResources"].get("desiredvCpus", 0))

    definition = batch.register_job_definition(
        jobDefinitionName="three",
        type="container",
        containerProperties={
            "image": "i",
            "command": ["sh", "-c", "trap 'exit 1' TERM; while :; do sleep 0.1; done"],
            "resourceRequirements": [
                {"type": "VCPU", "value": "3"},
                {"type": "MEMORY", "value": "64"},
            ],
        },
    )["jobDefinitionArn"]
    before = desired()
    job = batch.submit_job(
        jobName="three", jobQueue=options["batch_queue"], jobDefinition=definition
    )
    assert desired() == before + 3
    batch.terminate_job(jobId=job["jobId"], reason="the test is over")
