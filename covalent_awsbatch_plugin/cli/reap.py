"""``covalent-awsbatch reap``: end jobs that a Covalent server left behind."""

from __future__ import annotations

import socket
from typing import Any

import click

from ..aws.model.submission import tag_value
from .cancel import end_jobs
from .shared.account import account_options, connect_from
from .shared.job_facts import JobFacts
from .shared.job_queue import existing_queue, queue_name, queue_option
from .shared.job_search import find_unfinished, one_dispatch, parse_selection
from .shared.screen import console


@click.command()
@click.argument("dispatch_id", required=False)
@account_options
@queue_option
@click.option(
    "--all",
    "everyones",
    is_flag=True,
    help="Also jobs of servers elsewhere, which may be running.",
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

    Those whose server ran on this machine and is gone; with DISPATCH_ID[:NODE], that dispatch's
    whatever server it was; with --all, every server's but those running on this machine.
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
    else:
        console().print(f"No job was left behind.{_others(unfinished, everyones)}")


def left_behind(job: JobFacts, *, everyones: bool) -> bool:
    """Tell whether a job's server is gone; of another machine's, whatever the caller thinks."""
    host, _, process = job.server.rpartition(":")
    if host != tag_value(socket.gethostname()):
        return everyones
    return not (process.isdigit() and _is_running(int(process), since=job.created))


def _is_running(process: int, since: float) -> bool:
    import psutil  # type: ignore[import-untyped]

    try:
        # A process that started after the job only bears the same number.
        return bool(psutil.Process(process).create_time() <= since)
    except psutil.NoSuchProcess:
        return False


def _others(unfinished: list[JobFacts], everyones: bool) -> str:
    if not unfinished or everyones:
        return ""
    return (
        f" {len(unfinished)} jobs wait or run for servers that are running, or that run on other "
        "machines, which cannot be told from here: see --all."
    )
