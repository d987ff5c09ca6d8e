"""``covalent-awsbatch recover``: what jobs returned while their Covalent server was gone."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from ..options.table import BY_NAME
from .shared.account import Account, account_options, connect_from
from .shared.configuration import read_section
from .shared.formats import count
from .shared.job_facts import JobFacts
from .shared.job_groups import group_by_dispatch
from .shared.job_queue import existing_queue, queue_name, queue_option
from .shared.job_search import find_jobs, none_found, one_dispatch, parse_selection
from .shared.job_view import Reader, TaskView
from .shared.outcomes import (
    bucket_of,
    find_outcomes,
    save_transportable,
    save_value,
)
from .shared.recovered import MEANING, RETURNED, Recovered, next_steps, server_line
from .shared.screen import console
from .shared.servers import is_of_this_host, server_is_gone

# Without a dispatch, how many ended jobs are looked through.
RECENT = 1000


@click.command()
@click.argument("dispatch_id", required=False)
@account_options
@queue_option
@click.option(
    "--save",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Save the results to files in this folder, as pickles of the values.",
)
@click.option(
    "--transportable",
    is_flag=True,
    help="Save them as Covalent's TransportableObject instead.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def recover(
    dispatch_id: str | None,
    folder: Path | None,
    transportable: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """List and save what jobs returned after their Covalent server was killed.

    Without DISPATCH_ID: the dispatches of servers that ran on this host and are gone. Nothing is
    unpickled, deleted or ended.
    """
    selection = parse_selection(dispatch_id)
    account, name = connect_from(options), queue_name(options)
    queue = existing_queue(account, name)
    reader = Reader(account, queue)
    if not dispatch_id:
        _list_dispatches(account, find_jobs(account, queue.name, selection, RECENT))
        return
    found = find_jobs(account, queue.name, selection)
    if not found:
        raise none_found(selection, name, account)
    one_dispatch(found, dispatch_id)
    tasks = _recovered(account, reader, found)
    saved = _save(account, tasks, folder, as_transportable=transportable) if folder else {}
    if as_json:
        click.echo(json.dumps([_as_json(task, saved) for task in tasks], indent=2))
    else:
        _show(tasks, saved, folder)
    reader.notes.show()


def _recovered(account: Account, reader: Reader, jobs: Sequence[JobFacts]) -> list[Recovered]:
    outcomes = find_outcomes(account, _bucket(jobs), jobs[0].dispatch)
    newest = {job.node: job for job in sorted(jobs, key=lambda job: job.created)}
    views = reader.views([job for job in jobs if newest[job.node] is job])
    return [Recovered(view, outcomes.get(view.job.node)) for view in views]


def _bucket(jobs: Sequence[JobFacts]) -> str:
    option = BY_NAME["s3_bucket_name"]
    return bucket_of(jobs, str(read_section().get(option.name) or option.default))


def _list_dispatches(account: Account, jobs: Sequence[JobFacts]) -> None:
    gone = [job for job in jobs if server_is_gone(job)]
    shown = 0
    for group in group_by_dispatch(TaskView(job) for job in gone):
        some = [task.job for task in group.tasks]
        outcomes = find_outcomes(account, _bucket(some), group.dispatch)
        running = sum(not job.finished for job in some)
        if not outcomes and not running:
            continue  # Its results were delivered before the server ended.
        shown += 1
        returned = sum(stored.returned for stored in outcomes.values())
        click.echo(f"{group.dispatch}  {count(returned, 'result')} to save, {running} unfinished")
    if not shown:
        elsewhere = any(not is_of_this_host(job) for job in jobs)
        hint = "; for a server of another host, give the dispatch ID" if elsewhere else ""
        click.echo(f"No dispatch of a Covalent server of this host was left behind{hint}.")
        return
    click.echo(
        "\n'covalent-awsbatch recover DISPATCH_ID' has the tasks, '--save FOLDER' the values."
    )


def _save(
    account: Account, tasks: Sequence[Recovered], folder: Path, *, as_transportable: bool
) -> dict[str, str]:
    """Save the returned results, and return the files' names by node."""
    folder.mkdir(parents=True, exist_ok=True)
    save, suffix = (save_transportable, "tobj") if as_transportable else (save_value, "pkl")
    saved = {}
    for task in tasks:
        job = task.view.job
        if task.state == RETURNED and task.stored is not None:
            # Tags may be set by whoever may submit jobs; they must not lead out of the folder.
            node, function = (re.sub(r"\W", "_", t) for t in (job.node, job.function))
            path = folder / f"{node}-{function}.{suffix}"
            partial = path.with_name(f".{path.name}.partial")
            save(account, task.stored, partial)
            partial.replace(path)
            saved[job.node] = str(path)
    return saved


def _as_json(task: Recovered, saved: Mapping[str, str]) -> dict[str, Any]:
    job, stored = task.view.job, task.stored
    result = stored.outcome.result if stored and stored.outcome else None
    return {
        "dispatch": job.dispatch,
        "node": job.node,
        "function": job.function,
        "job_id": job.job_id,
        "status": job.status,
        "state": task.state,
        "remark": task.remark or None,
        "key": stored.key if stored else None,
        "bucket": stored.bucket if stored else None,
        "size": result.size if result else None,
        "file": saved.get(job.node),
    }


def _show(tasks: Sequence[Recovered], saved: Mapping[str, str], folder: Path | None) -> None:
    screen, job = console(), tasks[0].view.job
    screen.print(f"Dispatch {job.dispatch}", style="bold", markup=False)
    screen.print(server_line(job), markup=False)
    screen.print()
    width = max(len(task.view.job.function) for task in tasks)
    for task in tasks:
        where = saved.get(task.view.job.node) or task.remark or MEANING[task.state]
        line = f"{task.view.job.task:<13} {task.view.job.function:<{width}}  {task.state:<10}  "
        screen.print(f"{line}{' '.join(where.split())}", markup=False)
    states = [task.state for task in tasks]
    parts = [f"{states.count(state)} {state}" for state in MEANING if state in states]
    screen.print(f"\n{', '.join(parts)}.", markup=False)
    for line in next_steps(tasks, saved, folder):
        screen.print(line, markup=False)
