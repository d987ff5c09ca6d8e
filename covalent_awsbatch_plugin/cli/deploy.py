"""``covalent-awsbatch deploy``: the cloud resources, and the configuration that names them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import click

from .deployment import stack, teardown
from .deployment.bring_up import bring_up
from .deployment.configuring import configure, from_environment, settings
from .deployment.parameters import check_keep_warm, parse_tags
from .deployment.refresh import refresh_images
from .shared.account import access_of, account_options, connect
from .shared.configuration import read_section
from .shared.screen import console, print_prose

# Families with one to eight NVIDIA GPUs that every large region has.
GPU_FAMILIES = "g4dn,g5"

# The template's own bound: the bucket's name, with account and region, may have 63 characters.
PREFIX = r"[a-z]([a-z0-9-]{0,13}[a-z0-9])?"


def _check_prefix(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    if not re.fullmatch(PREFIX, value):
        raise click.BadParameter(
            f"{value!r} must have 1 to 15 lower-case letters, digits and hyphens, begin with a "
            "letter and not end with a hyphen."
        )
    return value


@click.command()
@click.option(
    "--plan", is_flag=True, help="Show what would change or be deleted, and change nothing."
)
@click.option("--delete", is_flag=True, help="Remove the stack and what the plugin made in it.")
@click.option("--yes", is_flag=True, help="Make a new stack, or delete one, without asking.")
@click.option(
    "--prefix",
    default="covalent",
    show_default=True,
    callback=_check_prefix,
    help="First part of every resource's name.",
)
@account_options
@click.option("--vpc-id", help="VPC of the instances.  [default: the region's default VPC]")
@click.option("--subnet-ids", help="Subnets, by commas.  [default: the VPC's that reach ECS]")
@click.option("--instance-types", help="Types or families, by commas.  [default: optimal]")
@click.option(
    "--gpu",
    "gpu_instance_types",
    is_flag=False,
    flag_value=GPU_FAMILIES,
    metavar="[TYPES]",
    help=f"Also a queue with GPUs: {GPU_FAMILIES}, or the types given; '' for none.",
)
@click.option("--min-vcpus", type=click.IntRange(0), help="vCPUs kept running.  [default: 0]")
@click.option("--max-vcpus", type=click.IntRange(1), help="vCPUs at most.  [default: 256]")
@click.option(
    "--spot/--no-spot",
    default=None,
    help="Spot instances first, on-demand ones when there are none.  [default: no-spot]",
)
@click.option("--disk", type=click.IntRange(30, 16384), help="GiB of disk.  [default: 50]")
@click.option(
    "--object-days", type=click.IntRange(1), help="Days objects are kept.  [default: 30]"
)
@click.option("--log-days", type=int, help="Days logs are kept.  [default: 30]")
@click.option(
    "--keep-warm",
    type=int,
    metavar="MINUTES",
    callback=check_keep_warm,
    help="Minutes an idle instance waits for another job, 20 at least; 0 for as Batch sees fit.",
)
@click.option(
    "--tag",
    multiple=True,
    metavar="KEY=VALUE",
    callback=parse_tags,
    help="Tag of the resources and of new instances; up to five times.",
)
@click.option("--permissions-boundary", metavar="ARN", help="Policy that bounds the roles.")
@click.option(
    "--kms-key", metavar="ARN", help="KMS key of bucket and log group.  [default: AWS's own]"
)
@click.option("--refresh", is_flag=True, help="Give new instances the newest machine image.")
def deploy(
    plan: bool, delete: bool, yes: bool, prefix: str, refresh: bool, **options: Any
) -> None:
    """Make or update the cloud resources, and configure Covalent to use them.

    One CloudFormation stack, PREFIX-awsbatch, holds them all. An option left out keeps what
    the stack has.
    """
    options.update(from_environment(options, read_section()))
    access = access_of(options, read_section())
    configured = "--region" if options["region"] else "the Covalent configuration"
    account = connect(access, configured)
    identity = account.identity()
    print_prose(
        f"Account [bold]{identity.account}[/] as {identity.arn.rsplit(':', 1)[1]} "
        f"({account.credentials_source})"
    )
    print_prose(f"Region  [bold]{account.region}[/] ({account.region_source})")
    again = _again(prefix, options)
    if delete:
        teardown.delete_deployment(account, prefix, again, ask=not yes, only_plan=plan)
        return
    ask = not yes and not account.endpoint_url
    state = bring_up(account, prefix, again, options, only_plan=plan, ask=ask)
    if state is not None:
        if refresh:
            refresh_images(account, stack.resources(account, state.stack_id))
        configure(settings(state, options, account.endpoint_url))
        console().print("[green]Ready.[/] 'covalent-awsbatch doctor' checks it.")


def _again(prefix: str, options: Mapping[str, Any]) -> str:
    """Return the options that would name the same stack in another call."""
    named = {"prefix": "" if prefix == "covalent" else prefix}
    named.update({key: options[key] or "" for key in ("profile", "region")})
    return "".join(f" --{key} {value}" for key, value in named.items() if value)
