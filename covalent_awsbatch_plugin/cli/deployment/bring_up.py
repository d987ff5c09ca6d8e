"""Bringing a stack to what the command's options ask for: plan, warnings, question, change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from ..shared.account import Account
from ..shared.errors import Refusal
from ..shared.optional import Notes
from ..shared.quotas import quotas
from ..shared.screen import console, print_prose
from . import network, stack
from .advice import warn_of_quotas, warn_of_update
from .parameters import parameters
from .plan import Plan, discard, execute, make_plan
from .progress import Progress, show_changes
from .tagging import tag_resources

# What a change of these may ask more vCPUs of the account for.
SIZES = ("MaxvCpus", "Spot", "GpuInstanceTypes")


def bring_up(
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
    else:
        show_changes(plan)
        kept = before.parameters if before else {}
        _warn(account, plan, given, {**kept, **given})
    if only_plan:
        _end_planning(account, plan)
        return None
    if plan and new and ask:
        _confirm(account, plan, name)
    state = _carry_out(account, name, plan) if plan else before
    if state and not new:
        _tag(account, state, options["tag"])
    return state


def _end_planning(account: Account, plan: Plan | None) -> None:
    if plan:
        discard(account, plan)
        console().print("This was the plan only; nothing was changed.")


def _tag(account: Account, state: stack.StackState, tags: Mapping[str, str]) -> None:
    """Tag what there is already; a new stack's resources are made with their tags."""
    if tags:
        for line in tag_resources(account, stack.resources(account, state.stack_id), tags):
            print_prose(f"[yellow]Warning:[/] {line}")


def _refuse_taken_bucket(account: Account, prefix: str) -> None:
    """Refuse a bucket's name that is taken, before CloudFormation fails over it."""
    from botocore.exceptions import ClientError

    bucket = f"{prefix}-batch-job-resources-{account.identity().account}-{account.region}"
    try:
        account.client("s3").head_bucket(Bucket=bucket)
    except ClientError as error:
        # Without s3:ListBucket it is 403, whether there is one or not: CloudFormation will see.
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 301:
            return
    raise Refusal(
        f"The bucket {bucket} exists already, and no stack of the plugin made it.",
        f"delete it ('aws s3 rb s3://{bucket}' when nothing in it is needed), or deploy with "
        "another --prefix.",
    )


def _warn(
    account: Account, plan: Plan, given: Mapping[str, str], effective: Mapping[str, str]
) -> None:
    """Print what the user should know beforehand.

    Args:
        account: Where the stack is.
        plan: What is going to be done.
        given: The parameters that this call gives.
        effective: Those that the stack will have; all others have their defaults.
    """
    notes = Notes()
    lines = [*warn_of_update(plan)]
    if plan.creates or set(SIZES) & set(given):
        spot, gpu = effective.get("Spot") == "true", bool(effective.get("GpuInstanceTypes"))
        found = quotas(account, spot=spot, gpu=gpu, notes=notes)
        lines += warn_of_quotas(found, effective)
    for line in lines:
        print_prose(f"[yellow]Warning:[/] {line}")
    notes.show()


def _confirm(account: Account, plan: Plan, name: str) -> None:
    """Ask before a new stack; what was planned goes where the user declines."""
    try:
        click.confirm(f"Make the new stack {name} in {account.region}?", abort=True)
    except click.Abort as abort:
        discard(account, plan)
        raise Refusal("Nothing was made.", "confirm, or add --yes.") from abort


def _carry_out(account: Account, name: str, plan: Plan) -> stack.StackState:
    execute(account, plan)
    try:
        with Progress(f"{'Creating' if plan.creates else 'Updating'} {name}") as progress:
            for state, resources in stack.follow(account, plan.stack_id):
                progress.update(state, resources)
    except KeyboardInterrupt as interrupt:
        raise Refusal(
            f"CloudFormation goes on with {name} by itself; Covalent is not configured to use it.",
            "call the command again in some minutes: it shows the state, and configures Covalent. "
            "'covalent-awsbatch deploy --delete' removes the stack.",
        ) from interrupt
    if state.status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        reason = stack.failure(account, plan.stack_id) or state.reason
        raise Refusal(f"The deployment failed ({state.status}). {reason}", stack.fix_for(reason))
    return state
