"""Jobs as rows of text: one line a job, as wide as the terminal, or whole where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .formats import gigabytes, shortened, span
from .job_causes import cpu_used, memory_used
from .job_groups import Group, Shared, fits, shared_failures, shared_waits
from .job_view import TaskView

if TYPE_CHECKING:
    from rich.console import Console

COLOURS = {"done": "green", "failed": "red", "running": "cyan", "waiting": "yellow"}

HEAD = ("TASK", "FUNCTION", "STATUS", "WAITED", "RAN", "TRIES", "CAUSE")
HEAD_WIDE = (*HEAD[:-1], "MEMORY", "CPU", "JOB", "IMAGE", HEAD[-1])
RIGHT = ("WAITED", "RAN", "TRIES", "CPU")

# What a function's name may take where the terminal's width is to do, and how many causes and
# functions are listed below the rows.
NAME_WIDTH = 14
CAUSE_LIMIT = 6
TASKS_NAMED = 4
FITS_SHOWN = 4


def show_group(
    console: Console,
    group: Group,
    now: float,
    *,
    wide: bool = False,
    totals: Group | None = None,
) -> None:
    """Print a dispatch: its totals, a row for each job, and what they have in common.

    Args:
        console: Where to.
        group: The jobs that have a row.
        now: The time, in seconds since the epoch.
        wide: Whether rows are whole, with memory, CPU, job and image.
        totals: The jobs of which the totals are, where they are more.
    """
    counted = totals or group
    console.print(f"Dispatch {group.dispatch}", style="bold", markup=False)
    console.print(counted.totals(now), markup=False)
    lines = list(fits(counted.tasks))
    for line in lines[:FITS_SHOWN]:
        console.print(f"Used at most by {line}", markup=False, style="dim")
    if len(lines) > FITS_SHOWN:
        rest = f"Used by {len(lines) - FITS_SHOWN} more functions: see --wide."
        console.print(rest, markup=False, style="dim")
    console.print()
    show_rows(console, group.tasks, now, wide=wide)
    show_shared(console, "failed", shared_failures(group.tasks))
    show_shared(console, "waiting", shared_waits(group.tasks))


def show_rows(
    console: Console, tasks: Sequence[TaskView], now: float, *, wide: bool = False
) -> None:
    """Print a row for each task; on a terminal a row is cut at its width, unless ``wide``."""
    from rich.text import Text

    head = HEAD_WIDE if wide else HEAD
    cut = console.is_terminal and not wide
    rows = [_cells(task, now, wide=wide, cut=cut) for task in tasks]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    limit = console.width if cut else 0
    console.print(_line(head, head, widths, limit), markup=False, style="dim")
    for task, row in zip(tasks, rows, strict=True):
        line = Text(_line(head, row, widths, limit))
        status = sum(widths[:2]) + 4
        line.stylize(COLOURS[task.job.state], status, status + widths[2])
        console.print(line)


def show_shared(console: Console, state: str, causes: Sequence[Shared]) -> None:
    """Print the causes that tasks share, the most frequent first, with what to do."""
    whole = not console.is_terminal
    for shared in causes[:CAUSE_LIMIT]:
        console.print()
        names = ", ".join(task.job.task for task in shared.tasks[:TASKS_NAMED])
        more = len(shared.tasks) - TASKS_NAMED
        names += f" and {more} more" if more > 0 else ""
        line = f"{len(shared.tasks)} {state}: {shared.text}"
        console.print(line, style=COLOURS[state], markup=False, soft_wrap=whole)
        advice = f"Fix: {shared.advice} " if shared.advice else ""
        console.print(f"  {advice}({names})", markup=False, soft_wrap=whole)
    if len(causes) > CAUSE_LIMIT:
        rest = len(causes) - CAUSE_LIMIT
        console.print(f"\nand {rest} more causes: see the rows.", markup=False)


def _cells(task: TaskView, now: float, *, wide: bool, cut: bool) -> tuple[str, ...]:
    job = task.job
    name = shortened(job.function, NAME_WIDTH) if cut else job.function
    tries = f"{job.attempts}/{job.attempt_limit}"
    ran = span(job.ran(now)) if job.attempts else "-"
    cells: tuple[str, ...] = (job.task, name, job.status, span(job.waited(now)), ran, tries)
    if wide:
        cells += (*_usage(task), job.job_id, job.image)
    return (*cells, " ".join(task.remark.split()))


def _usage(task: TaskView) -> tuple[str, str]:
    job, summary = task.job, task.summary
    if summary is None:
        return f"{gigabytes(job.memory_mib)} GB", "-"
    return memory_used(job, summary), f"{cpu_used(job, summary):.0%}"


def _line(head: Sequence[str], cells: Sequence[str], widths: Sequence[int], limit: int) -> str:
    parts = [
        cell.rjust(width) if name in RIGHT else cell.ljust(width)
        for name, cell, width in zip(head, cells, widths, strict=True)
    ]
    line = "  ".join(parts).rstrip()
    return shortened(line, limit) if limit else line
