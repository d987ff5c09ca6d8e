"""IAM's types."""

from __future__ import annotations

import json
from collections.abc import Mapping

from ..clients import Client
from .kinds import Attached, Kind, Physical, Properties


def _make_role(client: Client, properties: Properties) -> Physical:
    role = client("iam").create_role(
        RoleName=properties["RoleName"],
        Description=properties["Description"],
        AssumeRolePolicyDocument=json.dumps(properties["AssumeRolePolicyDocument"]),
        **{k: v for k, v in properties.items() if k == "PermissionsBoundary"},
    )["Role"]
    return _change_role(client, Physical(role["RoleName"], {"Arn": role["Arn"]}), properties)


def _change_role(client: Client, physical: Physical, properties: Properties) -> Physical:
    iam, name = client("iam"), physical.name
    trust = json.dumps(properties["AssumeRolePolicyDocument"])
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust)
    for policy in properties.get("Policies", ()):
        iam.put_role_policy(
            RoleName=name,
            PolicyName=policy["PolicyName"],
            PolicyDocument=json.dumps(policy["PolicyDocument"]),
        )
    # AWS's own managed policies are not attached: moto knows none.
    return physical


def _remove_role(client: Client, name: str) -> None:
    """Delete a role with its inline policies; IAM refuses where others are attached to it."""
    iam = client("iam")
    attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    if not attached:
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)


def _make_instance_profile(client: Client, properties: Properties) -> Physical:
    iam, name = client("iam"), properties["InstanceProfileName"]
    made = iam.create_instance_profile(InstanceProfileName=name)["InstanceProfile"]
    for role in properties["Roles"]:
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=role)
    return Physical(name, {"Arn": made["Arn"]})


def _remove_instance_profile(client: Client, name: str) -> None:
    iam = client("iam")
    profile = iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]
    for role in profile["Roles"]:
        iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=role["RoleName"])
    iam.delete_instance_profile(InstanceProfileName=name)


def _make_policy(client: Client, properties: Properties) -> Physical:
    policy = client("iam").create_policy(
        PolicyName=properties["ManagedPolicyName"],
        Description=properties["Description"],
        PolicyDocument=json.dumps(properties["PolicyDocument"]),
    )["Policy"]
    return Physical(policy["Arn"], {"PolicyArn": policy["Arn"]})


def _change_policy(client: Client, physical: Physical, properties: Properties) -> Physical:
    iam = client("iam")
    for version in iam.list_policy_versions(PolicyArn=physical.name)["Versions"]:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=physical.name, VersionId=version["VersionId"])
    iam.create_policy_version(
        PolicyArn=physical.name,
        PolicyDocument=json.dumps(properties["PolicyDocument"]),
        SetAsDefault=True,
    )
    return physical


def _remove_policy(client: Client, arn: str) -> None:
    """Delete a policy; IAM refuses where it is attached to anything."""
    iam = client("iam")
    if iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"]:
        raise Attached(f"Cannot delete a policy attached to entities: {arn}")
    for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
    iam.delete_policy(PolicyArn=arn)


IAM_KINDS: Mapping[str, Kind] = {
    "AWS::IAM::Role": Kind(_make_role, _remove_role, _change_role),
    "AWS::IAM::InstanceProfile": Kind(_make_instance_profile, _remove_instance_profile),
    "AWS::IAM::ManagedPolicy": Kind(_make_policy, _remove_policy, _change_policy),
}
