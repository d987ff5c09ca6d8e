"""Reads a dispatch again and again until it has ended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from .account import Account
from .covalent_api import CovalentDispatch, fetch_dispatch, find_dispatches, is_running
from .job_facts import JobFacts
from .job_groups import Group
from .job_search import (
    Selection,
    describe_jobs,
    find_ids,
    find_jobs,
    node_order,
    refuse_several,
)
from .job_view import Reader
from .optional import Notes
from .servers import server_is_gone
from .sweep import Progress

# Seconds between two updates; twice as long for every hundred jobs that have not ended.
UPDATE, UPDATE_LOCALLY = 3.0, 0.5

# Seconds without a job after which a dispatch counts as ended, where Covalent cannot be asked.
QUIET, QUIET_LOCALLY = 20.0, 3.0

# Seconds between two looks for the first job of a dispatch.
FIRST_JOB = 0.5

# Seconds that a busy Covalent server takes, at most, until a new dispatch has a job.
REGISTERED = 60.0

ID_LENGTH = 36


def await_job(account: Account, queue: str, selection: Selection) -> list[JobFacts]:
    """Return a dispatch's jobs; of one that Covalent has just begun, once there is one."""
    notes = Notes()
    new = len(selection.dispatch) == ID_LENGTH and is_running()
    deadline = time.monotonic() + (REGISTERED if new else 0.0)
    while True:
        found = find_jobs(account, queue, selection, recent=1)
        covalent = None if found else _known(selection.dispatch)
        if found or (covalent is not None and covalent.ended):
            return found
        if covalent is None and time.monotonic() > deadline:
            return found
        if covalent is not None:
            notes.show_once(
                f"Waiting for the first job; in Covalent the dispatch is {covalent.status}."
            )
        time.sleep(FIRST_JOB)


def _known(dispatch: str) -> CovalentDispatch | None:
    """Return what Covalent knows of a dispatch, of which the id or its beginning is given.

    Raises:
        WrongCall: Several dispatches begin so.
    """
    if dispatch and len(dispatch) < ID_LENGTH:
        found = find_dispatches(dispatch)
        refuse_several(found, dispatch)
        dispatch = found[0] if found else ""
    return fetch_dispatch(dispatch) if dispatch else None


@dataclass
class Watcher:
    """Reads a dispatch again and again; jobs that have ended are not read twice.

    Attributes:
        account: Where its jobs are.
        reader: What reads why they wait and failed.
        selection: The dispatch.
        covalent: What Covalent knew of it at last, where it runs.
    """

    account: Account
    reader: Reader
    selection: Selection
    covalent: CovalentDispatch | None = None
    _jobs: dict[str, JobFacts] = field(default_factory=dict)

    def updates(self) -> Iterator[Progress]:
        """Yield how far the dispatch is until it has ended."""
        changed = time.monotonic()
        while True:
            before = dict(self._jobs)
            self._read()
            yield self._progress()
            if self._jobs != before:
                changed = time.monotonic()
            elif self._is_over(time.monotonic() - changed):
                return
            time.sleep(self._pause())

    def _read(self) -> None:
        listed = find_ids(self.account, self.reader.queue.name, self.selection)
        known = [i for i, job in self._jobs.items() if job.finished]
        wanted = [i for i in dict.fromkeys([*listed, *self._jobs]) if i not in known]
        found = describe_jobs(self.account, wanted)
        self._jobs.update({j.job_id: j for j in found if self.selection.matches(j)})
        self.covalent = fetch_dispatch(self.selection.dispatch)

    def _progress(self) -> Progress:
        jobs = sorted(self._jobs.values(), key=node_order)
        tasks = self.reader.views(jobs)
        total = max(len(tasks), self.covalent.tasks if self.covalent else 0)
        return Progress(Group(self.selection.dispatch, tuple(tasks)), total, time.time())

    def _is_over(self, quiet: float) -> bool:
        if not all(job.finished for job in self._jobs.values()):
            return False
        lost = any(server_is_gone(job) for job in self._jobs.values())
        if self.covalent is not None and not lost:
            return self.covalent.ended
        return quiet > (QUIET_LOCALLY if self.account.endpoint_url else QUIET)

    def _pause(self) -> float:
        pause = UPDATE_LOCALLY if self.account.endpoint_url else UPDATE
        return float(pause * (1 + sum(not j.finished for j in self._jobs.values()) // 100))
