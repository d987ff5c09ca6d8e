"""``covalent-awsbatch watch``: a dispatch while it runs, in place on a terminal, else in lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from .shared.account import account_options, connect_from
from .shared.covalent_api import CovalentDispatch
from .shared.errors import Refusal
from .shared.formats import count, shortened, span
from .shared.job_facts import JobFacts
from .shared.job_groups import Group, shared_failures, shared_waits
from .shared.job_queue import existing_queue, queue_name, queue_option
from .shared.job_search import (
    Selection,
    none_found,
    one_dispatch,
    parse_selection,
)
from .shared.job_table import COLOURS, show_group
from .shared.job_view import Reader
from .shared.screen import console
from .shared.servers import server_is_gone
from .shared.sweep import Progress
from .shared.watcher import Watcher, await_job

if TYPE_CHECKING:
    from rich.console import Group as Renderable

SLOWEST, FAILED = 3, 5


@click.command()
@click.argument("dispatch_id", required=False)
@account_options
@queue_option
def watch(dispatch_id: str | None, **options: Any) -> None:
    """Watch the dispatch DISPATCH_ID, by default the newest, until it ends.

    Exit code 0 where all of its tasks returned, else 1. In a pipe, a log file or a notebook it
    prints a line for each change.
    """
    selection = parse_selection(dispatch_id)
    account, name = connect_from(options), queue_name(options)
    queue = existing_queue(account, name)
    found = await_job(account, queue.name, selection)
    if not found:
        raise none_found(selection, name, account)
    if dispatch_id:
        one_dispatch(found, dispatch_id)
    watcher = Watcher(account, Reader(account, queue), Selection(found[0].dispatch))
    with _display() as show:
        for progress in watcher.updates():
            show(progress)
    watcher.reader.notes.show()
    sys.exit(_conclude(progress, watcher.covalent))


@contextmanager
def _display() -> Iterator[Callable[[Progress], None]]:
    """Yield what shows the progress: in place on a terminal, else as lines."""
    screen = console(soft_wrap=False)
    if not screen.is_terminal:
        yield Lines().show
        return
    from rich.live import Live

    # What was shown last is replaced by the whole report, which scrolls.
    with Live(console=screen, transient=True, refresh_per_second=4) as live:
        yield lambda progress: live.update(_picture(progress, screen.width), refresh=True)


@dataclass
class Lines:
    """Progress in lines, for log files and notebooks: one where a count or a failure is new."""

    last: str = ""
    failed: set[str] = field(default_factory=set)

    def show(self, progress: Progress) -> None:
        """Print what has changed."""
        line = _counts(progress)
        if line != self.last:
            self.last = line
            click.echo(f"{time.strftime('%H:%M:%S')} {line}{_pace(progress)}")
        for task in progress.failed():
            if task.job.job_id not in self.failed:
                self.failed.add(task.job.job_id)
                click.echo(f"  {task.job.task} {task.job.function} failed: {task.cause}")
        sys.stdout.flush()


def _counts(progress: Progress) -> str:
    counts = ", ".join(f"{n} {state}" for state, n in progress.group.counts.items())
    more = progress.total - len(progress.group.tasks)
    return f"{progress.ended}/{progress.total} ended: {counts}" + (
        f", {more} to come" if more else ""
    )


def _pace(progress: Progress) -> str:
    rate, left = progress.per_minute, progress.remaining
    if not rate or left is None or progress.ended >= progress.total:
        return ""
    end = time.strftime("%H:%M", time.localtime(progress.now + left))
    return f"; {rate:.0f} tasks/min, {span(left)} left, ends at {end}"


def _picture(progress: Progress, width: int) -> Renderable:
    from rich.console import Group as Renderable
    from rich.padding import Padding
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    bar = ProgressBar(total=progress.total, completed=progress.ended, width=min(width, 72))
    # A bar by itself does not end its line.
    lines: list[Any] = [
        Text(f"Dispatch {progress.group.dispatch}", style="bold"),
        Padding(bar),
        Text(_counts(progress)),
        Text(_pace(progress).removeprefix("; ") or "too few tasks have ended for an estimate"),
    ]
    lines += [
        _line("slowest", _running(t.job, progress), width, "running")
        for t in progress.slowest(SLOWEST)
    ]
    for shared in shared_waits(progress.group.tasks)[:1]:
        lines.append(_line("waiting", f"{len(shared.tasks)}: {shared.text}", width, "waiting"))
    for shared in shared_failures(progress.group.tasks)[:FAILED]:
        names = ", ".join(task.job.task for task in shared.tasks[:2])
        lines.append(
            _line("failed", f"{len(shared.tasks)}: {shared.text} ({names})", width, "failed")
        )
    return Renderable(*lines)


def _running(job: JobFacts, progress: Progress) -> str:
    return f"{job.task} {job.function} for {span(job.ran(progress.now))}"


def _line(title: str, text: str, width: int, state: str) -> Any:
    from rich.text import Text

    return Text(shortened(f"{title:<8} {text}", width), style=COLOURS[state])


def _conclude(progress: Progress, covalent: CovalentDispatch | None) -> int:
    """Print the end of a dispatch, and return the exit code."""
    failed = progress.failed()
    show_group(
        console(),
        Group(progress.group.dispatch, tuple(failed)) if failed else progress.group,
        progress.now,
        totals=progress.group,
    )
    tasks = count(len(progress.group.tasks), "task")
    status = f" Covalent: {covalent.status}." if covalent else ""
    lost = any(server_is_gone(task.job) for task in progress.group.tasks)
    click.echo(f"\n{len(failed)} of {tasks} failed.{status}")
    if lost:
        raise Refusal(
            "The Covalent server of this dispatch no longer runs, so it will not go on.",
            f"'covalent-awsbatch recover {progress.group.dispatch[:8]}' saves what was returned.",
        )
    bad = bool(failed) or (covalent is not None and covalent.status != "COMPLETED")
    return 1 if bad else 0
