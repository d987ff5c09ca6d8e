"""``covalent-awsbatch deploy``: the cloud resources, and the configuration that names them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

import click

from ..aws.calls.credentials import PROFILE_VARIABLES
from ..options import resolution
from .deployment import network, stack, teardown
from .deployment.advice import warn_of_quotas, warn_of_update
from .deployment.parameters import check_keep_warm, parameters, parse_tags
from .deployment.plan import Plan, discard, execute, make_plan
from .deployment.progress import Progress, show_changes
from .deployment.refresh import refresh_images
from .shared.account import Account, access_of, account_options, connect
from .shared.configuration import configuration_path, difference, read_section, write_section
from .shared.errors import Refusal
from .shared.optional import Notes
from .shared.quotas import quotas
from .shared.screen import console

CREDENTIALS_VARIABLES = ("AWS_SHARED_CREDENTIALS_FILE",)

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
    help="Tag of the new resources and of instances; up to five times.",
)
@click.option("--permissions-boundary", metavar="ARN", help="Policy that bounds the roles.")
@click.option("--kms-key", metavar="ARN", help="KMS key of the bucket.  [default: S3's own]")
@click.option("--refresh", is_flag=True, help="Give new instances the newest machine image.")
def deploy(
    plan: bool, delete: bool, yes: bool, prefix: str, refresh: bool, **options: Any
) -> None:
    """Make or update the cloud resources, and configure Covalent to use them.

    One CloudFormation stack, PREFIX-awsbatch, holds them all. An option left out keeps what
    the stack has.
    """
    options.update(_from_environment(options, read_section()))
    access = access_of(options, read_section())
    account = connect(access)
    identity = account.identity()
    console().print(
        f"Account [bold]{identity.account}[/] as {identity.arn.rsplit(':', 1)[1]} "
        f"({account.credentials_source})"
    )
    console().print(f"Region  [bold]{account.region}[/] ({account.region_source})")
    again = _again(prefix, options)
    if delete:
        teardown.delete_deployment(account, prefix, again, ask=not yes, only_plan=plan)
        return
    ask = not yes and not account.access.endpoint_url
    state = _deployed(account, prefix, again, options, only_plan=plan, ask=ask)
    if state is not None:
        for line in _refreshed(account, state) if refresh else ():
            console().print(line)
        _configure(_settings(state, options, access.endpoint_url))
        console().print("[green]Ready.[/] 'covalent-awsbatch doctor' checks it.")


def _from_environment(options: Mapping[str, Any], configured: Mapping[str, Any]) -> dict[str, str]:
    """Return options that neither the call nor the configuration gives, but the environment.

    They are written to the configuration, since the Covalent server may have another environment.
    Keys in the environment win over profiles, so that no profile belongs to them.
    """
    named = {name: options[name] for name in resolution.SDK_OPTIONS}
    left = resolution.left_to_sdk(named, configured)
    if os.environ.get("AWS_ACCESS_KEY_ID") or "profile" not in left:
        return {}
    variables = {"credentials": CREDENTIALS_VARIABLES, "profile": PROFILE_VARIABLES}
    found = {
        option: next((os.environ[name] for name in names if os.environ.get(name)), "")
        for option, names in variables.items()
        if option in left
    }
    return {option: value for option, value in found.items() if value}


def _deployed(
    account: Account,
    prefix: str,
    again: str,
    options: Mapping[str, Any],
    *,
    only_plan: bool,
    ask: bool,
) -> stack.StackState | None:
    """Bring the stack to what the options ask for, and return it; nothing when only planning."""
    name = stack.stack_name(prefix)
    before = stack.find_stack(account, name)
    if before:
        stack.refuse_unusable(before, name, again)
    new = before is None or before.status == "REVIEW_IN_PROGRESS"
    if new:
        _refuse_taken_bucket(account, prefix)
    given = {"Prefix": prefix, **network.parameters(account, options, new=new)}
    given.update(parameters(options, new=new))
    plan = make_plan(account, name, before, given, options["tag"])
    if plan is None:
        console().print(f"The stack {name} is up to date.")
        return None if only_plan else before
    show_changes(plan)
    _warn(account, plan, given)
    if only_plan:
        discard(account, plan)
        console().print("This was the plan only; nothing was changed.")
        return None
    if new and ask:
        _confirm(account, plan, name)
    return _carry_out(account, name, plan)


def _warn(account: Account, plan: Plan, given: Mapping[str, str]) -> None:
    notes = Notes()
    lines = [*warn_of_update(plan)]
    if plan.creates or "MaxvCpus" in given or "GpuInstanceTypes" in given:
        spot, gpu = given.get("Spot") == "true", bool(given.get("GpuInstanceTypes"))
        found = quotas(account, spot=spot, gpu=gpu, notes=notes)
        lines += warn_of_quotas(found, given)
    for line in lines:
        console().print(f"[yellow]Warning:[/] {line}")
    notes.show()


def _confirm(account: Account, plan: Plan, name: str) -> None:
    """Ask before a new stack; what was planned goes where the user declines."""
    try:
        click.confirm(f"Make the new stack {name} in {account.region}?", abort=True)
    except click.Abort as abort:
        discard(account, plan)
        raise Refusal("Nothing was made.", "confirm, or add --yes.") from abort


def _refreshed(account: Account, state: stack.StackState) -> Iterator[str]:
    yield from refresh_images(account, stack.resources(account, state.stack_id))


def _carry_out(account: Account, name: str, plan: Plan) -> stack.StackState:
    execute(account, plan)
    with Progress(f"{'Creating' if plan.creates else 'Updating'} {name}") as progress:
        for state, resources in stack.follow(account, plan.stack_id):
            progress.update(state, resources)
    if state.status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        reason = stack.failure(account, plan.stack_id) or state.reason
        raise Refusal(f"The deployment failed ({state.status}). {reason}", stack.fix_for(reason))
    return state


def _refuse_taken_bucket(account: Account, prefix: str) -> None:
    """Refuse a bucket's name that is taken, before CloudFormation fails over it."""
    from botocore.exceptions import ClientError

    bucket = f"{prefix}-batch-job-resources-{account.identity().account}-{account.region}"
    try:
        account.client("s3").head_bucket(Bucket=bucket)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status not in (301, 403):
            return
    raise Refusal(
        f"The bucket {bucket} exists already, and no stack of the plugin made it.",
        f"delete it ('aws s3 rb s3://{bucket}' when nothing in it is needed), or deploy with "
        "another --prefix.",
    )


