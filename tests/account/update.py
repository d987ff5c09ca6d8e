"""The fact ``update``: ``deploy`` over a stack that an earlier release's template made."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path

from .site import Site

OLDER_TEMPLATE = Path(__file__).parents[1] / "cli" / "fixtures" / "cloudformation-2026-11.yaml"

# What jobs run with: replaced, they would be lost, or their definitions would be wrong.
KEPT = ("AWS::Batch::ComputeEnvironment", "AWS::Batch::JobQueue", "AWS::IAM::Role")

BUSY = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS")


def older(site: Site) -> Site:
    """Return the place of the older stack: ``deploy`` must not configure the walk to use it."""
    folder = tempfile.mkdtemp(prefix="older-", dir=site.environment["HOME"])
    environment = {**site.environment, "COVALENT_CONFIG_DIR": folder}
    return replace(site, prefix=f"{site.prefix}-o", environment=environment)


def start_older_stack(site: Site) -> None:
    """Start to make the stack; AWS goes on with it while other things are tried."""
    stacks = site.account.client("cloudformation")
    given = stacks.describe_stacks(StackName=f"{site.prefix}-awsbatch")["Stacks"][0]["Parameters"]
    network = {
        p["ParameterKey"]: p["ParameterValue"]
        for p in given
        if p["ParameterKey"] in ("VpcId", "SubnetIds", "InstanceTypes")
    }
    parameters = {**network, "Prefix": f"{site.prefix}-o"}
    stacks.create_stack(
        StackName=f"{site.prefix}-o-awsbatch",
        TemplateBody=OLDER_TEMPLATE.read_text("utf-8"),
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )


def measure_update(site: Site) -> None:
    """Measure ``update``: the ids of resources before and after."""
    wait_while_busy(site, 300.0)
    before = ids(site)
    done = older(site).deploy("--yes", limit=600.0)
    site.report.add("deploy over an older stack", not done.code, done.seconds, done.last_line)
    after = ids(site)
    replaced = [name for name in before if after.get(name) != before[name]]
    site.report.facts["update"] = (
        f"replaced: {', '.join(replaced)}" if replaced else f"all {len(before)} stayed"
    )


def ids(site: Site) -> dict[str, str]:
    """Return the ids of what must stay, by logical name."""
    resources = site.account.client("cloudformation").describe_stack_resources(
        StackName=f"{site.prefix}-o-awsbatch"
    )["StackResources"]
    return {
        resource["LogicalResourceId"]: resource.get("PhysicalResourceId", "")
        for resource in resources
        if resource["ResourceType"] in KEPT
    }


def wait_while_busy(site: Site, limit: float) -> None:
    """Wait until CloudFormation has ended what it does with the older stack."""
    stacks, until = site.account.client("cloudformation"), time.monotonic() + limit
    while time.monotonic() < until:
        described = stacks.describe_stacks(StackName=f"{site.prefix}-o-awsbatch")["Stacks"][0]
        if described["StackStatus"] not in BUSY:
            return
        time.sleep(site.pause)
