"""The figures as a table on the terminal, as a page of the documentation, and as a plot."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import places
from benchmarks.figures import (
    Figure,
    Measured,
    bytes_up,
    calls,
    figures,
    wall_limit,
)
from benchmarks.runs import MB, OLD, OURS

HEADINGS = ("work", "0.42", "ours", "ours / 0.42", "limit", "ours / limit", "target", "")

INTRODUCTION = """\
# Benchmarks

What a task costs, beside release 0.42 of this plugin, on the same work. `make bench` measures it
again and writes this page; `python -m benchmarks --quick` takes three minutes and writes nothing.

A fake of S3, STS, Batch and CloudWatch Logs runs as a process of its own: each call takes
30 ms, a job 2 s, SubmitJob is refused beyond 50 calls a second as AWS does, DescribeJobs beyond
30. Both releases are driven as Covalent's server drives them: `run()` on a uvloop event loop,
one executor for each electron, the answers of its database given at once; `poll_freq` is 1. Each
measurement is a process of its own. Release 0.42 runs in a virtual environment of its own, from
PyPI, and its jobs speak its own protocol.
"""

LEGEND = """\
*Limit* is the theoretical minimum: for times, SubmitJob at 50 a second plus the job and the four
calls that every task needs. Release 0.42 was measured with 100 tasks at most. A line for 1,000
tasks repeats its figure for 100: a figure a task unchanged, a total (memory, registrations) times
ten.
"""

# What the figures of a part mean.
NOTES = {
    "private": """\
- *Payload* is what Covalent hands over: the base64 of a pickle of 100 MB, both as argument and as
  result. The baseline is a process that has run one small task.""",
    "imports": """\
- The share of `import covalent` is taken without the garbage collector.""",
    "worker": """\
- The worker's start is that of a real process, up to the task's function; its limit is a Python
  that does nothing.""",
    "containers": """\
- The start of containers is measured by the task's function, from the start of the container's
  first process; processor time is that of all processes in it. The bare image has a Python and
  pip. None of these jobs but those of `DepsPip` reaches a package index. `DepsPip` installs
  scikit-learn from an index near by, through a proxy that counts what it sends. *Later* jobs find
  in the bucket what an earlier one, or the server, has put there. Release 0.42's is its protocol
  in the full image: boto3 fetches a pickle of Covalent's wrapper. The limit is `python -c` in the
  same container.""",
    "fanout": """\
- The fan-out is 100 wide, of instant jobs, through a real Covalent server; beside it stands an
  executor that only makes the two calls to Covalent's database that its protocol needs.""",
    "ends": """\
- Where jobs take a minute, `poll_freq` is 10, its default. The end of a job is when its container
  has stopped, after its outcome was stored. All calls count, the listing of the bucket too.""",
    "waiting": """\
- 5,000 jobs are looked at a hundred at a time, at 4.9 calls a second: each of them every 10.2 s,
  at a `poll_freq` of 10.""",
}

DETAILS = """\
Calls and bytes count everything, credentials check, clean-up and first use included. *Longest
block* is the longest time for which the event loop ran nothing else; the last column leaves out
the time of Python's garbage collector.
"""

BLOCKS = """\
While {count:,} tasks wait, nothing waits longer for the event loop than {waiting:.0f} ms,
{idle:.0f} ms without Python's garbage collector. Of an answer of DescribeJobs no objects are made
but of what is used, and none that the collector has to follow of jobs that go on, so that it
hardly ever has reason to search.

While the tasks are being submitted, the loop was blocked for up to {longest:.0f} ms, {busy:.0f} ms
without the collector, which searches Covalent's objects too unless the process's owner calls
`gc.freeze()`.
"""


def show(measured: Measured) -> None:
    """Print the figures."""
    table = Table(*HEADINGS)
    for figure in figures(measured):
        table.add_row(*_cells(figure), style="" if figure.held else "red")
    Console(width=150).print(table)


def write(measured: Measured, parts: Sequence[str]) -> None:
    """Write the page and the plot.

    Args:
        measured: What was measured.
        parts: The names of all that could be.
    """
    missing = [part for part in parts if not measured.get(part)]
    places.PAGE.write_text("\n".join(_page(measured, missing)))
    if "tasks" in measured:
        _plot(measured, places.PLOT)


def machine() -> str:
    """Describe what was measured on, so far as it matters."""
    names = ("covalent", "aiobotocore", "boto3")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    python = ".".join(map(str, sys.version_info[:3]))
    return f"{os.cpu_count()} cores ({platform.machine()}), Python {python}, {versions}"


