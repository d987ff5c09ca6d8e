"""The last line of an attempt's log: how it ended, how long it ran, what it used.

Outcomes are deleted with their task; logs stay for weeks. So the line is what the commands know
of a task's processor time, memory and error afterwards.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .messages import STATUSES

# What a filter of log events looks for.
MARK = "covalent-awsbatch: attempt"

ERROR_LIMIT = 400

_LINE = re.compile(
    rf"{MARK} (?P<attempt>\d+) (?P<status>{'|'.join(STATUSES)}) after (?P<seconds>\d+\.\d+) s "
    r"\(CPU (?P<cpu>\d+\.\d+) s, peak memory (?P<mib>\d+) MiB\)(?:: (?P<error>.*))?"
)


@dataclass(frozen=True)
class Summary:
    """How an attempt ended and what it used.

    Attributes:
        status: One of messages.STATUSES.
        attempt: The attempt's number, from 1.
        seconds: Seconds from the start of the worker to the end of the task.
        cpu_seconds: Processor time of the task and its processes.
        peak_memory: The task's peak resident memory in bytes.
        error: One line: the exception's type and message, or what else went wrong.
        logged: When CloudWatch received the line, in seconds since the epoch; 0 if not known.
    """

    status: str
    attempt: int
    seconds: float
    cpu_seconds: float
    peak_memory: int
    error: str = ""
    logged: float = 0.0


def format_summary(summary: Summary) -> str:
    """Return the line."""
    text = " ".join(summary.error.split())[:ERROR_LIMIT]
    error = f": {text}" if text else ""
    return (
        f"{MARK} {summary.attempt} {summary.status} after {summary.seconds:.1f} s "
        f"(CPU {summary.cpu_seconds:.1f} s, peak memory {summary.peak_memory >> 20} MiB){error}"
    )


def parse_summary(line: str) -> Summary | None:
    """Return the content of a log's line, or None where it is another line."""
    found = _LINE.fullmatch(line.strip())
    if found is None:
        return None
    return Summary(
        status=found["status"],
        attempt=int(found["attempt"]),
        seconds=float(found["seconds"]),
        cpu_seconds=float(found["cpu"]),
        peak_memory=int(found["mib"]) << 20,
        error=found["error"] or "",
    )
