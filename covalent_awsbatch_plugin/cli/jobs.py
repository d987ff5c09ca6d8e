"""``covalent-awsbatch jobs``: the plugin's jobs, and why each that waits does."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click

from .shared.account import Account, account_options, connect_from
from .shared.job_queue import existing_queue, queue_name, queue_option, with_front
from .shared.job_search import FoundJob, find_jobs, none_found, parse_selection
from .shared.screen import console, table
from .shared.waiting_reasons import Queue, why_waiting

COLOURS = {"SUCCEEDED": "green", "FAILED": "red", "RUNNING": "cyan", "STARTING": "cyan"}


@click.command()
@click.argument("dispatch_id", required=False)
@account_options
@queue_option
@click.option(
    "--limit",
    type=click.IntRange(0),
    default=20,
    show_default=True,
    help="How many ended jobs to show, without a dispatch.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def jobs(dispatch_id: str | None, limit: int, as_json: bool, **options: Any) -> None:
    """List the plugin's jobs, those of DISPATCH_ID[:NODE] or all.

    The beginning of a dispatch's id is enough. For a job that waits it tells why.
    """
    selection = parse_selection(dispatch_id)
    account, name = connect_from(options), queue_name(options)
    queue = existing_queue(account, name)
    found = find_jobs(account, queue.name, selection, recent=limit)
    if not found and dispatch_id:
        raise none_found(selection, name, account)
    reasons = waiting_reasons(account, queue, found)
    if as_json:
        click.echo(json.dumps([_as_json(job, reasons) for job in found], indent=2))
    elif found:
        _show(found, reasons)
    else:
        console().print(f"There is no job of the plugin in the queue {queue.name}.")


def waiting_reasons(account: Account, queue: Queue, found: Sequence[FoundJob]) -> dict[str, str]:
    """Return, for each job that waits, why it does, by its id."""
    waiting = [job for job in found if job.waiting]
    if not waiting:
        return {}
    queue = with_front(account, queue)
    return {job.job_id: why_waiting(job, queue) for job in waiting}


def _as_json(job: FoundJob, reasons: Mapping[str, str]) -> dict[str, Any]:
    return {**asdict(job), "waits_because": reasons.get(job.job_id)}


def _show(found: Sequence[FoundJob], reasons: Mapping[str, str]) -> None:
    from rich.markup import escape

    shown = table("Dispatch", "Node", "Function", "Status", "Age", "Attempts", "Why")
    for job in found:
        status = f"[{COLOURS.get(job.status, 'yellow')}]{job.status}[/]"
        why = reasons.get(job.job_id) or (job.reason if job.status == "FAILED" else "")
        shown.add_row(
            job.dispatch,
            job.node,
            escape(job.function),
            status,
            age(job.age),
            f"{job.attempts} of {job.retries}",
            escape(why),
        )
    console().print(shown)


def age(seconds: float) -> str:
    """Return a time span in its largest unit: ``42 s``, ``7 min``, ``3 h``, ``2 d``."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.0f} s"
