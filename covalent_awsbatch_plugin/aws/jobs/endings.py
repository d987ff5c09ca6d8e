"""Ending jobs that are no longer wanted, and waiting until they have ended.

A task is given up in a moment: its server stops, or it is cancelled. Its job is ended in the
background, for as long as that takes: its submission may be under way, and AWS may be out of
order. Only when the job has ended can its objects go.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass

from ...errors import BatchTaskError
from ..model.description import JobDescription
from ..model.reason import Reason
from ..model.task import Running
from .poller import Poller
from .submitter import Submitter
from .terminator import Terminator

log = logging.getLogger("covalent_awsbatch_plugin")

# Seconds within which a job is usually seen to have ended: a container has 30 from SIGTERM on.
STOPPING = 300.0

# Seconds for one more try when the event loop ends.
LAST_TRY = 3.0


@dataclass(frozen=True)
class Unwanted:
    """A job that is to be ended.

    Attributes:
        running: Its task.
        reason: The reason that AWS shows.
        poll_freq: The longest time between two looks at the job, in seconds.
        finished: Called with the job's id, or an empty text where there was none, once the job
            has ended; not if AWS refuses to end it.
    """

    running: Running
    reason: Reason
    poll_freq: float
    finished: Callable[[str], None]


class Endings:
    """The jobs that are being ended."""

    def __init__(self, submitter: Submitter, terminator: Terminator, poller: Poller) -> None:
        self._submitter = submitter
        self._terminator = terminator
        self._poller = poller
        self._tasks: set[asyncio.Task[None]] = set()
        self._unaccepted: set[asyncio.Future[None]] = set()

    def __repr__(self) -> str:
        return f"<Endings {len(self._tasks)} under way, {self.unaccepted} not yet accepted>"

    def __len__(self) -> int:
        return len(self._tasks)

    def begin(self, job: Unwanted) -> asyncio.Future[None]:
        """Begin to end a job; return what is done once AWS has accepted that, or there is none."""
        loop = asyncio.get_running_loop()
        accepted: asyncio.Future[None] = loop.create_future()
        self._unaccepted.add(accepted)
        accepted.add_done_callback(self._unaccepted.discard)
        task = loop.create_task(self._end(job, accepted))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return accepted

    @property
    def unaccepted(self) -> int:
        """How many jobs AWS has not accepted to end yet."""
        return len(self._unaccepted)

    async def close(self) -> None:
        """Give up what is under way, some seconds after the last try to end a job."""
        tasks = list(self._tasks)
        if self._unaccepted:
            await asyncio.wait(self._unaccepted, timeout=LAST_TRY)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _end(self, job: Unwanted, accepted: asyncio.Future[None]) -> None:
        try:
            job_id = await self._terminated(job)
            accepted.set_result(None)
            try:
                if job_id:
                    await self._until_ended(job, job_id)
            finally:
                job.finished(job_id)
        except BatchTaskError as error:
            log.warning(
                "AWS Batch: job %s could not be ended and may go on; end it with 'aws batch "
                "terminate-job'. %s",
                job.running.job_id,
                error,
            )
        finally:
            if not accepted.done():
                accepted.set_result(None)

    async def _terminated(self, job: Unwanted) -> str:
        """Return the id of a job that AWS was asked to end; empty where there is no job."""
        try:
            return await self._terminate(job)
        except asyncio.CancelledError:
            # The event loop ends. It awaits this task, which may therefore try once more.
            with contextlib.suppress(BatchTaskError, asyncio.TimeoutError):
                return await asyncio.wait_for(self._terminate(job), LAST_TRY)
            log.warning(
                "AWS Batch: job %s was not ended before the event loop did, and may go on. "
                "'covalent-awsbatch reap' ends it.",
                job.running.job_id or (job.running.spec and job.running.spec.name),
            )
            raise

    async def _terminate(self, job: Unwanted) -> str:
        job_id = job.running.job_id or await self._submitted(job.running)
        if job_id:
            job.running.job_id = job_id
            await self._terminator.terminate(job_id, job.reason)
        return job_id

    async def _submitted(self, running: Running) -> str:
        """Return the id of a job whose submission is under way; empty where it is not made."""
        if running.submission is None:
            return ""
        await asyncio.wait({running.submission})
        if not running.submission.cancelled():
            failed = running.submission.exception()
            return "" if failed else running.submission.result()
        # The event loop ends, and cancelled it: AWS may have received it.
        return (running.spec and await self._submitter.find(running.spec)) or ""

    async def _until_ended(self, job: Unwanted, job_id: str) -> JobDescription | None:
        end = self._poller.watch(job_id, job.poll_freq, account=job.running.account, ending=True)
        with contextlib.suppress(asyncio.TimeoutError):
            ended = await asyncio.wait_for(end, STOPPING)
            return ended if isinstance(ended, JobDescription) else None
        return None
