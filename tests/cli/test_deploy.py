"""``deploy``: the stack's life, the configuration before and after, and all that can be wrong."""

from __future__ import annotations

import json
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import toml

from covalent_awsbatch_plugin.cli.deployment.stack import OUTPUT_KEYS, stack_name

from .command import TIME_LIMIT, Aws, CommandLine, Done
from .proxy import Proxy
from .terminal import open_terminal

TEMPLATE = (files("covalent_awsbatch_plugin") / "assets" / "cloudformation.yaml").read_text()

# As it was before names had a region, and before GPUs had a queue of their own.
OLDER_TEMPLATE = Path(__file__).parent / "fixtures" / "cloudformation-2026-11.yaml"


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
        assert resources["instanceTypes"] == ["optimal"]
    (with_gpus,) = batch.describe_compute_environments(
        computeEnvironments=[f"{prefix}-batch-gpu"]
    )["computeEnvironments"]
    assert with_gpus["computeResources"]["instanceTypes"] == ["g4dn", "g5"]
    (of_gpus,) = batch.describe_job_queues(jobQueues=[f"{prefix}-batch-gpu-queue"])["jobQueues"]
    (entry,) = of_gpus["computeEnvironmentOrder"]
    assert entry["computeEnvironment"] == with_gpus["computeEnvironmentArn"]
    assert "quota 'Running On-Demand G and VT instances' is 0 vCPUs" in spot.out
    assert "Tasks that run then may go on for 24 hours" in spot.out

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
    assert f"Deleting 3 objects in {bucket}.\n" in yes.out
    assert left(aws, "full") == []


def test_a_terminal_shows_how_many_objects_are_deleted(aws: Aws, on_aws: CommandLine) -> None:
    assert on_aws("deploy", "--prefix", "emptied").code == 0
    bucket = on_aws.section()["s3_bucket_name"]
    aws.client("s3").put_object(Bucket=bucket, Key="covalent/d/0/task", Body=b"x")
    with open_terminal(on_aws, 100, "deploy", "--delete", "--yes", "--prefix", "emptied") as shown:
        assert shown.wait(TIME_LIMIT) == 0, shown.text
    assert b"0 of 1 deleted" in shown.raw
    assert f"Deleting 1 object in {bucket}." in shown.text
    assert left(aws, "emptied") == []


def test_what_others_keep_in_the_bucket_is_kept(aws: Aws, on_aws: CommandLine) -> None:
    assert on_aws("deploy", "--prefix", "shared").code == 0
    bucket = on_aws.section()["s3_bucket_name"]
    s3 = aws.client("s3")
    s3.put_object(Bucket=bucket, Key="covalent/d/0/task", Body=b"x")
    s3.put_object(Bucket=bucket, Key="thesis.pdf", Body=b"x")
    done = on_aws("deploy", "--delete", "--yes", "--prefix", "shared")
    assert done.code == 0, done.text
    assert f"Kept: the bucket {bucket}, because it holds 1 object " in done.out
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
    iam.create_role(RoleName="taken-batch-job-role-us-east-1", AssumeRolePolicyDocument=trust)
    configuration = on_aws.configuration.read_text()
    refused(on_aws("deploy", "--prefix", "taken"), "JobRole", "already exists", "--prefix")
    assert left(aws, "taken") == ["taken-batch-job-role-us-east-1"]
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
    (["--keep-warm", "5"], 2, ["20 to 10080 minutes"]),
    (["--tag", "team"], 2, ["KEY=VALUE"]),
    ([f"--tag={n}=x" for n in range(6)], 2, ["at most 5"]),
    (["--kms-key", "alias/mine"], 1, ["KmsKeyArn"]),
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


# ---- What AWS makes difficult


def test_two_regions_have_the_same_prefix(aws: Aws, on_aws: CommandLine) -> None:
    """Names of roles are the account's, stacks the region's."""
    for region in ("us-east-1", "eu-west-1"):
        done = on_aws("deploy", "--prefix", "both", "--region", region)
        assert done.code == 0, done.text
        assert on_aws.section()["batch_job_role_name"] == f"both-batch-job-role-{region}"
    for region in ("us-east-1", "eu-west-1"):
        on_aws("deploy", "--delete", "--yes", "--prefix", "both", "--region", region)
    assert left(aws, "both") == []


