"""``doctor``: all green on a good account; with one thing broken, it finds exactly that."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest

from covalent_awsbatch_plugin.options.table import BY_NAME

from .command import Aws, CommandLine
from .proxy import Proxy
from .terminal import open_terminal

PREFIX = "sound"
QUEUE = f"{PREFIX}-batch-queue"
ENVIRONMENT = f"{PREFIX}-batch-on-demand"
JOB_ROLE = f"{PREFIX}-batch-job-role-us-east-1"
EXECUTION_ROLE = f"{PREFIX}-batch-execution-role-us-east-1"
LOG_GROUP = f"{PREFIX}-batch-job-logs"
BUCKET = f"{PREFIX}-batch-job-resources-123456789012-us-east-1"
ACCOUNT = "123456789012"

# What is broken: called with the account and the command line, it breaks it, and repairs it again.
Break = Callable[[Aws, CommandLine], Any]


@pytest.fixture(scope="module")
def sound(aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The configuration of a stack in which nothing is broken."""
    command = CommandLine(tmp_path_factory.mktemp("sound"))
    command.configure(aws.access())
    done = command("deploy", "--prefix", PREFIX)
    assert done.code == 0, done.text
    return command.section()


@pytest.fixture
def doctor(sound: dict[str, Any], command: CommandLine) -> CommandLine:
    command.configure(sound)
    return command


def findings(command: CommandLine) -> tuple[int, list[dict[str, str]]]:
    # Other packages can be had by another process alone.
    run = command if "PYTHONPATH" in command.extra else command.here
    done = run("doctor", "--json")
    assert done.out, done.err
    report = done.json()
    assert report["healthy"] is (done.code == 0)
    return done.code, report["findings"]


def without_quotas(found: list[dict[str, str]]) -> list[dict[str, str]]:
    return [finding for finding in found if finding["area"] != "quota"]


def test_a_good_account_is_all_green(doctor: CommandLine) -> None:
    code, found = findings(doctor)
    assert code == 0
    assert {f["status"] for f in found if f["area"] != "quota"} == {"ok"}
    # The local AWS has the quotas of a new account.
    (quota,) = [f for f in found if f["area"] == "quota"]
    assert quota["status"] == "warning"
    assert "is 32 vCPUs; a compute environment may have 256" in quota["found"]
    checked = {(f["area"], f["check"]) for f in found}
    assert checked >= {
        ("client", "python"),
        ("client", "covalent"),
        ("client", "fastapi"),
        ("configuration", "keys"),
        ("region", "known"),
        ("credentials", "valid"),
        ("credentials", "permissions"),
        ("bucket", "exists"),
        ("bucket", "region"),
        ("bucket", "writable"),
        ("bucket", "encrypted"),
        ("queue", "exists"),
        ("queue", "enabled"),
        ("queue", "valid"),
        ("compute environment", "usable"),
        ("compute environment", "max vCPUs"),
        ("compute environment", "fits"),
        ("job role", "exists"),
        ("job role", "trusted"),
        ("job role", "permissions"),
        ("execution role", "exists"),
        ("execution role", "trusted"),
        ("execution role", "permissions"),
        ("log group", "exists"),
        ("image", "python"),
    }


def test_the_table_tells_the_same(doctor: CommandLine) -> None:
    done = doctor("doctor")
    assert done.code == 0
    assert "Nothing prevents tasks from running." in done.out
    doctor.configure({**doctor.section(), "batch_queue": "no-such-queue"})
    done = doctor("doctor")
    assert done.code == 1
    assert "There is no queue no-such-queue" in done.out
    assert "1 problem." in done.out


def test_problems_come_first_and_their_fixes_can_be_pasted(doctor: CommandLine) -> None:
    doctor.configure({**doctor.section(), "batch_queue": "no-such-queue"})
    found = doctor("doctor", "--json").json()["findings"]
    (wrong,) = (finding for finding in found if finding["status"] == "problem")
    with open_terminal(doctor, 80, "doctor") as terminal:
        assert terminal.wait() == 1
        written = terminal.raw.decode().replace("\r\n", "\n")
    assert written.startswith("problem: queue, ")
    assert f"  {wrong['found']}\n  Fix: {wrong['fix']}\n" in written
    assert "\nok: " not in written
    everything = doctor("doctor", "--verbose").out
    assert everything.startswith("problem: queue, ")
    assert everything.count("\nok: ") == sum(f["status"] == "ok" for f in found)


