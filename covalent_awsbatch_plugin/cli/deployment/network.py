"""The VPC and subnets in which the instances run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..shared.account import Account
from ..shared.errors import Refusal


def parameters(account: Account, options: Mapping[str, Any], *, new: bool) -> dict[str, str]:
    """Return the stack's parameters VpcId and SubnetIds; none where a stack keeps its own.

    Args:
        account: Where to look.
        options: The command's ``vpc_id`` and ``subnet_ids``, each given or None.
        new: Whether the stack is to be made.

    Raises:
        Refusal: There is no such VPC or subnet, or no default one.
    """
    vpc, subnets = options.get("vpc_id"), _split(options.get("subnet_ids"))
    if subnets:
        found = _vpc_of(account, subnets)
        if vpc and vpc != found:
            raise Refusal(f"The subnets {', '.join(subnets)} are in {found}, not in {vpc}.")
        return {"VpcId": found, "SubnetIds": ",".join(subnets)}
    if not vpc and not new:
        return {}
    vpc = vpc or _default_vpc(account)
    return {"VpcId": vpc, "SubnetIds": ",".join(_subnets_of(account, vpc))}


def _split(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _vpc_of(account: Account, subnets: list[str]) -> str:
    answer = account.client("ec2").describe_subnets(SubnetIds=subnets)
    vpcs = sorted({subnet["VpcId"] for subnet in answer["Subnets"]})
    if len(vpcs) != 1:
        raise Refusal(f"The subnets are in several VPCs: {', '.join(vpcs)}.", "name those of one.")
    return str(vpcs[0])


def _default_vpc(account: Account) -> str:
    answer = account.client("ec2").describe_vpcs(
        Filters=[{"Name": "is-default", "Values": ["true"]}]
    )
    if not answer["Vpcs"]:
        raise Refusal(
            f"The account has no default VPC in {account.region}.",
            "name a VPC with --vpc-id, or make a default one: 'aws ec2 create-default-vpc'.",
        )
    return str(answer["Vpcs"][0]["VpcId"])


def _subnets_of(account: Account, vpc: str) -> list[str]:
    answer = account.client("ec2").describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])
    if not answer["Subnets"]:
        raise Refusal(
            f"There is no subnet in the VPC {vpc}, or no such VPC in {account.region}.",
            "name a VPC with subnets (--vpc-id), or the subnets (--subnet-ids).",
        )
    return sorted(subnet["SubnetId"] for subnet in answer["Subnets"])