def test_a_stack_of_the_older_template_is_updated_and_keeps_its_names(
    aws: Aws, on_aws: CommandLine
) -> None:
    ec2, prefix = aws.client("ec2"), "older"
    subnet = ec2.describe_subnets()["Subnets"][0]
    given = {"Prefix": prefix, "VpcId": subnet["VpcId"], "SubnetIds": subnet["SubnetId"]}
    aws.client("cloudformation").create_stack(
        StackName=stack_name(prefix),
        TemplateBody=(
            Path(__file__).parent / "fixtures" / "cloudformation-2026-11.yaml"
        ).read_text(),
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in given.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    before = left(aws, prefix)
    plan = on_aws("deploy", "--prefix", prefix, "--plan")
    assert re.search(r"Modify .*LaunchTemplate", plan.out)
    assert not re.search("Add|Remove|Replace", plan.out), plan.out
    done = on_aws("deploy", "--prefix", prefix)
    assert done.code == 0, done.text
    assert left(aws, prefix) == before
    assert f"{prefix}-batch-job-role" in before
    assert parameters(aws, prefix)["RegionInNames"] == "false"
    assert "up to date" in on_aws("deploy", "--prefix", prefix).out
    assert on_aws("deploy", "--delete", "--yes", "--prefix", prefix).code == 0


def test_what_is_attached_to_roles_and_policy_goes_with_them(
    aws: Aws, on_aws: CommandLine
) -> None:
    assert on_aws("deploy", "--prefix", "attach").code == 0
    iam = aws.client("iam")
    document = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}],
        }
    )
    (dispatcher,) = [
        p["Arn"]
        for p in iam.list_policies(Scope="Local")["Policies"]
        if p["PolicyName"].startswith("attach-batch-dispatcher")
    ]
    iam.create_user(UserName="ada")
    iam.attach_user_policy(UserName="ada", PolicyArn=dispatcher)
    own = iam.create_policy(PolicyName="of-ada", PolicyDocument=document)["Policy"]["Arn"]
    role = "attach-batch-job-role-us-east-1"
    iam.attach_role_policy(RoleName=role, PolicyArn=own)
    iam.put_role_policy(RoleName=role, PolicyName="inline", PolicyDocument=document)

    plan = on_aws("deploy", "--delete", "--plan", "--prefix", "attach")
    assert "policy of-ada of the role attach-batch-job-role-us-east-1" in plan.out
    assert "inline policy inline of the role" in plan.out
    assert "of the user ada" in plan.out
    done = on_aws("deploy", "--delete", "--yes", "--prefix", "attach")
    assert done.code == 0, done.text
    assert left(aws, "attach") == []
    assert iam.get_policy(PolicyArn=own)["Policy"]["AttachmentCount"] == 0
    iam.delete_policy(PolicyArn=own)
    iam.delete_user(UserName="ada")


def test_what_organisations_require(aws: Aws, on_aws: CommandLine) -> None:
    iam, kms = aws.client("iam"), aws.client("kms")
    everything = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
        }
    )
    boundary = iam.create_policy(PolicyName="boundary", PolicyDocument=everything)["Policy"]["Arn"]
    key = kms.create_key()["KeyMetadata"]["Arn"]
    done = on_aws(
        *("deploy", "--prefix", "strict", "--permissions-boundary", boundary, "--kms-key", key),
        *("--tag", "team=proteins", "--tag", "cost-centre=4711", "--keep-warm", "30"),
    )
    assert done.code == 0, done.text
    role = iam.get_role(RoleName="strict-batch-job-role-us-east-1")["Role"]
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == boundary
    policy = iam.get_role_policy(RoleName=role["RoleName"], PolicyName="task-objects")
    assert key in json.dumps(policy["PolicyDocument"])
    bucket = on_aws.section()["s3_bucket_name"]
    rules = aws.client("s3").get_bucket_encryption(Bucket=bucket)
    (rule,) = rules["ServerSideEncryptionConfiguration"]["Rules"]
    default = rule["ApplyServerSideEncryptionByDefault"]
    assert default == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    (group,) = aws.client("logs").describe_log_groups(logGroupNamePrefix="strict-")["logGroups"]
    assert group["kmsKeyId"] == key
    launch = aws.client("ec2").describe_launch_template_versions(
        LaunchTemplateName="strict-batch-instances", Versions=["$Latest"]
    )["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    for specification in launch["TagSpecifications"]:
        tags = {tag["Key"]: tag["Value"] for tag in specification["Tags"]}
        assert tags == {"covalent-awsbatch": "strict", "team": "proteins", "cost-centre": "4711"}
    (environment,) = aws.client("batch").describe_compute_environments(
        computeEnvironments=["strict-batch-on-demand"]
    )["computeEnvironments"]
    assert environment["computeResources"]["scalingPolicy"] == {"minScaleDownDelayMinutes": 30}
    again = on_aws("deploy", "--prefix", "strict", "--refresh")
    assert "OnDemandEnvironment: new instances will have the newest machine image" in again.out
    assert on_aws("deploy", "--delete", "--yes", "--prefix", "strict").code == 0
    iam.delete_policy(PolicyArn=boundary)


def test_subnets_are_chosen_by_their_routes(aws: Aws, on_aws: CommandLine) -> None:
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{n}.0/24")["Subnet"]["SubnetId"]
        for n in range(3)
    ]
    public, unnumbered, isolated = subnets
    refused(on_aws("deploy", "--vpc-id", vpc, "--prefix", "routes"), "has a way to ECS", "NAT")

    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    for subnet in (public, unnumbered):
        ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    ec2.modify_subnet_attribute(SubnetId=public, MapPublicIpOnLaunch={"Value": True})
    assert on_aws("deploy", "--vpc-id", vpc, "--prefix", "routes").code == 0
    assert parameters(aws, "routes")["SubnetIds"] == public

    named = on_aws(
        "deploy", "--plan", "--prefix", "routes", "--subnet-ids", f"{public},{isolated}"
    )
    assert f"instances in {isolated} have no way to ECS" in named.out
    assert on_aws("deploy", "--delete", "--yes", "--prefix", "routes").code == 0


