"""Subnets, and whether an instance in one can reach ECS: without that, it never gets a job."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .account import Account

ANYWHERE = ("0.0.0.0/0", "::/0")

# What a default route may lead to, apart from an internet gateway.
PRIVATE_WAYS = ("NatGatewayId", "TransitGatewayId", "NetworkInterfaceId", "InstanceId")

# Zones of a region itself; local and wavelength zones have longer names.
ZONE = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d[a-z]")


@dataclass(frozen=True)
class Subnet:
    """A subnet.

    Attributes:
        name: Its id.
        vpc: Its VPC's id.
        zone: Its zone's name.
        is_default: Whether it is the default one of its zone.
        reaches_ecs: Whether its instances have a way to ECS.
    """

    name: str
    vpc: str
    zone: str
    is_default: bool
    reaches_ecs: bool

    @property
    def usable(self) -> bool:
        """Whether AWS Batch can run jobs in it."""
        return self.reaches_ecs and bool(ZONE.fullmatch(self.zone))


def find_subnets(account: Account, **which: Any) -> list[Subnet]:
    """Return subnets by EC2's parameters ``SubnetIds`` or ``Filters``."""
    pages = account.client("ec2").get_paginator("describe_subnets").paginate(**which)
    found = [subnet for page in pages for subnet in page["Subnets"]]
    vpcs = sorted({subnet["VpcId"] for subnet in found})
    tables = _route_tables(account, vpcs)
    with_endpoints = _vpcs_with_endpoints(account, vpcs)
    return [
        Subnet(
            name=subnet["SubnetId"],
            vpc=subnet["VpcId"],
            zone=subnet["AvailabilityZone"],
            is_default=subnet.get("DefaultForAz", False),
            # A zone's default subnet is public, unless its owner took care to change that.
            reaches_ecs=subnet.get("DefaultForAz", False)
            or subnet["VpcId"] in with_endpoints
            or _leads_out(subnet, tables),
        )
        for subnet in found
    ]


def _of_vpcs(vpcs: Iterable[str]) -> dict[str, Any]:
    return {"Filters": [{"Name": "vpc-id", "Values": list(vpcs)}]}


def _route_tables(account: Account, vpcs: list[str]) -> list[dict[str, Any]]:
    if not vpcs:
        return []
    pages = account.client("ec2").get_paginator("describe_route_tables").paginate(**_of_vpcs(vpcs))
    return [table for page in pages for table in page["RouteTables"]]


def _vpcs_with_endpoints(account: Account, vpcs: list[str]) -> set[str]:
    """Return the VPCs with an endpoint through which an instance joins its cluster."""
    if not vpcs:
        return set()
    pages = account.client("ec2").get_paginator("describe_vpc_endpoints")
    found = [e for page in pages.paginate(**_of_vpcs(vpcs)) for e in page["VpcEndpoints"]]
    return {e["VpcId"] for e in found if e["ServiceName"].endswith((".ecs", ".ecs-agent"))}


def _leads_out(subnet: Mapping[str, Any], tables: list[dict[str, Any]]) -> bool:
    public = subnet.get("MapPublicIpOnLaunch", False)
    routes = [route for table in _tables_of(subnet, tables) for route in table["Routes"]]
    return any(_is_way_out(route, public=public) for route in routes)


def _is_way_out(route: Mapping[str, Any], *, public: bool) -> bool:
    where = route.get("DestinationCidrBlock") or route.get("DestinationIpv6CidrBlock")
    if where not in ANYWHERE or route.get("State") == "blackhole":
        return False
    # A gateway to the internet serves instances with public addresses alone.
    gateway = str(route.get("GatewayId") or "")
    return (gateway.startswith("igw-") and public) or any(route.get(way) for way in PRIVATE_WAYS)


def _tables_of(subnet: Mapping[str, Any], tables: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a subnet's own route table, or its VPC's main one."""
    associated = [(table, one) for table in tables for one in table.get("Associations", ())]
    own = [table for table, one in associated if one.get("SubnetId") == subnet["SubnetId"]]
    return own or [
        table for table, one in associated if one.get("Main") and table["VpcId"] == subnet["VpcId"]
    ]