# ---- Broken by the configuration


def configured(**options: Any) -> Break:
    @contextmanager
    def broken(_aws: Aws, command: CommandLine) -> Iterator[None]:
        command.configure({**command.section(), **options})
        yield

    return broken


# ---- Broken on the account


def calls(
    service: str, breaking: tuple[str, dict[str, Any]], repair: tuple[str, dict[str, Any]]
) -> Break:
    @contextmanager
    def broken(aws: Aws, _command: CommandLine) -> Iterator[None]:
        client = aws.client(service)
        getattr(client, breaking[0])(**breaking[1])
        yield
        getattr(client, repair[0])(**repair[1])

    return broken


def state(kind: str, name: str) -> Break:
    """Disable a queue or compute environment, and enable it again."""
    operation = f"update_{kind}"
    parameter = {"job_queue": "jobQueue", "compute_environment": "computeEnvironment"}[kind]
    return calls(
        "batch",
        (operation, {parameter: name, "state": "DISABLED"}),
        (operation, {parameter: name, "state": "ENABLED"}),
    )


def without_policy(role: str, policy: str) -> Break:
    @contextmanager
    def broken(aws: Aws, _command: CommandLine) -> Iterator[None]:
        iam = aws.client("iam")
        document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
        iam.delete_role_policy(RoleName=role, PolicyName=policy)
        yield
        iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))

    return broken


def trusted_by(role: str, service: str) -> Break:
    @contextmanager
    def broken(aws: Aws, _command: CommandLine) -> Iterator[None]:
        iam = aws.client("iam")
        trust = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
        statement = {**trust["Statement"][0], "Principal": {"Service": service}}
        other = json.dumps({**trust, "Statement": [statement]})
        iam.update_assume_role_policy(RoleName=role, PolicyDocument=other)
        yield
        iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(trust))

    return broken


