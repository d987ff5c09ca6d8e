"""DescribeJobs for all electrons together: a hundred ids a call, a few calls a second.

The rate of DescribeJobs is the account's, shared with the console and everybody else in it, so
one server takes little of it: at its rate of almost five calls a second, 4,900 jobs are looked
at every ten seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Iterable, Mapping
from typing import Any

from ..calls.session import Session
from ..model.description import JobDescription, parse_job
from .misconfiguration import Misconfigured
from .poll_schedule import Schedule

log = logging.getLogger("covalent_awsbatch_plugin")

# Calls under way at once. More would only queue for their turn.
CALLS = 3

# Looks that come due within this many seconds of each other share a call.
GATHER = 0.15


class Poller:
    """Watches jobs until they have ended."""

    def __init__(self, session: Session) -> None:
        self.calls = 0
        self._session = session
        self._schedule = Schedule()
        self._misconfigured = Misconfigured()
        self._patience: dict[str, float] = {}
        self._ends: dict[str, asyncio.Future[JobDescription | None]] = {}
        self._changed = asyncio.Event()
        self._loop_task: asyncio.Task[None] | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<Poller {len(self._ends)} watched, {self.calls} calls>"

    def watch(
        self, job_id: str, poll_freq: float, misconfiguration_timeout: float = 600.0
    ) -> asyncio.Future[JobDescription | None]:
        """Return the future of a job's end: its description, once it has ended or cannot start.

        None means that Batch does not know the job any more; an AWSError, that AWS refuses to
        describe jobs at all. Who does not want to wait any longer cancels it. It is no coroutine,
        as thousands wait at once: each would be a task more, and ten more objects that Python's
        garbage collector has to search.

        Args:
            job_id: The job's id.
            poll_freq: The longest time between two looks, in seconds.
            misconfiguration_timeout: Seconds after which a job that Batch reports to be
                misconfigured counts as one that cannot start.
        """
        loop = asyncio.get_running_loop()
        end: asyncio.Future[JobDescription | None] = loop.create_future()
        self._ends[job_id] = end
        self._patience[job_id] = misconfiguration_timeout
        self._schedule.add(job_id, poll_freq, loop.time())
        self._changed.set()
        if self._loop_task is None or self._loop_task.done():
            self._loop_task = asyncio.create_task(self._run())
        return end

    async def describe(self, job_id: str) -> JobDescription | None:
        """Return a job's description now, or None if Batch does not know it.

        Raises:
            AWSError: AWS refused it.
        """
        answer = await self._session.call("batch", "describe_jobs", jobs=[job_id])
        described: list[dict[str, Any]] = answer.get("jobs") or []
        return parse_job(described[0]) if described else None

    async def close(self) -> None:
        """Stop polling."""
        tasks = [t for t in (self._loop_task, *self._under_way) if t is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._ends:
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
            answer = await self._session.call("batch", "describe_jobs", jobs=job_ids)
            self._take_in(parse_all(answer.get("jobs", ())), job_ids)
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear it
            self._fail(job_ids, error)

    def _take_in(self, found: dict[str, JobDescription], asked: list[str]) -> None:
        now = asyncio.get_running_loop().time()
        for job_id in asked:
            job = found.get(job_id)
            if job is not None:
                self._schedule.described(job, now)
                if job.finished or self._is_hopeless(job, now):
                    self._settle(job_id, job)
            elif self._schedule.left_out(job_id, now):
                self._settle(job_id, None)

    def _is_hopeless(self, job: JobDescription, now: float) -> bool:
        patience = self._patience.get(job.job_id, math.inf)
        return self._misconfigured.is_hopeless(job, patience, now)

    def _awaited(self, job_id: str) -> bool:
        """Tell whether somebody still waits for a job's end; forget it if not."""
        awaited = not self._ends[job_id].done()
        if not awaited:
            self._forget(job_id)
        return awaited

    def _settle(self, job_id: str, job: JobDescription | None) -> None:
        end = self._forget(job_id)
        if end is not None and not end.done():
            end.set_result(job)

    def _fail(self, job_ids: list[str], error: Exception) -> None:
        for job_id in job_ids:
            end = self._forget(job_id)
            if end is not None and not end.done():
                end.set_exception(error)

    def _forget(self, job_id: str) -> asyncio.Future[JobDescription | None] | None:
        self._schedule.remove(job_id)
        self._misconfigured.forget(job_id)
        self._patience.pop(job_id, None)
        return self._ends.pop(job_id, None)


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
