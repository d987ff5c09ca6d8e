"""The VPC and subnets in which the instances run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..shared.account import Account
from ..shared.errors import Refusal
from ..shared.screen import print_prose
from ..shared.subnets import Subnet, find_subnets

WAYS = (
    "an internet gateway with public addresses (MapPublicIpOnLaunch), a NAT gateway, or VPC "
    "endpoints"
)


def parameters(account: Account, options: Mapping[str, Any], *, new: bool) -> dict[str, str]:
    """Return the stack's parameters VpcId and SubnetIds; none where a stack keeps its own.

    Args:
        account: Where to look.
        options: The command's ``vpc_id`` and ``subnet_ids``, each given or None.
        new: Whether the stack is to be made.

    Raises:
        Refusal: There is no such VPC or subnet, no default one, or none with a way to ECS.
    """
    vpc, subnets = options.get("vpc_id"), _split(options.get("subnet_ids"))
    if subnets:
        found = _vpc_of(find_subnets(account, SubnetIds=subnets))
        if vpc and vpc != found:
            raise Refusal(f"The subnets {', '.join(subnets)} are in {found}, not in {vpc}.")
        return {"VpcId": found, "SubnetIds": ",".join(subnets)}
    if not vpc and not new:
        return {}
    vpc = vpc or _default_vpc(account)
    return {"VpcId": vpc, "SubnetIds": ",".join(_subnets_of(account, vpc))}


def _split(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _vpc_of(subnets: list[Subnet]) -> str:
    """Return the VPC of subnets that the user chose; those without a way out are warned of."""
    vpcs = sorted({subnet.vpc for subnet in subnets})
    if len(vpcs) != 1:
        raise Refusal(f"The subnets are in several VPCs: {', '.join(vpcs)}.", "name those of one.")
    isolated = [subnet.name for subnet in subnets if not subnet.reaches_ecs]
    if isolated:
        print_prose(
            f"[yellow]Warning:[/] instances in {', '.join(isolated)} have no way to ECS, and jobs "
            f"there stay RUNNABLE. A subnet needs {WAYS}."
        )
    return vpcs[0]


def _default_vpc(account: Account) -> str:
    response = account.client("ec2").describe_vpcs(
        Filters=[{"Name": "is-default", "Values": ["true"]}]
    )
    if not response["Vpcs"]:
        raise Refusal(
            f"The account has no default VPC in {account.region}.",
            "name a VPC with --vpc-id, or make a default one: 'aws ec2 create-default-vpc'.",
        )
    return str(response["Vpcs"][0]["VpcId"])


def _subnets_of(account: Account, vpc: str) -> list[str]:
    """Return the subnets of a VPC in which jobs can run: the zones' default ones, if it has such.

    Others of a default VPC are likely meant for something else.
    """
    found = find_subnets(account, Filters=[{"Name": "vpc-id", "Values": [vpc]}])
    if not found:
        raise Refusal(
            f"There is no subnet in the VPC {vpc}, or no such VPC in {account.region}.",
            "name a VPC with subnets (--vpc-id), or the subnets (--subnet-ids).",
        )
    usable = [subnet for subnet in found if subnet.usable]
    if not usable:
        raise Refusal(
            f"No subnet of the VPC {vpc} has a way to ECS: jobs would stay RUNNABLE for ever.",
            f"give one {WAYS}; or name subnets with --subnet-ids.",
        )
    chosen = [subnet for subnet in usable if subnet.is_default] or usable
    return sorted(subnet.name for subnet in chosen)
