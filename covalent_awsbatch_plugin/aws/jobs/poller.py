"""DescribeJobs for all electrons together: a hundred ids a call, a few calls a second.

The rate of DescribeJobs is the account's, shared with the console and everybody else in it, so
one server takes little of it: at its rate of almost five calls a second, 4,900 jobs are looked
at every ten seconds.

A job is watched until it has ended. What AWS once allowed is asked for again for as long as it
takes: nothing that happens to the network, the clock or the credentials ends a job that runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import BatchTaskError
from ..calls.patience import FOREVER
from ..calls.session import Session
from ..model.description import RUNNING, STARTING, JobDescription, parse_job
from .arrivals import Arrived
from .misconfiguration import Misconfigured
from .poll_schedule import Schedule, Seen, never

log = logging.getLogger("covalent_awsbatch_plugin")

# Calls under way at once. More would only queue for their slot.
CALLS = 3

# Looks that come due within this many seconds of each other share a call.
GATHER = 0.15

# A job's description, once it has ended or cannot start; None where Batch does not know it any
# more; or outcomes that have appeared in the bucket.
End = asyncio.Future[JobDescription | Arrived | None]


@dataclass
class _Watched:
    """A job, and all who wait for its end."""

    account: str
    patience: float = math.inf
    ends: list[End] = field(default_factory=list)

    @property
    def awaited(self) -> bool:
        return not all(end.done() for end in self.ends)


class Poller:
    """Watches jobs until they have ended."""

    def __init__(self, session: Session) -> None:
        self.calls = 0
        self._session = session
        self._schedule = Schedule()
        self._misconfigured = Misconfigured()
        self._watched: dict[str, _Watched] = {}
        self._changed = asyncio.Event()
        self._loop_task: asyncio.Task[None] | None = None
        self._under_way: set[asyncio.Task[None]] = set()
        self._elsewhere: set[str] = set()

    def __repr__(self) -> str:
        return f"<Poller {len(self._watched)} watched, {self.calls} calls>"

    def watch(
        self,
        job_id: str,
        poll_freq: float,
        misconfiguration_timeout: float = 600.0,
        *,
        account: str = "",
        elsewhere: Seen = never,
        ending: bool = False,
    ) -> End:
        """Return the future of a job's end: its description, once it has ended or cannot start.

        None means that Batch does not know the job any more; an AWSError, that AWS has refused
        from the beginning to describe jobs. Who does not want to wait any longer cancels it, and
        whoever knows the end from elsewhere sets it. It is no coroutine, as thousands wait at
        once: each would be a task more, and ten more objects that Python's garbage collector has
        to search.

        Args:
            job_id: The job's id.
            poll_freq: The longest time between two looks, in seconds.
            misconfiguration_timeout: Seconds after which a job that Batch reports to be
                misconfigured counts as one that cannot start.
            account: The job's account: with another one's credentials it cannot be seen.
            elsewhere: Returns whether the end of a task that returns is seen elsewhere.
            ending: Whether the job is about to end, as far as is known.
        """
        loop = asyncio.get_running_loop()
        end: End = loop.create_future()
        watched = self._watched.setdefault(job_id, _Watched(account))
        watched.patience = misconfiguration_timeout
        watched.ends.append(end)
        self._schedule.add(job_id, poll_freq, loop.time(), elsewhere, ending)
        self._changed.set()
        if self._loop_task is None or self._loop_task.done():
            self._loop_task = asyncio.create_task(self._run())
        return end

    async def ended(
        self, job_id: str, poll_freq: float, misconfiguration_timeout: float
    ) -> JobDescription | None:
        """Return a job's description when it has ended, or None if Batch does not know it.

        Raises:
            AWSError: AWS refuses to describe jobs.
        """
        end = await self.watch(job_id, poll_freq, misconfiguration_timeout)
        return end if isinstance(end, JobDescription) else None

    async def describe(self, job_id: str) -> JobDescription | None:
        """Return a job's description now, or None if Batch does not know it.

        Raises:
            AWSError: AWS refused it.
        """
        response = await self._session.call("batch", "describe_jobs", jobs=[job_id])
        described: list[dict[str, Any]] = response.get("jobs") or []
        return parse_job(described[0]) if described else None

    def attempts_ended(self, job_id: str) -> int:
        """Return how many attempts of a watched job had ended when it was last described."""
        watch = self._schedule.watches.get(job_id)
        return watch.attempts if watch else 0

    def is_running(self, job_id: str) -> bool:
        """Return whether a watched job ran when it was last described."""
        watch = self._schedule.watches.get(job_id)
        return watch is not None and watch.status in (STARTING, RUNNING)

    async def close(self) -> None:
        """Stop polling."""
        tasks = [t for t in (self._loop_task, *self._under_way) if t is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._watched:
            self._changed.clear()
            due = self._schedule.next_due()
            if due is None or len(self._under_way) >= CALLS:
                await self._changed.wait()
                continue
            if due + GATHER > loop.time():
                await self._sleep(due + GATHER - loop.time())
                continue
            asked = list(filter(self._awaited, self._schedule.take(loop.time())))
            if not asked:
                continue
            task = asyncio.create_task(self._ask(asked))
            self._under_way.add(task)
            task.add_done_callback(self._asked)

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)

    def _asked(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._changed.set()

    async def _ask(self, job_ids: list[str]) -> None:
        try:
            self.calls += 1
            response = await self._session.call(
                "batch", "describe_jobs", patience=FOREVER, jobs=job_ids
            )
            await self._take_in(parse_all(response.get("jobs", ())), job_ids)
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear it
            self._fail(job_ids, error)

    async def _take_in(self, found: dict[str, JobDescription], asked: list[str]) -> None:
        now = asyncio.get_running_loop().time()
        missing = [job_id for job_id in asked if job_id not in found]
        for job_id, job in found.items():
            self._schedule.described(job, now)
            if job.finished or self._is_hopeless(job, now):
                self._settle(job_id, job)
        if missing:
            await self._note_missing(missing)

    def _is_hopeless(self, job: JobDescription, now: float) -> bool:
        watched = self._watched.get(job.job_id)
        patience = watched.patience if watched else math.inf
        return self._misconfigured.is_hopeless(job, patience, now)

    async def _note_missing(self, job_ids: list[str]) -> None:
        """Note that jobs are not described, unless it is another account that was asked."""
        try:
            account = await self._session.current_account()
        except BatchTaskError:
            account = "unknown"
        now = asyncio.get_running_loop().time()
        for job_id in job_ids:
            watched = self._watched.get(job_id)
            if watched is None:
                continue
            if watched.account and watched.account != account:
                self._schedule.postpone(job_id, now)
                self._warn_of_account(watched.account, account)
            elif self._schedule.left_out(job_id, now):
                self._settle(job_id, None)

    def _warn_of_account(self, wanted: str, found: str) -> None:
        if wanted in self._elsewhere:
            return
        self._elsewhere.add(wanted)
        log.warning(
            "AWS Batch: the credentials are of account %s now, but jobs of account %s are under "
            "way. They go on, and are watched again when the Covalent server has credentials of "
            "their account.",
            found,
            wanted,
        )

    def _awaited(self, job_id: str) -> bool:
        """Return whether anything still waits for a job's end; forget it if not."""
        awaited = self._watched[job_id].awaited
        if not awaited:
            self._forget(job_id)
        return awaited

    def _settle(self, job_id: str, job: JobDescription | None) -> None:
        for end in self._forget(job_id):
            if not end.done():
                end.set_result(job)

    def _fail(self, job_ids: list[str], error: Exception) -> None:
        for job_id in job_ids:
            for end in self._forget(job_id):
                if not end.done():
                    end.set_exception(error)

    def _forget(self, job_id: str) -> list[End]:
        self._schedule.remove(job_id)
        self._misconfigured.forget(job_id)
        watched = self._watched.pop(job_id, None)
        return watched.ends if watched else []


def parse_all(described: Iterable[Mapping[str, Any]]) -> dict[str, JobDescription]:
    """Read descriptions by job id.

    One that cannot be read counts as left out: it must not stall the other ninety-nine.
    """
    jobs = {}
    for one in described:
        try:
            job = parse_job(one)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            log.warning("AWS Batch: the description of a job could not be read: %r", error)
        else:
            jobs[job.job_id] = job
    return jobs
