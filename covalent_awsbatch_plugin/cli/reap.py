"""``covalent-awsbatch reap``: end jobs that a Covalent server left behind."""

from __future__ import annotations

from typing import Any

import click

from .cancel import end_jobs
from .shared.account import account_options, connect_from
from .shared.formats import count
from .shared.job_facts import JobFacts
from .shared.job_queue import existing_queue, queue_name, queue_option
from .shared.job_search import find_unfinished, one_dispatch, parse_selection
from .shared.screen import console
from .shared.servers import is_of_this_host, server_is_gone


@click.command()
@click.argument("dispatch_id", required=False)
@account_options
@queue_option
@click.option(
    "--all",
    "everyones",
    is_flag=True,
    help="Also jobs of servers on other hosts, which may be running.",
)
@click.option(
    "--older-than",
    type=click.FloatRange(0),
    default=0.0,
    metavar="HOURS",
    help="Only jobs submitted longer ago.",
)
@click.option("--yes", is_flag=True, help="End them without asking.")
def reap(
    dispatch_id: str | None, everyones: bool, older_than: float, yes: bool, **options: Any
) -> None:
    """End jobs that a Covalent server left behind when it crashed.

    By default: jobs of Covalent servers on this host that are no longer running. With
    DISPATCH_ID[:NODE]: the jobs of that dispatch. With --all: also jobs of servers on other hosts.
    What jobs of a crashed server have returned can be saved: see 'recover'.
    """
    selection = parse_selection(dispatch_id)
    account, name = connect_from(options), queue_name(options)
    existing_queue(account, name)
    unfinished = find_unfinished(account, name, selection)
    found = [job for job in unfinished if job.age >= older_than * 3600]
    if dispatch_id:
        one_dispatch(found, dispatch_id)
    else:
        found = [job for job in found if left_behind(job, everyones=everyones)]
    if found:
        end_jobs(account, found, "Left behind; ended by 'covalent-awsbatch reap'", ask=not yes)
        console().print("'covalent-awsbatch recover' saves what other jobs have returned.")
    else:
        console().print(f"No job was left behind.{_others(unfinished, everyones)}")


def left_behind(job: JobFacts, *, everyones: bool) -> bool:
    """Return whether a job's server is gone; for other hosts' the caller decides."""
    return server_is_gone(job) or (everyones and not is_of_this_host(job))


def _others(unfinished: list[JobFacts], everyones: bool) -> str:
    if not unfinished or everyones:
        return ""
    return (
        f" {count(len(unfinished), 'job')} of servers that are running or on other hosts wait or "
        "run: see --all."
    )