@contextmanager
def bucket_forbidden(aws: Aws, _command: CommandLine) -> Iterator[None]:
    s3 = aws.client("s3")
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{BUCKET}/*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    s3.put_bucket_policy(Bucket=BUCKET, Policy=policy)
    yield
    s3.delete_bucket_policy(Bucket=BUCKET)


@contextmanager
def bucket_unencrypted(aws: Aws, _command: CommandLine) -> Iterator[None]:
    s3 = aws.client("s3")
    before = s3.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]
    s3.delete_bucket_encryption(Bucket=BUCKET)
    yield
    s3.put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration=before)


@contextmanager
def bucket_deleted(aws: Aws, _command: CommandLine) -> Iterator[None]:
    s3 = aws.client("s3")
    encryption = s3.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]
    s3.delete_bucket(Bucket=BUCKET)
    yield
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration=encryption)


@contextmanager
def bucket_of_another_account(aws: Aws, command: CommandLine) -> Iterator[None]:
    role = aws.client("sts").assume_role(
        RoleArn="arn:aws:iam::222222222222:role/other", RoleSessionName="other"
    )
    keys = role["Credentials"]
    session = boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    s3 = session.client("s3", region_name="us-east-1", endpoint_url=aws.endpoint_url)
    aws.client("s3").delete_bucket(Bucket=BUCKET)
    s3.create_bucket(Bucket=BUCKET)
    yield
    s3.delete_bucket(Bucket=BUCKET)
    mine = aws.client("s3")
    mine.create_bucket(Bucket=BUCKET)
    mine.put_bucket_encryption(
        Bucket=BUCKET,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
    )


@contextmanager
def bucket_elsewhere(aws: Aws, command: CommandLine) -> Iterator[None]:
    s3 = aws.client("s3", "eu-west-1")
    name = f"{PREFIX}-in-europe"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    # What its role may reach is another matter.
    iam = aws.client("iam")
    policy = {"Effect": "Allow", "Action": "s3:*", "Resource": f"arn:aws:s3:::{name}/*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [policy]})
    iam.put_role_policy(RoleName=JOB_ROLE, PolicyName="europe", PolicyDocument=document)
    command.configure({**command.section(), "s3_bucket_name": name})
    yield
    iam.delete_role_policy(RoleName=JOB_ROLE, PolicyName="europe")
    s3.delete_bucket(Bucket=name)


@contextmanager
def queue_on_fargate(aws: Aws, command: CommandLine) -> Iterator[None]:
    batch = aws.client("batch")
    ec2 = aws.client("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    group = ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
    role = aws.client("iam").get_role(RoleName=f"{PREFIX}-batch-instance-role-us-east-1")["Role"][
        "Arn"
    ]
    resources = {
        "type": "FARGATE",
        "maxvCpus": 16,
        "subnets": [subnet],
        "securityGroupIds": [group],
    }
    environment = batch.create_compute_environment(
        computeEnvironmentName="fargate",
        type="MANAGED",
        state="ENABLED",
        computeResources=resources,
        serviceRole=role,
    )["computeEnvironmentArn"]
    batch.create_job_queue(
        jobQueueName="fargate",
        priority=1,
        state="ENABLED",
        computeEnvironmentOrder=[{"order": 1, "computeEnvironment": environment}],
    )
    command.configure({**command.section(), "batch_queue": "fargate"})
    yield
    batch.update_job_queue(jobQueue="fargate", state="DISABLED")
    batch.delete_job_queue(jobQueue="fargate")
    batch.update_compute_environment(computeEnvironment="fargate", state="DISABLED")
    batch.delete_compute_environment(computeEnvironment="fargate")


@contextmanager
def small_environment(aws: Aws, command: CommandLine) -> Iterator[None]:
    batch = aws.client("batch")
    batch.update_compute_environment(
        computeEnvironment=ENVIRONMENT, computeResources={"maxvCpus": 4}
    )
    command.configure({**command.section(), "vcpu": 8})
    yield
    batch.update_compute_environment(
        computeEnvironment=ENVIRONMENT, computeResources={"maxvCpus": 256}
    )


@contextmanager
def other_fastapi(_aws: Aws, command: CommandLine) -> Iterator[None]:
    yield from other_package(command, "fastapi", "0.135.0")


@contextmanager
def other_covalent(_aws: Aws, command: CommandLine) -> Iterator[None]:
    yield from other_package(command, "covalent", "0.177.0")


def other_package(command: CommandLine, name: str, version: str) -> Iterator[None]:
    """Have another version of a package found first, as far as its metadata goes."""
    folder = command.home / "site" / f"{name}-{version}.dist-info"
    folder.mkdir(parents=True)
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (folder / "METADATA").write_text(text)
    command.extra["PYTHONPATH"] = str(folder.parent)
    yield


@contextmanager
def key_of_nobody(aws: Aws, command: CommandLine) -> Iterator[None]:
    """Credentials of a user who may do nothing but look."""
    iam = aws.client("iam")
    iam.create_user(UserName="absent")
    key = iam.create_access_key(UserName="absent")["AccessKey"]
    file = command.home / "credentials"
    file.write_text(
        f"[default]\naws_access_key_id = {key['AccessKeyId']}\n"
        f"aws_secret_access_key = {key['SecretAccessKey']}\n"
    )
    command.configure({**command.section(), "credentials": str(file)})
    yield
    iam.delete_access_key(UserName="absent", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName="absent")


def in_ecr(tag: str) -> str:
    return f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/tasks:{tag}"


@contextmanager
def image_for_arm(aws: Aws, command: CommandLine) -> Iterator[None]:
    ecr = aws.client("ecr")
    ecr.create_repository(repositoryName="tasks")
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{"digest": "sha256:0", "size": 1, "platform": {"architecture": "arm64"}}],
    }
    ecr.put_image(repositoryName="tasks", imageTag="arm", imageManifest=json.dumps(manifest))
    command.configure({**command.section(), "container_image_uri": in_ecr("arm")})
    yield
    ecr.delete_repository(repositoryName="tasks", force=True)


# ---- Broken in what AWS answers


def answering(**answers: Callable[[dict[str, Any]], Any]) -> Break:
    """Change JSON answers of AWS Batch, by operation."""

    def changed(change: Callable[[dict[str, Any]], Any], content: bytes) -> bytes:
        answer = json.loads(content)
        change(answer)
        return json.dumps(answer).encode()

    @contextmanager
    def broken(aws: Aws, command: CommandLine) -> Iterator[None]:
        with Proxy(aws.endpoint_url) as proxy:
            proxy.changed = {
                f"batch:{name}": partial(changed, change) for name, change in answers.items()
            }
            command.configure({**command.section(), "endpoint_url": proxy.endpoint_url})
            yield

    return broken


def invalid(kind: str) -> Callable[[dict[str, Any]], Any]:
    def change(answer: dict[str, Any]) -> None:
        for each in answer[kind]:
            each.update(status="INVALID", statusReason="CLIENT_ERROR - Access denied")

    return change


def old_image(answer: dict[str, Any]) -> None:
    for environment in answer["computeEnvironments"]:
        image = {"imageType": "ECS_AL2023", "batchImageStatus": "UPDATE_AVAILABLE"}
        environment["computeResources"]["ec2Configuration"] = [image]


@contextmanager
def no_routes(aws: Aws, command: CommandLine) -> Iterator[None]:
    """Subnets that are no zone's default ones, in a VPC without a gateway."""
    with Proxy(aws.endpoint_url) as proxy:
        proxy.changed["ec2:DescribeSubnets"] = lambda content: content.replace(
            b"<defaultForAz>true<", b"<defaultForAz>false<"
        )
        command.configure({**command.section(), "endpoint_url": proxy.endpoint_url})
        yield


@contextmanager
def user_of_sso(aws: Aws, command: CommandLine) -> Iterator[None]:
    """A role with a path, which the caller's ARN lacks, that may do nothing."""
    iam, name = aws.client("iam"), "AWSReservedSSO_Research_0123456789abcdef"
    role = {"RoleName": name, "AssumeRolePolicyDocument": "{}"}
    iam.create_role(**role, Path="/aws-reserved/sso.amazonaws.com/eu-west-1/")
    caller = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/ada@example.org"
    with Proxy(aws.endpoint_url) as proxy:
        proxy.changed["sts:GetCallerIdentity"] = lambda content: re.sub(
            rb"<Arn>.*?</Arn>", f"<Arn>{caller}</Arn>".encode(), content
        )
        command.configure({**command.section(), "endpoint_url": proxy.endpoint_url})
        yield
    iam.delete_role(RoleName=name)


@contextmanager
def fair_share_queue(aws: Aws, command: CommandLine) -> Iterator[None]:
    batch, name = aws.client("batch"), f"{PREFIX}-shared"
    policy = batch.create_scheduling_policy(name=name)["arn"]
    environments = batch.describe_job_queues(jobQueues=[QUEUE])["jobQueues"][0][
        "computeEnvironmentOrder"
    ]
    batch.create_job_queue(
        jobQueueName=name,
        priority=1,
        state="ENABLED",
        schedulingPolicyArn=policy,
        computeEnvironmentOrder=environments,
    )
    command.configure({**command.section(), "batch_queue": name})
    yield
    batch.update_job_queue(jobQueue=name, state="DISABLED")
    batch.delete_job_queue(jobQueue=name)


def encrypted_with(state: str, *, allowed: bool = True) -> Break:
    """Encrypt the bucket with a KMS key in a state, which the job role may or may not use."""

    @contextmanager
    def broken(aws: Aws, _command: CommandLine) -> Iterator[None]:
        s3, kms, iam = aws.client("s3"), aws.client("kms"), aws.client("iam")
        before = s3.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]
        key = kms.create_key()["KeyMetadata"]["Arn"]
        if state == "Disabled":
            kms.disable_key(KeyId=key.rpartition("/")[2])
        if state == "PendingDeletion":
            kms.schedule_key_deletion(KeyId=key.rpartition("/")[2])
        default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": f"{key}{'0' * (state == 'none')}"}
        rule = {"Rules": [{"ApplyServerSideEncryptionByDefault": default}]}
        s3.put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration=rule)
        use = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [use]})
        if allowed:
            iam.put_role_policy(RoleName=JOB_ROLE, PolicyName="key", PolicyDocument=document)
        yield
        if allowed:
            iam.delete_role_policy(RoleName=JOB_ROLE, PolicyName="key")
        s3.put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration=before)

    return broken


BROKEN: dict[str, tuple[tuple[str, str], str, Break]] = {
    "a value out of bounds": (
        ("configuration", "time_limit"),
        "at least 60",
        configured(time_limit=5),
    ),
    "a value of another type": (("configuration", "vcpu"), "vcpu", configured(vcpu="many")),
    "no such profile": (
        ("credentials", "valid"),
        "no AWS profile 'absent'",
        configured(profile="absent"),
    ),
    "no such credentials file": (
        ("credentials", "valid"),
        "/nowhere",
        configured(credentials="/nowhere"),
    ),
    "fastapi too new": (("client", "fastapi"), "fastapi 0.135.0", other_fastapi),
    "covalent too old": (("client", "covalent"), "covalent 0.177.0", other_covalent),
    "user without permissions": (("credentials", "permissions"), "batch:SubmitJob", key_of_nobody),
    "bucket not there": (("bucket", "exists"), f"no bucket {BUCKET}", bucket_deleted),
    "bucket of another account": (
        ("bucket", "owner"),
        "another account's",
        bucket_of_another_account,
    ),
    "bucket in another region": (("bucket", "region"), "eu-west-1", bucket_elsewhere),
    "bucket not writable": (("bucket", "writable"), "s3:PutObject", bucket_forbidden),
    "bucket not encrypted": (("bucket", "encrypted"), "put-bucket-encryption", bucket_unencrypted),
    "queue not there": (("queue", "exists"), "no queue none", configured(batch_queue="none")),
    "queue disabled": (("queue", "enabled"), "DISABLED", state("job_queue", QUEUE)),
    "environment disabled": (
        ("compute environment", "enabled"),
        ENVIRONMENT,
        state("compute_environment", ENVIRONMENT),
    ),
    "environment on Fargate": (("compute environment", "EC2"), "FARGATE", queue_on_fargate),
    "environment too small": (("compute environment", "max vCPUs"), "8 vCPUs", small_environment),
    "memory that no instance has": (
        ("compute environment", "fits"),
        "100000 GB",
        configured(memory=100_000),
    ),
    "memory but for the reserve": (
        ("compute environment", "fits"),
        "1024 GB",
        configured(memory=1024),
    ),
    "GPUs that no instance has": (
        ("compute environment", "GPUs"),
        "--gpu",
        configured(num_gpus=1),
    ),
    "environment invalid": (
        ("compute environment", "valid"),
        "CLIENT_ERROR - Access denied",
        answering(DescribeComputeEnvironments=invalid("computeEnvironments")),
    ),
    "queue invalid": (
        ("queue", "valid"),
        "CLIENT_ERROR - Access denied",
        answering(DescribeJobQueues=invalid("jobQueues")),
    ),
    "warning: machine image outdated": (
        ("machine image", "newest"),
        "--refresh",
        answering(DescribeComputeEnvironments=old_image),
    ),
    "subnets without a way out": (("network", "routes"), "NAT gateway", no_routes),
    "user of SSO without permissions": (
        ("credentials", "permissions"),
        "AWSReservedSSO_Research_0123456789abcdef is not allowed: batch:SubmitJob",
        user_of_sso,
    ),
    "fair-share queue without a share": (("queue", "share"), "share_identifier", fair_share_queue),
    "share for a queue without a policy": (
        ("queue", "share"),
        "remove share_identifier",
        configured(share_identifier="team"),
    ),
    "key disabled": (
        ("KMS key", "enabled"),
        "aws kms enable-key",
        encrypted_with("Disabled"),
    ),
    "key to be deleted": (
        ("KMS key", "enabled"),
        "aws kms cancel-key-deletion",
        encrypted_with("PendingDeletion"),
    ),
    "key not there": (("KMS key", "exists"), "There is no key", encrypted_with("none")),
    "job role without the key": (
        ("job role", "permissions"),
        "kms:GenerateDataKey",
        encrypted_with("Enabled", allowed=False),
    ),
    "job role not there": (
        ("job role", "exists"),
        "no role absent",
        configured(batch_job_role_name="absent"),
    ),
    "job role not trusted": (("job role", "trusted"), JOB_ROLE, trusted_by(JOB_ROLE, "x.y")),
    "job role without permission": (
        ("job role", "permissions"),
        "s3:GetObject",
        without_policy(JOB_ROLE, "task-objects"),
    ),
    "execution role not there": (
        ("execution role", "exists"),
        "batch_execution_role_name",
        configured(batch_execution_role_name="absent"),
    ),
    "execution role not trusted": (
        ("execution role", "trusted"),
        EXECUTION_ROLE,
        trusted_by(EXECUTION_ROLE, "ec2.amazonaws.com"),
    ),
    "execution role without permission": (
        ("execution role", "permissions"),
        "logs:PutLogEvents",
        without_policy(EXECUTION_ROLE, "start-tasks"),
    ),
    "log group not there": (
        ("log group", "exists"),
        "no log group",
        calls(
            "logs",
            ("delete_log_group", {"logGroupName": LOG_GROUP}),
            ("create_log_group", {"logGroupName": LOG_GROUP}),
        ),
    ),
    "image of another Python": (
        ("image", "python"),
        "Python 3.8",
        configured(container_image_uri="python:3.8-slim"),
    ),
    "image not in ECR": (
        ("image", "exists"),
        "There is no image",
        configured(container_image_uri=in_ecr("none")),
    ),
    "image for another architecture": (("image", "architecture"), "arm64", image_for_arm),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_broken_is_found_and_nothing_else(
    aws: Aws, doctor: CommandLine, what: str
) -> None:
    expected, words, broken = BROKEN[what]
    with broken(aws, doctor):
        code, found = findings(doctor)
    wrong = [f for f in without_quotas(found) if f["status"] in ("problem", "warning")]
    assert [(f["area"], f["check"]) for f in wrong] == [expected], wrong
    # The instance types of 'optimal' are AWS Batch's to choose: a size is never known not to fit.
    kind = "warning" if what.startswith(("memory ", "warning: ")) else "problem"
    assert (wrong[0]["status"], code) == (kind, int(kind == "problem"))
    assert words in wrong[0]["found"] + wrong[0]["fix"]
    assert wrong[0]["fix"]


def test_live_runs_a_job_and_tells_its_seconds(doctor: CommandLine) -> None:
    doctor.configure({**doctor.section(), "poll_freq": 0.5})
    done = doctor("doctor", "--live", "--json")
    assert done.code == 0, done.text
    stages = done.json()["live"]
    parts = [seconds for stage, seconds in stages.items() if stage != "all"]
    assert len(parts) == 5
    assert 0 < sum(parts) == pytest.approx(stages["all"], abs=0.5)


def test_live_runs_nothing_where_something_is_broken(doctor: CommandLine) -> None:
    doctor.configure({**doctor.section(), "batch_queue": "none"})
    done = doctor("doctor", "--live")
    assert done.code == 1
    assert "No hello job was run" in done.out


def test_live_tells_why_the_job_failed(doctor: CommandLine) -> None:
    failing = {"environment": {"COVALENT_PLUGIN_LOAD": "false", "PATH": "/nowhere"}}
    doctor.configure({**doctor.section(), "poll_freq": 0.5, "retry_attempts": 1, **failing})
    done = doctor("doctor", "--live")
    assert done.code == 1
    assert "Error: " in done.err
    assert "Fix: " in done.err


def test_an_unknown_key_is_a_warning(doctor: CommandLine) -> None:
    doctor.configure({**doctor.section(), "vcpus": 4})
    code, found = findings(doctor)
    (warned,) = [f for f in without_quotas(found) if f["status"] == "warning"]
    assert (warned["area"], warned["check"]) == ("configuration", "vcpus")
    assert "'vcpu'" in warned["fix"]
    assert code == 0


def test_a_region_that_is_none(doctor: CommandLine) -> None:
    section = {**doctor.section(), "region": "us-esat-1"}
    del section["endpoint_url"]
    doctor.configure(section)
    code, found = findings(doctor)
    (wrong,) = [f for f in found if f["status"] == "problem"]
    assert (code, wrong["area"], wrong["check"]) == (1, "region", "known")


def test_no_network(doctor: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    doctor.configure({**doctor.section(), "endpoint_url": f"http://127.0.0.1:{port}"})
    code, found = findings(doctor)
    (wrong,) = [f for f in found if f["status"] == "problem"]
    assert (code, wrong["area"]) == (1, "credentials")
    assert "could not be reached" in wrong["found"]


def test_every_default_without_any_configuration_is_looked_for(
    aws: Aws, command: CommandLine, tmp_path: Path
) -> None:
    command.configure(aws.access())
    code, found = findings(command)
    assert code == 1
    reported = " ".join(f["found"] for f in found if f["status"] == "problem")
    for option in ("s3_bucket_name", "batch_execution_role_name", "batch_job_role_name"):
        assert BY_NAME[option].default in reported
