"""``deploy``: the stack's life, the configuration before and after, and all that can be wrong."""

from __future__ import annotations

import json
import re
import socket
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import toml

from covalent_awsbatch_plugin.cli.deployment.stack import OUTPUT_KEYS, stack_name

from .command import Aws, CommandLine, Done

TEMPLATE = (files("covalent_awsbatch_plugin") / "assets" / "cloudformation.yaml").read_text()


def parameters(aws: Aws, prefix: str) -> dict[str, str]:
    answer = aws.client("cloudformation").describe_stacks(StackName=stack_name(prefix))
    return {p["ParameterKey"]: p["ParameterValue"] for p in answer["Stacks"][0]["Parameters"]}


def stacks(aws: Aws) -> list[str]:
    return [s["StackName"] for s in aws.client("cloudformation").describe_stacks()["Stacks"]]


def left(aws: Aws, prefix: str) -> list[str]:
    """Everything of a prefix that there is, whatever made it."""
    batch, iam = aws.client("batch"), aws.client("iam")
    found = [
        *(b["Name"] for b in aws.client("s3").list_buckets()["Buckets"]),
        *(g["logGroupName"] for g in aws.client("logs").describe_log_groups()["logGroups"]),
        *(r["RoleName"] for r in iam.list_roles()["Roles"]),
        *(p["PolicyName"] for p in iam.list_policies(Scope="Local")["Policies"]),
        *(p["InstanceProfileName"] for p in iam.list_instance_profiles()["InstanceProfiles"]),
        *(q["jobQueueName"] for q in batch.describe_job_queues()["jobQueues"]),
        *(
            e["computeEnvironmentName"]
            for e in batch.describe_compute_environments()["computeEnvironments"]
        ),
        *(
            d["jobDefinitionName"]
            for d in batch.describe_job_definitions(status="ACTIVE")["jobDefinitions"]
        ),
        *(
            t["LaunchTemplateName"]
            for t in aws.client("ec2").describe_launch_templates()["LaunchTemplates"]
        ),
    ]
    return [name for name in found if name.startswith(f"{prefix}-")]


def refused(done: Done, *expected: str) -> None:
    """Assert that a command ended with a sentence and a fix, and nothing else."""
    assert done.code in (1, 2), done.text
    assert done.err.startswith(("Error: ", "Usage: ")), done.err
    for words in expected:
        assert words in done.err, done.err


def test_a_stack_is_made_changed_and_removed(aws: Aws, on_aws: CommandLine) -> None:
    prefix = "life"
    before = on_aws.section()
    made = on_aws("deploy", "--prefix", prefix)
    assert made.code == 0, made.text
    for resource in ("Bucket", "JobRole", "OnDemandEnvironment", "JobQueue", "JobDefinition"):
        assert re.search(rf"CREATE_COMPLETE +{resource}", made.out)

    section = on_aws.section()
    assert {key: section[key] for key in before} == before
    assert set(section) == set(before) | set(OUTPUT_KEYS.values())
    assert section["batch_queue"] == f"{prefix}-batch-queue"
    assert f'+ batch_queue = "{prefix}-batch-queue"' in made.out
    (backup,) = on_aws.configuration.parent.glob("*.bak")
    assert toml.load(backup)["executors"]["awsbatch"] == before
    assert str(backup) in made.out

    spot = on_aws("deploy", "--prefix", prefix, "--spot", "--max-vcpus", "64", "--gpu")
    assert spot.code == 0, spot.text
    batch = aws.client("batch")
    (queue,) = batch.describe_job_queues(jobQueues=[f"{prefix}-batch-queue"])["jobQueues"]
    order = sorted(queue["computeEnvironmentOrder"], key=lambda entry: entry["order"])
    names = [entry["computeEnvironment"].rpartition("/")[2] for entry in order]
    assert names == [f"{prefix}-batch-spot", f"{prefix}-batch-on-demand"]
    described = batch.describe_compute_environments(computeEnvironments=names)
    for environment in described["computeEnvironments"]:
        resources = environment["computeResources"]
        assert resources["maxvCpus"] == 64
        assert resources["instanceTypes"] == ["optimal", "g4dn", "g5"]

    again = on_aws("deploy", "--prefix", prefix, "--no-spot")
    assert re.search(r"Remove .*SpotEnvironment", again.out), again.text
    # What this call did not mention is as the call before it left it.
    assert parameters(aws, prefix)["MaxvCpus"] == "64"
    assert "up to date" in on_aws("deploy", "--prefix", prefix).out

    removed = on_aws("deploy", "--delete", "--yes", "--prefix", prefix)
    assert removed.code == 0, removed.text
    assert "Kept: your configuration" in removed.out
    assert left(aws, prefix) == []
    assert stack_name(prefix) not in stacks(aws)


