"""One run of a task: from its envelope to its outcome, and what happens when it is given up."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from typing import Protocol

from ..errors import BatchTaskError
from ..protocol import messages
from .bucket import Bucket, cache_folder
from .calls.session import Session
from .jobs.arrivals import Arrived
from .jobs.definitions import Definitions
from .jobs.endings import Endings, Unwanted
from .jobs.logs import with_logs
from .jobs.poller import End, Poller
from .model.description import JobDescription
from .model.reason import Reason, cancelled, server_stopped
from .model.task import Cancelled, Running, Settled, TaskRequest
from .objects.storage import Write

log = logging.getLogger("covalent_awsbatch_plugin")

# How long a task that is given up waits until AWS has accepted the end of its job, in seconds:
# when its server stops, which leaves it about that long, and when it was cancelled. The job is
# ended in the background in any case.
SHUTDOWN_PATIENCE = 1.5
CANCEL_PATIENCE = 10.0


class Shared(Protocol):
    """What the tasks of one identity share, as far as a run uses it: the backend."""

    session: Session
    definitions: Definitions
    poller: Poller
    endings: Endings

    def bucket(self, name: str) -> Bucket:
        """Return what is known of the objects in a bucket."""

    async def upload(
        self, request: TaskRequest, task: messages.Task, large: Mapping[str, Write]
    ) -> None:
        """Put a task's envelope and large parts, and the worker, into the bucket."""

    async def submit(self, request: TaskRequest, running: Running | None = None) -> str:
        """Submit the job of a task whose envelope is in the bucket; return the job's id."""


