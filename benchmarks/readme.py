"""The README's table of what a task costs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from benchmarks import places
from benchmarks.figures import Measured, bytes_up, calls
from benchmarks.runs import MB, OLD, OURS

BEGIN, END = "<!-- benchmarks: made by make bench -->", "<!-- end of benchmarks -->"

NEEDED = ("tasks", "shared", "ends")


def write(measured: Measured) -> None:
    """Write the table, where all that it needs was measured."""
    if not all(measured.get(part) for part in NEEDED):
        return
    text = places.README.read_text("utf-8")
    pattern = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    table = "\n".join(["| Work | 0.42 | 1.0 |", "| --- | --- | --- |", *_rows(measured)])
    places.README.write_text(pattern.sub(lambda _: f"{BEGIN}\n\n{table}\n\n{END}", text), "utf-8")


def _rows(measured: Measured) -> Iterator[str]:
    old, hundred = (measured["tasks"][release]["100"] for release in (OLD, OURS))
    thousand, ends = measured["tasks"][OURS]["1000"], measured["ends"][OURS]["1000"]
    shared = measured["shared"]
    yield _row("100 tasks, from start to end", _wall(old), _wall(hundred))
    submit = "1,000 tasks (SubmitJob alone takes 20 s at AWS's rate)"
    yield _row(submit, "", _wall(thousand))
    yield _row(
        "CPU time of the server for a task, at 100 and at 1,000",
        _cpu(old, 100),
        f"{_cpu(hundred, 100)}, {_cpu(thousand, 1000)}",
    )
    yield _row(
        "Memory for 100 tasks, and for 1,000",
        _memory(old),
        f"{_memory(hundred)}, {_memory(thousand)}",
    )
    yield _row(
        "AWS calls for a task, at 100 and at 1,000",
        f"{calls(old) / 100:.2f}",
        f"{calls(hundred) / 100:.2f}, {calls(thousand) / 1000:.2f}",
    )
    yield _row(
        "Job definitions registered for 1,000 like tasks in a second run",
        f"{_registered(old) * 10:,}",
        f"{_registered(thousand):,}",
    )
    yield _row(
        f"A 20 MB argument shared by {shared[OURS]['jobs']} tasks is uploaded",
        f"{bytes_up(shared[OLD]) / shared[OLD]['payload']:.0f} times",
        "once",
    )
    late = f"{ends['late_mean']:.1f} s"
    yield _row("From the end of a job of a minute to its result, mean of 1,000", "", late)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def _wall(run: Measured) -> str:
    return f"{run['wall']:.1f} s"


def _cpu(run: Measured, count: int) -> str:
    return f"{run['cpu'] / count * 1000:,.1f} ms"


def _memory(run: Measured) -> str:
    return f"{(run['peak'] - run['imported']) / MB:,.0f} MB"


def _registered(run: Measured) -> int:
    return int(run["calls"].get("batch:RegisterJobDefinition", 0))