def _settings(
    state: stack.StackState, options: Mapping[str, Any], endpoint_url: str
) -> dict[str, str]:
    """Return the configuration keys that make Covalent use the stack as this command did."""
    chosen = {key: options[key] for key in ("profile", "credentials") if options[key] is not None}
    configured = read_section()
    # An endpoint that is not configured is not mentioned; one that no longer applies is cleared.
    if endpoint_url or configured.get("endpoint_url"):
        chosen["endpoint_url"] = endpoint_url
    return {**state.options(), **chosen}


def _configure(values: Mapping[str, str]) -> None:
    path, before = configuration_path(), read_section()
    changed = difference(before, values)
    if not changed:
        console().print(f"{path}: [executors.awsbatch] is as it should be.", markup=False)
        return
    existed = path.exists()
    backup = write_section(values)
    console().print(f"{path}: [executors.awsbatch]", markup=False)
    for line in changed:
        console().print(f"  {line}", style="red" if line[0] == "-" else "green", markup=False)
    if existed and backup:
        console().print(f"The file as it was: {backup}", markup=False)
    console().print("A Covalent server that runs sees this after 'covalent restart'.")


def _again(prefix: str, options: Mapping[str, Any]) -> str:
    """Return the options that would name the same stack in another call."""
    named = {"prefix": "" if prefix == "covalent" else prefix}
    named.update({key: options[key] or "" for key in ("profile", "region")})
    return "".join(f" --{key} {value}" for key, value in named.items() if value)
