"""A stack of the resources that the executor needs, made of the one template."""

from __future__ import annotations

import re
from importlib.resources import files

from .clients import Client


def create_stack(client: Client, prefix: str) -> dict[str, str]:
    """Make a stack; return its outputs as options of the executor.

    Args:
        client: Makes clients of services.
        prefix: The prefix of its names.

    Raises:
        RuntimeError: It could not be made.
    """
    stacks, name = client("cloudformation"), f"{prefix}-awsbatch"
    stacks.create_stack(
        StackName=name,
        TemplateBody=template(),
        Parameters=[
            {"ParameterKey": key, "ParameterValue": value}
            for key, value in {"Prefix": prefix, **_network(client)}.items()
        ],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    stack = stacks.describe_stacks(StackName=name)["Stacks"][0]
    if stack["StackStatus"] != "CREATE_COMPLETE":
        raise RuntimeError(f"{name}: {stack['StackStatus']}, {stack['StackStatusReason']}")
    return {option_name(each["OutputKey"]): each["OutputValue"] for each in stack["Outputs"]}


def _network(client: Client) -> dict[str, str]:
    ec2 = client("ec2")
    vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]
    own = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
    subnets = [each["SubnetId"] for each in ec2.describe_subnets(Filters=own)["Subnets"]]
    return {"VpcId": vpc["VpcId"], "SubnetIds": ",".join(subnets)}


def template() -> str:
    """Return the CloudFormation template."""
    return (files("covalent_awsbatch_plugin") / "assets" / "cloudformation.yaml").read_text()


def option_name(output: str) -> str:
    """Return the executor's option that an output of the template holds."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", output).lower()
