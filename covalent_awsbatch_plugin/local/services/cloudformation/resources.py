"""The resource types of our CloudFormation template, made, changed and deleted by AWS's own calls.

Each type has three functions. ``make`` returns the physical id and the attributes; ``change``
changes in place what the template can change; ``remove`` deletes.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any

from ..clients import Client, partition_of
from .batch import BATCH_KINDS
from .iam import IAM_KINDS
from .kinds import AlreadyExists, Kind, Physical, Properties, without

# ---- S3


def _make_bucket(client: Client, properties: Properties) -> Physical:
    s3, name = client("s3"), properties["BucketName"]
    if name in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
        raise AlreadyExists(f"{name} already exists")
    region = s3.meta.region_name
    where = {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=name, **({} if region == "us-east-1" else where))
    physical = Physical(name, {"Arn": f"arn:{partition_of(region)}:s3:::{name}"})
    return _change_bucket(client, physical, properties)


def _change_bucket(client: Client, physical: Physical, properties: Properties) -> Physical:
    s3, name = client("s3"), physical.name
    encryption = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    rules = [
        {"ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"]}
        for rule in encryption
    ]
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": rules})
    s3.put_bucket_ownership_controls(
        Bucket=name, OwnershipControls=properties["OwnershipControls"]
    )
    s3.put_public_access_block(
        Bucket=name,
        PublicAccessBlockConfiguration=properties["PublicAccessBlockConfiguration"],
    )
    lifecycle = [_lifecycle_rule(r) for r in properties["LifecycleConfiguration"]["Rules"]]
    s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": lifecycle})
    return physical


def _lifecycle_rule(rule: Properties) -> dict[str, Any]:
    made = without(rule, "Id", "Prefix", "ExpirationInDays")
    if "ExpirationInDays" in rule:
        made["Expiration"] = {"Days": rule["ExpirationInDays"]}
    return {**made, "ID": rule["Id"], "Filter": {"Prefix": rule.get("Prefix", "")}}


def _remove_bucket(client: Client, name: str) -> None:
    client("s3").delete_bucket(Bucket=name)


def _make_bucket_policy(client: Client, properties: Properties) -> Physical:
    physical = Physical(properties["Bucket"], {})
    return _change_bucket_policy(client, physical, properties)


def _change_bucket_policy(client: Client, physical: Physical, properties: Properties) -> Physical:
    document = properties["PolicyDocument"]
    # The local AWS has no TLS: a statement that demands it would shut everybody out.
    spoken = [s for s in document["Statement"] if "SecureTransport" not in json.dumps(s)]
    if spoken:
        policy = json.dumps({**document, "Statement": spoken})
        client("s3").put_bucket_policy(Bucket=physical.name, Policy=policy)
    return physical


def _remove_bucket_policy(client: Client, name: str) -> None:
    client("s3").delete_bucket_policy(Bucket=name)


# ---- CloudWatch


def _make_log_group(client: Client, properties: Properties) -> Physical:
    name = properties["LogGroupName"]
    key = properties.get("KmsKeyId")
    encrypted = {"kmsKeyId": key} if key else {}
    client("logs").create_log_group(logGroupName=name, **encrypted)
    return _change_log_group(client, Physical(name, {}), properties)


def _change_log_group(client: Client, physical: Physical, properties: Properties) -> Physical:
    client("logs").put_retention_policy(
        logGroupName=physical.name, retentionInDays=properties["RetentionInDays"]
    )
    return physical


def _remove_log_group(client: Client, name: str) -> None:
    client("logs").delete_log_group(logGroupName=name)


# ---- EC2


def _make_security_group(client: Client, properties: Properties) -> Physical:
    made = client("ec2").create_security_group(
        GroupName=f"awsbatch-SecurityGroup-{secrets.token_hex(6)}",
        Description=properties["GroupDescription"],
        VpcId=properties["VpcId"],
    )["GroupId"]
    return Physical(made, {"GroupId": made})


def _remove_security_group(client: Client, name: str) -> None:
    client("ec2").delete_security_group(GroupId=name)


def _make_launch_template(client: Client, properties: Properties) -> Physical:
    made = client("ec2").create_launch_template(
        LaunchTemplateName=properties["LaunchTemplateName"],
        LaunchTemplateData=properties["LaunchTemplateData"],
    )["LaunchTemplate"]
    return _launch_template(made["LaunchTemplateId"], made["LatestVersionNumber"])


def _change_launch_template(
    client: Client, physical: Physical, properties: Properties
) -> Physical:
    made = client("ec2").create_launch_template_version(
        LaunchTemplateId=physical.name, LaunchTemplateData=properties["LaunchTemplateData"]
    )["LaunchTemplateVersion"]
    return _launch_template(physical.name, made["VersionNumber"])


def _launch_template(name: str, version: int) -> Physical:
    return Physical(name, {"LatestVersionNumber": str(version), "LaunchTemplateId": name})


def _remove_launch_template(client: Client, name: str) -> None:
    client("ec2").delete_launch_template(LaunchTemplateId=name)


KINDS: Mapping[str, Kind] = {
    **IAM_KINDS,
    **BATCH_KINDS,
    "AWS::S3::Bucket": Kind(_make_bucket, _remove_bucket, _change_bucket),
    "AWS::S3::BucketPolicy": Kind(
        _make_bucket_policy, _remove_bucket_policy, _change_bucket_policy
    ),
    "AWS::Logs::LogGroup": Kind(_make_log_group, _remove_log_group, _change_log_group),
    "AWS::EC2::SecurityGroup": Kind(_make_security_group, _remove_security_group),
    "AWS::EC2::LaunchTemplate": Kind(
        _make_launch_template, _remove_launch_template, _change_launch_template
    ),
}
