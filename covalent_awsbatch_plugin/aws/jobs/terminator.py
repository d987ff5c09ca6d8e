"""Ending jobs: fifty with one call, where the AWS SDK and the endpoint know TerminateJobs.

Those who want a job ended while calls are under way wait for each other's company: a single job is
ended at once, and a server that stops ends thousands of jobs within seconds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from ...errors import AWSUnavailable, BatchTaskError
from ..calls.session import FateUnknown, Session
from ..model.reason import Reason
from ..model.submission import REASON_LIMIT

log = logging.getLogger("covalent_awsbatch_plugin")

# What TerminateJobs takes.
JOBS_LIMIT = 50

# Calls of many jobs under way at once.
CALLS = 4

# Seconds for which jobs are ended one by one, after AWS did not answer TerminateJobs.
RETRY = 60.0


@dataclass(frozen=True, eq=False)
class _Wanted:
    job_id: str
    reason: Reason
    accepted: asyncio.Future[None]


class Terminator:
    """Ends jobs.

    Args:
        session: The identity's calls.
        is_running: Returns whether a job is known to run: these are ended first, as they cost.
    """

    def __init__(self, session: Session, is_running: Callable[[str], bool]) -> None:
        self._session = session
        self._is_running = is_running
        self._wanted: list[_Wanted] = []
        self._callers: set[asyncio.Task[None]] = set()
        self._one_by_one_until = float("-inf")

    def __repr__(self) -> str:
        return f"<Terminator {len(self._wanted)} waiting>"

    async def terminate(self, job_id: str, reason: Reason) -> None:
        """End a job, whatever its status; one that has ended is left as it is.

        Raises:
            AWSError: AWS refused it, as for an id that it does not know.
        """
        loop = asyncio.get_running_loop()
        one_by_one = not reason.shared or loop.time() < self._one_by_one_until
        if one_by_one or not await self._session.offers("batch", "terminate_jobs"):
            await self._terminate_one(job_id, reason)
            return
        wanted = _Wanted(job_id, reason, loop.create_future())
        self._wanted.append(wanted)
        self._call()
        await wanted.accepted

    async def _terminate_one(self, job_id: str, reason: Reason) -> None:
        shown = reason.own[:REASON_LIMIT]
        await self._session.call("batch", "terminate_job", jobId=job_id, reason=shown)

    def _call(self) -> None:
        """Have what waits asked for, by as many calls as may be under way."""
        if self._wanted and len(self._callers) < CALLS:
            caller = asyncio.create_task(self._terminate_waiting())
            self._callers.add(caller)
            caller.add_done_callback(self._called)

    def _called(self, caller: asyncio.Task[None]) -> None:
        self._callers.discard(caller)
        # The event loop may have cancelled it, and those who wait may try once more.
        self._call()

    async def _terminate_waiting(self) -> None:
        while batch := self._take():
            shared = len(batch) > 1 and await self._terminate_many(batch)
            if not shared:
                await asyncio.gather(*map(self._settle, batch))

    def _take(self) -> list[_Wanted]:
        """Return the jobs of the next call: of one shared reason, and running ones first."""
        waiting = [wanted for wanted in self._wanted if not wanted.accepted.done()]
        waiting.sort(key=lambda wanted: not self._is_running(wanted.job_id))
        alike = [w for w in waiting if w.reason.shared == waiting[0].reason.shared]
        batch = alike[:JOBS_LIMIT]
        taken = set(batch)
        self._wanted = [wanted for wanted in waiting if wanted not in taken]
        return batch

    async def _terminate_many(self, batch: list[_Wanted]) -> bool:
        """End jobs with one call; return whether AWS understood it."""
        jobs = list(dict.fromkeys(wanted.job_id for wanted in batch))
        reason = batch[0].reason.shared[:REASON_LIMIT]
        try:
            # What failed is done again one by one: to end a job twice does no harm.
            response = await self._session.call(
                "batch", "terminate_jobs", once=True, jobs=jobs, reason=reason
            )
        except AWSUnavailable as error:
            _fail(batch, error)
            return True
        except (BatchTaskError, FateUnknown) as error:
            log.info("AWS Batch: jobs are ended one by one, as TerminateJobs failed: %s", error)
            self._one_by_one_until = asyncio.get_running_loop().time() + RETRY
            return False
        failed = {each["job"] for each in response.get("errors", ())}
        for wanted in batch:
            if wanted.job_id not in failed and not wanted.accepted.done():
                wanted.accepted.set_result(None)
        await asyncio.gather(*(self._settle(each) for each in batch if each.job_id in failed))
        return True

    async def _settle(self, wanted: _Wanted) -> None:
        """End a job by a call of its own, and pass on what comes back."""
        try:
            await self._terminate_one(wanted.job_id, wanted.reason)
        except BatchTaskError as error:
            _fail([wanted], error)
        else:
            if not wanted.accepted.done():
                wanted.accepted.set_result(None)


def _fail(batch: list[_Wanted], error: BatchTaskError) -> None:
    for wanted in batch:
        if not wanted.accepted.done():
            wanted.accepted.set_exception(error)