def test_a_new_stack_on_aws_itself_is_asked_for(aws: Aws, command: CommandLine) -> None:
    services = ("STS", "S3", "EC2", "CLOUDFORMATION", "IAM", "BATCH", "SERVICE_QUOTAS")
    command.extra = {f"AWS_ENDPOINT_URL_{name}": aws.endpoint_url for name in services}
    command.extra |= {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
    command.extra |= {"AWS_REGION": "eu-west-3"}
    for answer in ("", "n\n"):
        done = command("deploy", "--prefix", "asked", stdin=answer)
        assert "Make the new stack asked-awsbatch in eu-west-3?" in done.out
        refused(done, "Nothing was made", "--yes")
    assert "(keys in the environment)" in done.out
    assert "eu-west-3 (the environment variable AWS_REGION)" in done.out
    stacks_there = aws.client("cloudformation", "eu-west-3").describe_stacks()["Stacks"]
    assert [s for s in stacks_there if s["StackStatus"] != "DELETE_COMPLETE"] == []


def tags_of(aws: Aws, prefix: str) -> dict[str, dict[str, str]]:
    """The tags of a stack's resources, asked of each service, by logical name."""
    stack = aws.client("cloudformation").describe_stack_resources(StackName=stack_name(prefix))
    return {
        each["LogicalResourceId"]: TAGS[each["ResourceType"]](aws, each["PhysicalResourceId"])
        for each in stack["StackResources"]
        if each["ResourceType"] in TAGS
    }


def in_pairs(tags: list[dict[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def of_batch(aws: Aws, arn: str) -> dict[str, str]:
    return dict(aws.client("batch").list_tags_for_resource(resourceArn=arn)["tags"])


def of_ec2(aws: Aws, name: str) -> dict[str, str]:
    which = [{"Name": "resource-id", "Values": [name]}]
    return in_pairs(aws.client("ec2").describe_tags(Filters=which)["Tags"])


def of_log_group(aws: Aws, name: str) -> dict[str, str]:
    arn = f"arn:aws:logs:us-east-1:{aws.account}:log-group:{name}"
    return dict(aws.client("logs").list_tags_for_resource(resourceArn=arn)["tags"])


TAGS = {
    "AWS::S3::Bucket": lambda aws, name: in_pairs(
        aws.client("s3").get_bucket_tagging(Bucket=name)["TagSet"]
    ),
    "AWS::Logs::LogGroup": of_log_group,
    "AWS::IAM::Role": lambda aws, name: in_pairs(
        aws.client("iam").list_role_tags(RoleName=name)["Tags"]
    ),
    "AWS::IAM::InstanceProfile": lambda aws, name: in_pairs(
        aws.client("iam").get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Tags"]
    ),
    "AWS::IAM::ManagedPolicy": lambda aws, arn: in_pairs(
        aws.client("iam").list_policy_tags(PolicyArn=arn)["Tags"]
    ),
    "AWS::EC2::SecurityGroup": of_ec2,
    "AWS::EC2::LaunchTemplate": of_ec2,
    "AWS::Batch::ComputeEnvironment": of_batch,
    "AWS::Batch::JobQueue": of_batch,
    "AWS::Batch::JobDefinition": of_batch,
}


def test_a_tag_reaches_what_is_there_already(aws: Aws, on_aws: CommandLine) -> None:
    prefix = "tagged"
    assert on_aws("deploy", "--prefix", prefix, "--gpu").code == 0
    s3, bucket = aws.client("s3"), on_aws.section()["s3_bucket_name"]
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "mine", "Value": "1"}]})
    done = on_aws("deploy", "--prefix", prefix, "--tag", "team=proteins", "--tag", "cost=4711")
    assert done.code == 0, done.text
    assert "has not got the tags" not in done.out
    found = tags_of(aws, prefix)
    assert len(found) > 10
    for resource, tags in found.items():
        assert {"team": "proteins", "cost": "4711"}.items() <= tags.items(), resource
    assert found["Bucket"]["mine"] == "1"
    assert on_aws("deploy", "--delete", "--yes", "--prefix", prefix).code == 0


