"""The last lines of jobs' logs: how each attempt ended and what it used, from CloudWatch.

They make a report more precise and are never a reason for it to fail.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ...protocol.summary import MARK, Summary, parse_summary
from .account import Account
from .job_facts import JobFacts
from .log_events import read_streams
from .optional import Notes
from .screen import harmless


def fetch_summaries(
    account: Account, jobs: Iterable[JobFacts], notes: Notes
) -> dict[str, Summary]:
    """Return the summary of each job's last attempt, by the job's id, where there is one."""
    found: dict[str, Summary] = {}
    by_stream = {job.streams[-1]: job for job in jobs if job.streams}
    with notes.optional("what tasks used and raised, from their logs"):
        for event in read_streams(account, by_stream.values(), pattern=f'"{MARK}"'):
            summary, job = parse_summary(event.message), by_stream.get(event.stream)
            if summary and job and summary.attempt >= job.attempts:
                found[job.job_id] = replace(
                    summary, logged=event.timestamp / 1000, error=harmless(summary.error)
                )
    return found
