"""``covalent-awsbatch logs``: what tasks wrote, from CloudWatch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import click

from .shared.account import Account, account_options, connect_from
from .shared.errors import Refusal, WrongCall
from .shared.job_facts import JobFacts
from .shared.job_queue import existing_queue, queue_name, queue_option
from .shared.job_search import find_jobs, none_found, one_dispatch, parse_selection
from .shared.job_view import Reader
from .shared.log_events import Event, StreamReader, read_streams
from .shared.log_follower import Follower
from .shared.screen import harmless, styled
from .shared.watcher import await_job


@click.command()
@click.argument("dispatch_id")
@account_options
@queue_option
@click.option("-f", "--follow", is_flag=True, help="Go on until the tasks have ended.")
@click.option("--failed", is_flag=True, help="Only of tasks that failed.")
@click.option("--attempt", type=click.IntRange(1), help="The attempt's number.  [default: last]")
def logs(
    dispatch_id: str, follow: bool, failed: bool, attempt: int | None, **options: Any
) -> None:
    """Print what the task DISPATCH_ID:NODE wrote, or all tasks of DISPATCH_ID.

    Lines of several tasks are in order of time, each after its node's number and function. With
    --follow, changes of a task's state are printed to standard error, with the reason.
    """
    selection = parse_selection(dispatch_id, ["failed"] if failed else [])
    account, name = connect_from(options), queue_name(options)
    queue = existing_queue(account, name)
    find = await_job if follow else find_jobs
    found = find(account, queue.name, selection)
    if not found:
        raise _none_failed(dispatch_id) if failed else none_found(selection, name, account)
    one_dispatch(found, dispatch_id)
    prefix = Prefix(found, always=follow and not selection.node)
    reader = Reader(account, queue)
    if attempt is not None:
        job = _of_attempt(found, attempt)
        _print_one(account, reader, job)
    elif follow:
        follower = Follower(account, reader, selection, _report)
        for job, event in follower.events(found):
            click.echo(prefix.of(job) + harmless(event.message))
        _check_streams(follower.without_stream(), selection.node)
    elif len(found) == 1:
        _print_one(account, reader, found[0])
    else:
        _print_all(account, found, prefix)
    reader.notes.show()


class Prefix:
    """What a line begins with, so that one sees whose it is: nothing for the only task."""

    def __init__(self, jobs: Sequence[JobFacts], *, always: bool) -> None:
        self._wanted = always or len(jobs) > 1
        self._node = max(len(job.node) for job in jobs)
        self._function = max(len(job.function) for job in jobs)

    def of(self, job: JobFacts) -> str:
        """Return the prefix of a task's lines."""
        if not self._wanted:
            return ""
        name = f"{job.node:>{self._node}} {job.function:<{self._function}} |"
        return styled(name, fg="cyan") + " "


def _print_one(account: Account, reader: Reader, job: JobFacts) -> None:
    if not job.streams:
        raise _without_log(reader, job)
    stream = StreamReader(account, job.log_group, job.streams[-1])
    for event in stream.new_events():
        click.echo(harmless(event.message))
    if not stream.exists and job.finished:
        raise _missing(job)
    if not stream.exists:
        _report(f"{job.task} is {job.status} and has not written anything yet.")


def _check_streams(missing: Sequence[JobFacts], node: str | None) -> None:
    """Report the jobs that ended and whose log streams do not exist.

    Raises:
        Refusal: It is the one task that was asked for.
    """
    if node and missing:
        raise _missing(missing[0])
    for job in missing:
        _report(_missing(job).message)


def _missing(job: JobFacts) -> Refusal:
    return Refusal(
        f"The log stream {job.streams[-1]} of {job.task} does not exist in {job.log_group}.",
        "logs are deleted after the days that the log group keeps them; a container that "
        f"never started has none ('covalent-awsbatch show {job.task}').",
    )


def _print_all(account: Account, jobs: Sequence[JobFacts], prefix: Prefix) -> None:
    by_stream = {job.streams[-1]: job for job in jobs if job.streams}
    if not by_stream:
        states = ", ".join(sorted({job.status for job in jobs}))
        raise Refusal(
            f"None of the {len(jobs)} jobs has a log: they are {states}.",
            f"'covalent-awsbatch jobs {jobs[0].dispatch}' has the reasons; --follow waits.",
        )
    events: Iterable[Event] = read_streams(account, by_stream.values())
    is_empty = True
    for event in events:
        is_empty = False
        click.echo(prefix.of(by_stream[event.stream]) + harmless(event.message))
    if is_empty:
        _report(
            f"The logs of the {len(jobs)} jobs have no lines: the tasks have written nothing, or "
            "their logs were deleted."
        )


def _of_attempt(jobs: Sequence[JobFacts], attempt: int) -> JobFacts:
    if len(jobs) > 1:
        nodes = ", ".join(job.node for job in jobs[:20])
        raise WrongCall(
            f"--attempt is for one task; the dispatch has jobs of {len(jobs)} nodes: {nodes}.",
            f"name one: 'covalent-awsbatch logs {jobs[0].task} --attempt {attempt}'.",
        )
    streams = jobs[0].streams
    if attempt > len(streams):
        raise WrongCall(
            f"There is no log of an attempt {attempt}; the task has had {len(streams)}.",
            f"give --attempt a number from 1 to {len(streams)}.",
        )
    return replace(jobs[0], streams=(streams[attempt - 1],))


def _without_log(reader: Reader, job: JobFacts) -> Refusal:
    (view,) = reader.views([job])
    if view.waiting:
        return Refusal(
            f"{job.task} is {job.status} and has no log yet. {view.waiting.sentence}",
            f"'covalent-awsbatch logs {job.task} --follow' waits for it.",
        )
    if job.finished:
        cause = f" ({view.cause})" if view.cause else ""
        return Refusal(
            f"{job.task} has {job.status} without a log: its container never started{cause}.",
            view.advice or f"'covalent-awsbatch show {job.task}' has all that AWS has of it.",
        )
    return Refusal(f"{job.task} is {job.status} and has no log yet.", "try again, or --follow.")


def _none_failed(dispatch_id: str) -> Refusal:
    return Refusal(f"No job of {dispatch_id} failed.", "leave out --failed to see all logs.")


def _report(line: str) -> None:
    click.echo(styled(line, dim=True), err=True)
