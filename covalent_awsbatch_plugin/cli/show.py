"""``covalent-awsbatch show``: everything about one task."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

import click

from ..aws.jobs.logs import console_link
from .shared.account import Account, account_options, connect_from
from .shared.errors import WrongCall
from .shared.formats import amount, clock, count, gigabytes, span
from .shared.host import Host, describe_host
from .shared.job_causes import cpu_used, memory_used
from .shared.job_facts import JobFacts
from .shared.job_queue import existing_queue, queue_name, queue_option
from .shared.job_search import find_jobs, none_found, one_dispatch, parse_selection
from .shared.job_table import COLOURS
from .shared.job_view import Reader, TaskView
from .shared.log_events import tail
from .shared.optional import Notes
from .shared.screen import console, harmless

# How much of the end of a failed task's log is shown.
LOG_LINES = 15


@click.command()
@click.argument("dispatch_id")
@account_options
@queue_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with all that is known.")
def show(dispatch_id: str, as_json: bool, **options: Any) -> None:
    """Show everything about the task DISPATCH_ID:NODE.

    That is its times by stage, attempts, what it used of what it asked for, host, image and log,
    and, for a task that failed, the cause and what to do.
    """
    selection = parse_selection(dispatch_id)
    account, name = connect_from(options), queue_name(options)
    queue = existing_queue(account, name)
    found = find_jobs(account, queue.name, selection)
    if not found:
        raise none_found(selection, name, account)
    job = _newest_of_one_node(found, dispatch_id)
    reader = Reader(account, queue)
    (view,) = reader.views([job])
    host = describe_host(account, job, reader.notes)
    link = log_link(account, job, reader.notes)
    if as_json:
        report = {**view.as_json(time.time()), "stages": dict(stages(view)), "log_link": link}
        click.echo(json.dumps({**report, "host": host.text if host else None}, indent=2))
    else:
        _show(account, view, host, link, reader.notes)
    reader.notes.show()


def _newest_of_one_node(jobs: Sequence[JobFacts], given: str) -> JobFacts:
    one_dispatch(jobs, given)
    nodes = list(dict.fromkeys(job.node for job in jobs))
    if len(nodes) > 1:
        raise WrongCall(
            f"The dispatch has jobs of {len(nodes)} nodes: {', '.join(nodes[:20])}.",
            f"name one: 'covalent-awsbatch show {jobs[0].task}'.",
        )
    return max(jobs, key=lambda job: job.created)


def log_link(account: Account, job: JobFacts, notes: Notes) -> str:
    """Return the address of a job's log in the AWS console; empty for an emulator's."""
    if account.endpoint_url or not job.streams:
        return ""
    with notes.optional("the log's address in the AWS console"):
        partition = account.identity().partition
        return console_link(account.region, job.log_group, job.streams[-1], partition)
    return ""


def stages(view: TaskView) -> Iterator[tuple[str, float]]:
    """Yield the seconds of each stage of the last attempt, as far as they are known."""
    job, summary = view.job, view.summary
    if not job.started:
        return
    yield "host and image", job.waited(time.time())
    if summary and summary.logged and job.stopped:
        yield (
            "Python and packages",
            max(summary.logged - summary.seconds - job.started, 0.0),
        )
        yield "task", summary.seconds
        yield "result stored", max(job.stopped - summary.logged, 0.0)
    else:
        yield "task", job.ran(time.time())


def _show(account: Account, view: TaskView, host: Host | None, link: str, notes: Notes) -> None:
    screen, job = console(), view.job
    screen.print(f"{job.task} {job.function}", style="bold", markup=False)
    why = view.cause or (view.waiting.sentence if view.waiting else "")
    because = f": {why}" if why else ""
    screen.print(f"{job.status}{because}", style=COLOURS[job.state], markup=False)
    if view.advice:
        screen.print(f"Fix: {view.advice}", markup=False)
    for title, lines in _sections(view, host, link):
        if lines:
            screen.print(f"\n{title}", style="bold", markup=False)
        for name, text in lines:
            screen.print(f"  {name:<22}{text}", markup=False)
    if job.status == "FAILED" and job.streams:
        _show_log(account, job, notes)


def _sections(
    view: TaskView, host: Host | None, link: str
) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    yield "Job", list(_facts(view.job, host))
    yield "Times", list(_times(view))
    yield "Attempts", list(_attempts(view.job))
    yield "Use", list(_use(view))
    yield "Log", list(_log(view.job, link))


def _facts(job: JobFacts, host: Host | None) -> Iterator[tuple[str, str]]:
    yield "Dispatch", job.dispatch
    yield "Job", job.job_id
    yield "Image", job.image
    if host:
        yield "Host", host.text
    yield "Covalent server", job.server
    if job.reason:
        yield "Batch's reason", job.reason
    if job.exit_code is not None:
        yield "Exit code", str(job.exit_code)


def _times(view: TaskView) -> Iterator[tuple[str, str]]:
    job = view.job
    yield "Submitted", clock(job.created)
    yield "Started", clock(job.started)
    yield "Ended", clock(job.stopped)
    for stage, seconds in stages(view):
        yield f"  {stage}", span(seconds)


def _attempts(job: JobFacts) -> Iterator[tuple[str, str]]:
    yield "Started", f"{job.attempts} of {count(job.attempt_limit, 'attempt')}"
    for number, attempt in enumerate(job.ended_attempts, 1):
        code = "no exit code" if attempt.exit_code is None else f"exit code {attempt.exit_code}"
        reason = f"; {attempt.reason}" if attempt.reason else ""
        yield f"  attempt {number}", f"{span(attempt.seconds)}, {code}{reason}"


def _use(view: TaskView) -> Iterator[tuple[str, str]]:
    job, summary, now = view.job, view.summary, time.time()
    if summary:
        yield "Memory peak", memory_used(job, summary)
        yield "CPU", f"{cpu_used(job, summary):.0%} of {count(job.vcpus, 'vCPU')}"
    else:
        yield "Asked for", f"{count(job.vcpus, 'vCPU')}, {gigabytes(job.memory_mib)} GB"
    if job.gpus:
        yield "GPUs", str(job.gpus)
    if job.time_limit and job.attempts:
        longest = max(
            [
                summary.seconds if summary else 0.0,
                *(attempt.seconds for attempt in job.ended_attempts),
            ]
        )
        yield "Time", f"{span(longest)} of {span(job.time_limit)} an attempt"
    if not job.attempts:
        return
    hours = job.ran(now) / 3600
    gb_hours = amount(hours * job.memory_mib / 1024)
    yield "Billed", f"{amount(hours * job.vcpus)} vCPU-hours, {gb_hours} GB-hours"


def _log(job: JobFacts, link: str) -> Iterator[tuple[str, str]]:
    if job.streams:
        yield "Group", job.log_group
        yield "Stream", job.streams[-1]
        yield "Command", f"covalent-awsbatch logs {job.task}"
    if link:
        yield "Console", link


def _show_log(account: Account, job: JobFacts, notes: Notes) -> None:
    lines: list[str] = []
    with notes.optional("the end of the log"):
        lines = [harmless(line) for line in tail(account, job, LOG_LINES)]
    if lines:
        console().print("\nEnd of the log", style="bold")
    for line in lines:
        console().print(f"  {line}", markup=False)
