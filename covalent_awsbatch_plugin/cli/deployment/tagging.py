"""Tags of a stack that exists: they are set on each resource that AWS lets be tagged later.

Not through CloudFormation: to it the tags of a compute environment cannot be changed, and a change
of the stack's own tags would change them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ...aws.calls.aws_errors import Kind, classify, code_of
from ..shared.account import Account
from ..shared.errors import aws_message
from .stack import Resource

Tags = Mapping[str, str]


def tag_resources(account: Account, resources: Iterable[Resource], tags: Tags) -> Iterator[str]:
    """Set tags on the resources of a stack; yield a line for each that could not be tagged."""
    from botocore.exceptions import ClientError

    for resource in resources:
        tagger = TAGGERS.get(resource.kind)
        if tagger is None or not resource.physical:
            continue
        try:
            tagger(account, resource.physical, tags)
        except ClientError as error:
            if classify(error) is not Kind.DENIED:
                raise
            yield f"{resource.name} has not got the tags: {aws_message(error)}"


def _pairs(tags: Tags, key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    return [{key: k, value: v} for k, v in tags.items()]


def _bucket(account: Account, name: str, tags: Tags) -> None:
    """Add to the tags of a bucket, which can only be set all at once."""
    from botocore.exceptions import ClientError

    s3 = account.client("s3")
    try:
        found = s3.get_bucket_tagging(Bucket=name)["TagSet"]
    except ClientError as error:
        if code_of(error) != "NoSuchTagSet":
            raise
        found = []
    # Those of CloudFormation itself too: S3 refuses to have them removed.
    kept = {tag["Key"]: tag["Value"] for tag in found}
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": _pairs({**kept, **tags})})


def _log_group(account: Account, name: str, tags: Tags) -> None:
    logs = account.client("logs")
    for group in logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]:
        if group["logGroupName"] == name:
            logs.tag_resource(resourceArn=group["arn"].removesuffix(":*"), tags=dict(tags))


def _role(account: Account, name: str, tags: Tags) -> None:
    account.client("iam").tag_role(RoleName=name, Tags=_pairs(tags))


def _instance_profile(account: Account, name: str, tags: Tags) -> None:
    account.client("iam").tag_instance_profile(InstanceProfileName=name, Tags=_pairs(tags))


def _policy(account: Account, arn: str, tags: Tags) -> None:
    account.client("iam").tag_policy(PolicyArn=arn, Tags=_pairs(tags))


def _of_ec2(account: Account, name: str, tags: Tags) -> None:
    account.client("ec2").create_tags(Resources=[name], Tags=_pairs(tags))


def _of_batch(account: Account, arn: str, tags: Tags) -> None:
    account.client("batch").tag_resource(resourceArn=arn, tags=dict(tags))


# The bucket's policy has no tags.
TAGGERS: Mapping[str, Callable[[Account, str, Tags], Any]] = {
    "AWS::S3::Bucket": _bucket,
    "AWS::Logs::LogGroup": _log_group,
    "AWS::IAM::Role": _role,
    "AWS::IAM::InstanceProfile": _instance_profile,
    "AWS::IAM::ManagedPolicy": _policy,
    "AWS::EC2::SecurityGroup": _of_ec2,
    "AWS::EC2::LaunchTemplate": _of_ec2,
    "AWS::Batch::ComputeEnvironment": _of_batch,
    "AWS::Batch::JobQueue": _of_batch,
    "AWS::Batch::JobDefinition": _of_batch,
}