def _page(measured: Measured, missing: Sequence[str]) -> Iterator[str]:
    found = figures(measured)
    yield INTRODUCTION
    yield f"Measured on {measured['machine']}.\n"
    yield "## Targets\n"
    yield from _markdown(HEADINGS, map(_cells, found))
    yield f"\n{LEGEND}"
    yield from (note for part, note in NOTES.items() if measured.get(part))
    yield ""
    yield _missed(found)
    if missing:
        yield f"Not measured this time: {', '.join(missing)}.\n"
    if "waiting" in measured:
        yield "## What blocks the event loop\n"
        yield _blocks(measured["waiting"][OURS])
    if "tasks" in measured:
        yield from _every_run(measured["tasks"])


def _every_run(tasks: Measured) -> Iterator[str]:
    yield "## Every run\n"
    yield "![Wall and CPU time by number of tasks](_static/benchmarks.svg)\n"
    yield DETAILS
    yield from _markdown(("tasks", "release", *RUN_COLUMNS), _runs(tasks))
    yield "\n## Calls by kind\n"
    yield from _markdown(("operation", *_columns(tasks)), _kinds(tasks))
    yield ""


def _blocks(run: Any) -> str:
    submitting = run["submitting"]
    return BLOCKS.format(
        count=run["jobs"],
        waiting=run["longest_block"] * 1000,
        idle=run["longest_block_but_for_gc"] * 1000,
        longest=submitting["longest_block"] * 1000,
        busy=submitting["longest_block_but_for_gc"] * 1000,
    )


def _missed(found: list[Figure]) -> str:
    missed = [figure.work for figure in found if not figure.held]
    return f"Targets that do not hold: {'; '.join(missed)}.\n" if missed else "All targets hold.\n"


def _cells(figure: Figure) -> tuple[str, ...]:
    def formatted(value: float | None) -> str:
        return "" if value is None else f"{_number(value)} {figure.unit}".strip()

    def ratio(to: float | None) -> str:
        return f"{_number(figure.ours / to * 100)} %" if to else ""

    return (
        figure.work,
        formatted(figure.old),
        formatted(figure.ours),
        ratio(figure.old),
        formatted(figure.limit),
        ratio(figure.limit),
        formatted(figure.target),
        "held" if figure.held else "**missed**",
    )


def _number(value: float) -> str:
    """Return a number with three figures, or as many as stand before the point."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _markdown(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    headings = list(headings)
    yield f"| {' | '.join(headings)} |"
    yield f"|{'---|' * len(headings)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


RUN_COLUMNS = (
    "wall",
    "CPU a task",
    "memory above the import",
    "calls a task",
    "bytes up",
    "longest block",
    "but for the collector",
)


def _each_run(tasks: Measured) -> Iterator[tuple[str, int, Any]]:
    for release, by_count in tasks.items():
        for count, run in by_count.items():
            yield release, int(count), run


def _runs(tasks: Measured) -> Iterator[tuple[str, ...]]:
    for release, count, run in sorted(_each_run(tasks), key=lambda each: each[1]):
        yield (
            f"{count:,}",
            release,
            f"{run['wall']:.1f} s",
            f"{run['cpu'] / count * 1000:,.1f} ms",
            f"{(run['peak'] - run['imported']) / MB:,.0f} MB",
            f"{calls(run) / count:.2f}",
            f"{bytes_up(run) / MB:.1f} MB",
            f"{run['longest_block'] * 1000:,.0f} ms",
            f"{run['longest_block_but_for_gc'] * 1000:,.0f} ms",
        )


def _columns(tasks: Measured) -> list[str]:
    return [f"{release}, {count:,}" for release, count, _ in _each_run(tasks)]


def _kinds(tasks: Measured) -> Iterator[list[str]]:
    runs = [run for _, _, run in _each_run(tasks)]
    for name in sorted({name for run in runs for name in run["calls"]}):
        yield [name, *(f"{run['calls'].get(name, 0):,}" for run in runs)]
    yield ["refused for their rate", *(f"{sum(run['refused'].values()):,}" for run in runs)]


def _plot(measured: Measured, path: Path) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    # The same figures give the same file; text stays text.
    mpl.rcParams.update({"svg.hashsalt": "benchmarks", "svg.fonttype": "none"})
    from matplotlib import pyplot

    figure, (wall, cpu) = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    tasks = measured["tasks"]
    counts = [int(count) for count in tasks[OURS]]
    wall.plot(counts, list(map(wall_limit, counts)), "--", color="grey", label="AWS's own limit")
    for release, colour in ((OLD, "tab:red"), (OURS, "tab:blue")):
        runs = {int(count): run for count, run in tasks[release].items()}
        style = {"marker": "o", "color": colour, "label": release}
        wall.plot(list(runs), [run["wall"] for run in runs.values()], **style)
        cpu.plot(list(runs), [run["cpu"] for run in runs.values()], **style)
    for axes, title in ((wall, "wall time"), (cpu, "CPU time")):
        axes.set(xscale="log", yscale="log", xlabel="tasks", ylabel="seconds", title=title)
        axes.grid(alpha=0.3)
        axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