def test_a_plan_changes_nothing(aws: Aws, on_aws: CommandLine) -> None:
    configuration = on_aws.configuration.read_text()
    done = on_aws("deploy", "--plan", "--prefix", "plan")
    assert done.code == 0, done.text
    assert re.search(r"Add .*JobQueue", done.out)
    assert "nothing was changed" in done.out
    assert left(aws, "plan") == []
    assert stack_name("plan") not in stacks(aws)
    assert on_aws.configuration.read_text() == configuration

    assert on_aws("deploy", "--prefix", "plan").code == 0
    done = on_aws("deploy", "--plan", "--prefix", "plan", "--log-days", "7")
    assert re.search(r"Modify .*LogGroup", done.out)
    assert not re.search("Add|Remove|Replace", done.out)
    assert parameters(aws, "plan")["LogDays"] == "30"
    assert "up to date" in on_aws("deploy", "--plan", "--prefix", "plan").out


def test_deleting_takes_the_executors_things_along_and_asks(aws: Aws, on_aws: CommandLine) -> None:
    assert on_aws("deploy", "--prefix", "full").code == 0
    bucket = on_aws.section()["s3_bucket_name"]
    s3 = aws.client("s3")
    for number in range(3):
        s3.put_object(Bucket=bucket, Key=f"covalent/d/{number}/task", Body=b"x")
    # A revision such as the executor registers, which is not the stack's.
    aws.client("batch").register_job_definition(
        jobDefinitionName="full-batch-jobs",
        type="container",
        containerProperties={"image": "i", "vcpus": 1, "memory": 128},
    )
    for confirmed in ([], ["--yes"]):
        plan = on_aws("deploy", "--delete", "--plan", "--prefix", "full", *confirmed)
        assert plan.code == 0, plan.text
        assert f"3 objects of the plugin in {bucket}" in plan.out
        assert "nothing was changed" in plan.out
        assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 3
        assert stack_name("full") in stacks(aws)

    no = on_aws("deploy", "--delete", "--prefix", "full", stdin="n\n")
    assert no.code == 1
    assert f"3 objects of the plugin in {bucket}" in no.out
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 3

    yes = on_aws("deploy", "--delete", "--prefix", "full", stdin="y\n")
    assert yes.code == 0, yes.text
    assert left(aws, "full") == []


def test_what_others_keep_in_the_bucket_is_kept(aws: Aws, on_aws: CommandLine) -> None:
    assert on_aws("deploy", "--prefix", "shared").code == 0
    bucket = on_aws.section()["s3_bucket_name"]
    s3 = aws.client("s3")
    s3.put_object(Bucket=bucket, Key="covalent/d/0/task", Body=b"x")
    s3.put_object(Bucket=bucket, Key="thesis.pdf", Body=b"x")
    done = on_aws("deploy", "--delete", "--yes", "--prefix", "shared")
    assert done.code == 0, done.text
    assert f"Kept: the bucket {bucket}, because it holds 1 objects" in done.out
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["thesis.pdf"]
    assert left(aws, "shared") == [bucket]

    refused(on_aws("deploy", "--prefix", "shared"), bucket, "exists already", "another --prefix")
    assert stack_name("shared") not in stacks(aws)


def test_the_configuration_names_how_to_get_there(aws: Aws, command: CommandLine) -> None:
    """Options of the call that the server needs too are written, and nothing else is."""
    done = command(
        "deploy",
        *("--endpoint-url", aws.endpoint_url, "--credentials", str(aws.credentials_file)),
        *("--prefix", "fresh", "--region", "eu-west-1"),
    )
    assert done.code == 0, done.text
    section = command.section()
    assert section["region"] == "eu-west-1"
    assert section["endpoint_url"] == aws.endpoint_url
    assert section["credentials"] == str(aws.credentials_file)
    assert "profile" not in section
    assert "eu-west-1" in section["s3_bucket_name"]
    assert not list(command.configuration.parent.glob("*.bak"))


def test_what_the_environment_names_is_written_for_the_server(
    aws: Aws, command: CommandLine, tmp_path: Path
) -> None:
    """The variables that 'covalent-awsbatch local' prints are enough."""
    file = tmp_path / "keys"
    file.write_text(aws.credentials_file.read_text().replace("[default]", "[lab]"))
    command.extra.update(
        AWS_ENDPOINT_URL=aws.endpoint_url,
        AWS_SHARED_CREDENTIALS_FILE=str(file),
        AWS_PROFILE="lab",
        AWS_DEFAULT_REGION="eu-west-2",
    )
    assert command("deploy", "--prefix", "env").code == 0
    section = command.section()
    assert section["credentials"] == str(file)
    assert section["endpoint_url"] == aws.endpoint_url
    assert (section["profile"], section["region"]) == ("lab", "eu-west-2")
    command.extra.clear()
    assert command("doctor").code == 0