class TaskRun(Running):
    """A task under way: ``execute`` runs it, ``conclude`` or ``keep`` decides on its objects.

    Args:
        backend: What the tasks of an identity share.
        request: The task and its job.

    Attributes:
        stopping: Whether it is cancelled because the server stops.
    """

    def __init__(self, backend: Shared, request: TaskRequest) -> None:
        super().__init__()
        self.stopping = False
        self.request = request
        self._backend = backend
        self._bucket = backend.bucket(request.bucket)

    @contextlib.asynccontextmanager
    async def registered(self) -> AsyncIterator[TaskRun]:
        """Keep the dispatch's shared objects meanwhile; end the job if the task is given up."""
        self._bucket.cleanup.task_started(self.request.dispatch_id)
        try:
            yield self
        except BaseException as stop:
            if self.submission is not None and not self.ended:
                await self._give_up(stop)
                raise
            # A task that was cancelled while its result was fetched wants none. Where the server
            # stops meanwhile, the result is not in the caller's hands yet, and stays.
            if self.submission is None or isinstance(stop, Cancelled):
                self._given_up(self.job_id)
            else:
                self._bucket.cleanup.task_ended(self.request.dispatch_id)
            raise
        else:
            self._bucket.cleanup.task_ended(self.request.dispatch_id)
        finally:
            self._bucket.arrivals.forget(self.job_id)

    async def execute(
        self,
        task: messages.Task,
        large: Mapping[str, Write],
        on_submitted: Callable[[str], Awaitable[None]],
    ) -> Settled:
        """Run the task as a job.

        Args:
            task: The envelope.
            large: For each part that is an object of its own, its key and what writes it.
            on_submitted: Called with the job's id once it is known.

        Raises:
            Cancelled: The task was cancelled.
            CacheDirUnusable: A large result could not be fetched.
            AWSError: AWS refused something.
        """
        await self.unless_cancelled(self._prepare(task, large))
        # A submission that is under way when the task is given up goes on.
        self.submission = asyncio.create_task(self._backend.submit(self.request, self))
        self.job_id = await asyncio.shield(self.submission)
        await on_submitted(self.job_id)
        settled = await self._await_end()
        return await with_logs(self._backend.session, settled, self.request.definition)

    async def _prepare(self, task: messages.Task, large: Mapping[str, Write]) -> None:
        """Upload, and meanwhile find the job definition."""
        await asyncio.gather(
            self._backend.session.in_thread(cache_folder(self.request.cache_dir).check),
            self._backend.upload(self.request, task, large),
            self._backend.definitions.find_or_register(self.request.definition),
        )

    # ---- Its end

    async def _await_end(self) -> Settled:
        """Wait until the task has returned, or its job has ended."""
        ending = False
        while True:
            job = await self.unless_cancelled(self._watch(ending))
            if not isinstance(job, Arrived):
                return await self._settle(job)
            returned = await self.unless_cancelled(self._returned(job))
            if returned is not None:
                self.ended = True
                return returned
            # It failed: another attempt may follow, which Batch knows.
            ending = True

    def _watch(self, ending: bool) -> End:
        end = self._backend.poller.watch(
            self.job_id,
            self.request.poll_freq,
            self.request.misconfiguration_timeout,
            account=self.account,
            elsewhere=self._bucket.arrivals.reliable,
            ending=ending,
        )
        if self.request.run_id:
            self._bucket.arrivals.expect(self.job_id, partial(_arrive, end))
        return end

    async def _returned(self, arrived: Arrived) -> Settled | None:
        """Return the end of a task that has returned, in whichever attempt."""
        ended = self._backend.poller.attempts_ended(self.job_id)
        for attempt in arrived.attempts:
            outcome = await self._bucket.outcomes.returned(
                self.request.outcome_prefix, self.job_id, attempt
            )
            if outcome is not None:
                if attempt <= ended:
                    self._end_job(f"attempt {attempt} of its task has returned")
                return Settled(self.job_id, None, outcome)
        return None

    async def _settle(self, job: JobDescription | None) -> Settled:
        # From here on its objects stay, whatever fails.
        self.ended = True
        if job is not None and job.never_fits:
            self._end_job(f"cannot start: {job.status_reason}")
        found = self._bucket.outcomes.settle(self.request.outcome_prefix, self.job_id, job)
        settled = await self.unless_cancelled(found)
        if job is None and settled.outcome is None:
            self._end_job("AWS Batch does not describe it any more")
        return settled

    # ---- Its objects

    async def conclude(self, settled: Settled) -> None:
        """Have the task's objects deleted: its result is in the caller's hands."""
        if self.request.keep_objects:
            await self.keep(settled)
        else:
            self._bucket.discard_job(self.request, settled.job_id, _attempts(settled))

    async def keep(self, settled: Settled) -> None:
        """Leave the task's objects in the bucket, its outcomes where its task is."""
        self._bucket.arrivals.forget(settled.job_id)
        try:
            moved = await self._bucket.outcomes.keep(self.request, settled.job_id)
        except BatchTaskError as error:
            log.warning(
                "AWS Batch: the outcome of job %s stays under s3://%s/%s: %s",
                settled.job_id,
                self.request.bucket,
                self.request.outcome_prefix,
                error,
            )
        else:
            self._bucket.cleanup.discard(moved)

    # ---- Ending its job

    async def _give_up(self, stop: BaseException) -> None:
        """End the job in the background, and delete the objects after it; wait a moment for it."""
        stopping = self.stopping or isinstance(stop, asyncio.CancelledError)
        node = self.request.dispatch_id, self.request.node_id
        reason = server_stopped(*node) if stopping else cancelled(*node)
        if not stopping and not isinstance(stop, Cancelled):
            reason = Reason(f"Covalent cannot watch the job: {type(stop).__name__}")
        # A submission that still waits for its slot is not made.
        self.cancel()
        accepted = self._backend.endings.begin(
            Unwanted(self, reason, self.request.poll_freq, self._given_up)
        )
        patience = (
            SHUTDOWN_PATIENCE if isinstance(stop, asyncio.CancelledError) else CANCEL_PATIENCE
        )
        await asyncio.wait({accepted}, timeout=patience)

    def _given_up(self, job_id: str) -> None:
        """Have the objects deleted: the job has ended, or was not made."""
        if not job_id:
            self._bucket.cleanup.discard([self.request.task_key])
        elif not self.request.keep_objects:
            self._bucket.discard_job(self.request, job_id, self.request.attempts)
        self._bucket.cleanup.task_ended(self.request.dispatch_id)

    def _end_job(self, reason: str) -> None:
        """End a job whose task has ended, in the background."""
        self._backend.endings.begin(
            Unwanted(self, Reason(reason), self.request.poll_freq, self._left_over)
        )

    def _left_over(self, job_id: str) -> None:
        if job_id and not self.request.keep_objects:
            keys = self.request.job_keys(job_id, self.request.attempts)
            self._bucket.cleanup.discard(keys)


def _arrive(end: End, arrived: Arrived) -> None:
    if not end.done():
        end.set_result(arrived)


def _attempts(settled: Settled) -> int:
    """Return how many attempts of a job may have written objects."""
    ended = len(settled.job.attempts) if settled.job else 0
    return max(ended, settled.outcome.attempt if settled.outcome else 0, 1)
