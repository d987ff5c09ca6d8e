"""``covalent-awsbatch jobs``: the plugin's jobs, what they used, and why some wait or failed."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import click

from .shared.account import account_options, connect_from
from .shared.formats import parse_span
from .shared.job_groups import group_by_dispatch
from .shared.job_queue import existing_queue, queue_name, queue_option
from .shared.job_search import STATES, Selection, find_jobs, none_found, parse_selection
from .shared.job_table import show_group
from .shared.job_view import Reader, TaskView
from .shared.screen import console, print_prose


def _check_age(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    try:
        return None if value is None else parse_span(value)
    except ValueError:
        message = f"{value!r} is no time span; give one such as 30m, 2h or 3d."
        raise click.BadParameter(message) from None


@click.command()
@click.argument("dispatch_id", required=False)
@account_options
@queue_option
@click.option(
    "--status",
    "states",
    multiple=True,
    type=click.Choice(tuple(STATES), case_sensitive=False),
    help="Only jobs in this state; may be given more than once.",
)
@click.option(
    "--since",
    callback=_check_age,
    metavar="AGE",
    help="Only jobs submitted in the last 30m, 2h, 3d.",
)
@click.option(
    "--limit",
    type=click.IntRange(0),
    default=20,
    show_default=True,
    help="How many ended jobs to show without a dispatch and --since.",
)
@click.option("--wide", is_flag=True, help="Whole rows, with memory, CPU, job ID and image.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with all that is known.")
def jobs(
    dispatch_id: str | None,
    states: Sequence[str],
    since: float | None,
    limit: int,
    wide: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """List the plugin's jobs, those of DISPATCH_ID[:NODE] or all.

    The beginning of a dispatch ID is enough. Jobs that wait are shown with the reason, failed
    ones with the cause and the fix.
    """
    selection = parse_selection(dispatch_id, states, since)
    account, name = connect_from(options), queue_name(options)
    queue = existing_queue(account, name)
    recent = None if since is not None else limit
    found = find_jobs(account, queue.name, selection, recent)
    if not found and dispatch_id and not (states or since):
        raise none_found(selection, name, account)
    reader = Reader(account, queue)
    tasks = reader.views(found)
    if as_json:
        now = time.time()
        click.echo(json.dumps([task.as_json(now) for task in tasks], indent=2))
    elif tasks:
        _show(tasks, wide=wide)
        if not dispatch_id and recent and sum(job.finished for job in found) >= recent:
            print_prose(
                f"\nOf the jobs that ended, only the newest {recent} are shown and counted; see "
                "--limit and --since, or give a dispatch ID."
            )
    else:
        console().print(f"There is no such job in the queue {queue.name}{_hint(selection)}.")
    reader.notes.show()


def _hint(selection: Selection) -> str:
    return " (see --status and --since)" if selection.statuses or selection.since else ""


def _show(tasks: Sequence[TaskView], *, wide: bool) -> None:
    now, screen = time.time(), console()
    for number, group in enumerate(group_by_dispatch(tasks)):
        if number:
            screen.print()
        show_group(screen, group, now, wide=wide)