def test_quotas_are_compared_with_what_the_stack_will_have(aws: Aws, on_aws: CommandLine) -> None:
    prefix = "quota"
    assert on_aws("deploy", "--prefix", prefix, "--max-vcpus", "16", "--spot").code == 0
    # 16 vCPUs are kept: fewer than the 32 that the account may run, of either kind.
    done = on_aws("deploy", "--prefix", prefix, "--plan", "--no-spot")
    assert "Warning: The account's quota" not in done.out, done.out
    done = on_aws("deploy", "--prefix", prefix, "--plan", "--max-vcpus", "64")
    assert re.search("Running On-Demand Standard .*, fewer than the 64", done.out)
    assert re.search("All Standard .* Spot .*, fewer than the 64", done.out)
    assert on_aws("deploy", "--delete", "--yes", "--prefix", prefix).code == 0


@contextmanager
def held(aws: Aws, command: CommandLine, operation: str, state: bytes) -> Iterator[Proxy]:
    """Have CloudFormation report for ever that it is at work."""
    with Proxy(aws.endpoint_url) as proxy:
        proxy.changed[f"cloudformation:{operation}"] = lambda content: content.replace(
            b"CREATE_COMPLETE", state
        )
        command.configure({**command.section(), "endpoint_url": proxy.endpoint_url})
        yield proxy


def interrupted(command: CommandLine, proxy: Proxy, operation: str, *arguments: str) -> str:
    """Return what a command prints that gets SIGINT after some calls of an operation."""
    with open_terminal(command, 80, *arguments) as terminal:
        terminal.wait_for(lambda _: proxy.calls[f"cloudformation:{operation}"] > 3)
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.wait() == 1
        return " ".join(terminal.text.split())


def test_an_interrupt_while_the_stack_is_made(aws: Aws, on_aws: CommandLine) -> None:
    configuration = on_aws.section()
    with held(aws, on_aws, "DescribeStacks", b"CREATE_IN_PROGRESS") as proxy:
        shown = interrupted(on_aws, proxy, "DescribeStacks", "deploy", "--prefix", "broken")
    assert "CloudFormation goes on with broken-awsbatch by itself" in shown
    assert "Traceback" not in shown
    on_aws.configure(configuration)
    again = on_aws("deploy", "--prefix", "broken")
    assert "is up to date" in again.out
    assert on_aws.section()["batch_queue"] == "broken-batch-queue"
    assert on_aws("deploy", "--delete", "--yes", "--prefix", "broken").code == 0


def test_an_interrupt_while_it_is_planned_leaves_nothing(aws: Aws, on_aws: CommandLine) -> None:
    with held(aws, on_aws, "DescribeChangeSet", b"CREATE_IN_PROGRESS") as proxy:
        interrupted(on_aws, proxy, "DescribeChangeSet", "deploy", "--prefix", "planned")
    assert stack_name("planned") not in stacks(aws)


def test_whether_the_bucket_is_there_may_be_unknown(aws: Aws, on_aws: CommandLine) -> None:
    with Proxy(aws.endpoint_url) as proxy:
        proxy.denied.add("s3:HeadBucket")
        on_aws.configure({**on_aws.section(), "endpoint_url": proxy.endpoint_url})
        done = on_aws("deploy", "--prefix", "unseen")
        assert done.code == 0, done.text
        proxy.denied = {"s3:ListObjectsV2"}
        refused(on_aws("deploy", "--delete", "--yes", "--prefix", "unseen"), "allow s3:ListBucket")
        proxy.denied.clear()
        assert on_aws("deploy", "--delete", "--yes", "--prefix", "unseen").code == 0


STATES = {
    "UPDATE_ROLLBACK_FAILED": (
        "continue-update-rollback --stack-name unusable-awsbatch --region us-east-1"
    ),
    "ROLLBACK_FAILED": "deploy --delete --prefix unusable",
    "DELETE_FAILED": "deploy --delete --prefix unusable",
    "UPDATE_IN_PROGRESS": "wait until that has ended",
}


@pytest.mark.parametrize("state", STATES)
def test_a_stack_that_cannot_be_changed(aws: Aws, on_aws: CommandLine, state: str) -> None:
    section = on_aws.section()
    assert on_aws("deploy", "--prefix", "unusable").code == 0
    on_aws.configure(section)
    with held(aws, on_aws, "DescribeStacks", state.encode()):
        refused(on_aws("deploy", "--prefix", "unusable"), state, STATES[state])
    on_aws.configure(section)
    assert on_aws("deploy", "--delete", "--yes", "--prefix", "unusable").code == 0