# ---- Everything that can be wrong


def test_a_failed_deployment_leaves_nothing_and_says_why(aws: Aws, on_aws: CommandLine) -> None:
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    iam = aws.client("iam")
    iam.create_role(RoleName="taken-batch-job-role", AssumeRolePolicyDocument=trust)
    configuration = on_aws.configuration.read_text()
    refused(on_aws("deploy", "--prefix", "taken"), "JobRole", "already exists", "--prefix")
    assert left(aws, "taken") == ["taken-batch-job-role"]
    assert on_aws.configuration.read_text() == configuration


def test_a_stack_in_rollback_complete_is_told_apart(aws: Aws, on_aws: CommandLine) -> None:
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    iam = aws.client("iam")
    iam.create_role(RoleName="rolled-batch-job-role", AssumeRolePolicyDocument=trust)
    ec2 = aws.client("ec2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    given = {"Prefix": "rolled", "VpcId": vpc, "SubnetIds": subnet}
    cloudformation = aws.client("cloudformation")
    cloudformation.create_stack(
        StackName=stack_name("rolled"),
        TemplateBody=TEMPLATE,
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in given.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    refused(
        on_aws("deploy", "--prefix", "rolled"),
        "ROLLBACK_COMPLETE",
        "covalent-awsbatch deploy --delete --prefix rolled",
    )
    iam.delete_role(RoleName="rolled-batch-job-role")
    assert on_aws("deploy", "--delete", "--yes", "--prefix", "rolled").code == 0
    assert on_aws("deploy", "--prefix", "rolled").code == 0


BAD_CALLS: list[tuple[list[str], int, list[str]]] = [
    (["--prefix", "Upper"], 2, ["'Upper'", "1 to 15 lower-case"]),
    (["--prefix", "much-too-long-a-prefix"], 2, ["1 to 15"]),
    (["--profile", "absent"], 1, ["no AWS profile 'absent'", "there are: default"]),
    (["--credentials", "/nowhere/at/all"], 1, ["no credentials file /nowhere/at/all"]),
    (["--region", "nowhere"], 1, ["region is 'nowhere'", "us-east-1"]),
    (["--log-days", "2"], 1, ["LogDays"]),
    (["--max-vcpus", "0"], 2, ["--max-vcpus"]),
    (["--subnet-ids", "subnet-0"], 1, ["subnet-0"]),
    (["--vpc-id", "vpc-0"], 1, ["vpc-0", "--vpc-id"]),
    (["--delete", "--prefix", "typo"], 1, ["no stack typo-awsbatch", "--prefix"]),
    (["--endpoint-url", "here"], 1, ["endpoint_url is 'here'"]),
]


@pytest.mark.parametrize(("arguments", "code", "expected"), BAD_CALLS)
def test_a_bad_call_is_refused(
    on_aws: CommandLine, arguments: list[str], code: int, expected: list[str]
) -> None:
    configuration = on_aws.configuration.read_text()
    done = on_aws.here("deploy", *arguments)
    refused(done, *expected)
    assert done.code == code
    assert on_aws.configuration.read_text() == configuration


def test_a_region_that_aws_does_not_have_names_the_nearest(command: CommandLine) -> None:
    done = command("deploy", "--region", "us-esat-1")
    refused(done, "no region 'us-esat-1'", "did you mean", "us-east-1")
    assert done.code == 2


def test_no_credentials(command: CommandLine) -> None:
    refused(command("deploy"), "No AWS credentials were found", "aws configure")


def test_no_network(on_aws: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    on_aws.configure({**on_aws.section(), "endpoint_url": f"http://127.0.0.1:{port}"})
    refused(on_aws("deploy"), "AWS could not be reached", f"127.0.0.1:{port}", "network")


def test_a_broken_configuration_file(on_aws: CommandLine) -> None:
    on_aws.configuration.write_text("[executors.awsbatch\n")
    refused(on_aws("deploy"), "not valid TOML", str(on_aws.configuration))
    assert on_aws.configuration.read_text() == "[executors.awsbatch\n"


def test_no_default_vpc(aws: Aws, on_aws: CommandLine) -> None:
    region = "ap-southeast-2"
    ec2 = aws.client("ec2", region)
    default: dict[str, Any] = ec2.describe_vpcs()["Vpcs"][0]
    for subnet in ec2.describe_subnets()["Subnets"]:
        ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    ec2.delete_vpc(VpcId=default["VpcId"])
    refused(on_aws("deploy", "--region", region), "no default VPC", "--vpc-id")
