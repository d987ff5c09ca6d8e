"""Logs as they grow: of one task, or of all tasks of a dispatch, until they have ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from .account import Account
from .covalent_api import fetch_dispatch
from .formats import span
from .job_facts import JobFacts
from .job_search import Selection, describe_jobs, find_ids
from .job_view import Reader
from .log_events import Event, StreamReader, lateness, pause
from .servers import server_is_gone

# Seconds after which a dispatch without a job has ended, where Covalent cannot be asked.
QUIET, QUIET_LOCALLY = 15.0, 3.0


@dataclass
class Follower:
    """Follows the jobs of a selection.

    Attributes:
        account: Where they are.
        reader: What reads why they wait and failed.
        selection: Which jobs.
        report: Called with each change of a job's state, as a line of text.
    """

    account: Account
    reader: Reader
    selection: Selection
    report: Callable[[str], None]
    _jobs: dict[str, JobFacts] = field(default_factory=dict)
    _streams: dict[str, StreamReader] = field(default_factory=dict)
    _states: dict[str, tuple[str, int]] = field(default_factory=dict)
    _ended: dict[str, float] = field(default_factory=dict)

    def events(self, jobs: Sequence[JobFacts]) -> Iterator[tuple[JobFacts, Event]]:
        """Yield each line with its job as it comes, until nothing more will."""
        self._jobs = {job.job_id: job for job in jobs}
        changed = time.monotonic()
        while True:
            self._report_changes()
            for job in self._open_jobs():
                for event in self._new_events(job):
                    changed = time.monotonic()
                    yield job, event
            if not self._open_jobs() and self._is_over(time.monotonic() - changed):
                return
            time.sleep(pause(self.account))
            self._refresh()

    def without_stream(self) -> list[JobFacts]:
        """Return the jobs that ended and whose last attempt has no log stream."""
        missing = {name for name, stream in self._streams.items() if not stream.exists}
        ended = [job for job in self._jobs.values() if job.finished]
        return [job for job in ended if missing.intersection(job.streams[-1:])]

    def _refresh(self) -> None:
        ids = [job.job_id for job in self._jobs.values() if not job.finished]
        if not self.selection.node:
            listed = find_ids(self.account, self.reader.queue.name, self.selection)
            ids += [i for i in listed if i not in self._jobs]
        for job in describe_jobs(self.account, ids):
            if self.selection.matches(job):
                self._jobs[job.job_id] = job

    def _open_jobs(self) -> list[JobFacts]:
        """Return the jobs whose logs may still grow."""
        now = time.monotonic()
        late = lateness(self.account)
        return [j for i, j in self._jobs.items() if now - self._ended.get(i, now) <= late]

    def _new_events(self, job: JobFacts) -> Iterator[Event]:
        for stream in job.streams[-2:]:
            if stream not in self._streams:
                self._streams[stream] = StreamReader(self.account, job.log_group, stream)
            for event in self._streams[stream].new_events():
                if job.finished:
                    self._ended[job.job_id] = time.monotonic()
                yield event

    def _report_changes(self) -> None:
        changed = [j for j in self._jobs.values() if self._states.get(j.job_id) != _state(j)]
        for view in self.reader.views(changed):
            job = view.job
            self._states[job.job_id] = _state(job)
            if job.finished:
                self._ended.setdefault(job.job_id, time.monotonic())
            reason = view.waiting.sentence if view.waiting else view.cause
            attempt = f", attempt {job.attempts}" if job.attempts > 1 else ""
            after = f" after {span(job.ran(time.time()))}" if job.finished else ""
            because = f": {reason}" if reason else ""
            self.report(f"{job.task} {job.function} is {job.status}{attempt}{after}{because}")
            if view.advice:
                self.report(f"  Fix: {view.advice}")

    def _is_over(self, quiet: float) -> bool:
        if self.selection.node:
            return True
        last = max(self._jobs.values(), key=lambda job: job.created)
        known = fetch_dispatch(last.dispatch)
        if known is not None and not server_is_gone(last):
            return known.ended
        return quiet > (QUIET_LOCALLY if self.account.endpoint_url else QUIET)


def _state(job: JobFacts) -> tuple[str, int]:
    return job.status, job.attempts
