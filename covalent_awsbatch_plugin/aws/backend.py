"""The shared engine: one for each event loop and AWS identity, however many electrons use it.

A task's way through it: its envelope goes to S3, its job to Batch, the poller waits for the job's
end, and the outcome comes back from S3. ``execute`` is that way; cancellation may come at any
point of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

from ..errors import BatchTaskError
from ..protocol import envelope, messages, s3_keys
from .calls.session import Session, Wait, just_wait
from .jobs.definitions import Definitions
from .jobs.logs import with_logs
from .jobs.outcomes import settle
from .jobs.poller import Poller
from .jobs.submitter import Submitter, lacks_definition
from .loop_local import LoopLocal
from .model.access import Access
from .model.job_command import worker_archive
from .model.task import (
    Cancelled,
    Running,
    Settled,
    TaskRequest,
    cancel_reason,
    job_spec,
    worker_key,
)
from .objects.cleanup import CleanUp
from .objects.storage import Storage
from .shutdown import guard

log = logging.getLogger("covalent_awsbatch_plugin")

# How long an unused backend keeps its connections, in seconds.
IDLE = 10.0

# How long a server that stops gives each task to end its job: about what Covalent leaves us.
SHUTDOWN_PATIENCE = 1.5


class Backend:
    """Everything that the tasks of one identity share."""

    def __init__(self, access: Access) -> None:
        self.session = Session(access)
        self.definitions = Definitions(self.session)
        self.submitter = Submitter(self.session)
        self.poller = Poller(self.session)
        self.running: dict[tuple[str, int], Running] = {}
        self._storages: dict[tuple[str, str], Storage] = {}
        self._cleanups: dict[Storage, CleanUp] = {}

    def __repr__(self) -> str:
        return f"<Backend {len(self.running)} running, {self.poller!r}, {self.submitter!r}>"

    def storage(self, bucket: str, cache_dir: str) -> Storage:
        """Return the storage of a bucket."""
        key = (bucket, cache_dir)
        if key not in self._storages:
            storage = self._storages[key] = Storage(self.session, bucket, cache_dir)
            self._cleanups[storage] = CleanUp(storage)
        return self._storages[key]

    def _cleanup(self, request: TaskRequest) -> CleanUp:
        return self._cleanups[self.storage(request.bucket, request.cache_dir)]

    async def close(self) -> None:
        """Delete what is left to be deleted and close every connection."""
        await self.poller.close()
        await self.clean_up()
        await self.session.close()

    async def clean_up(self) -> None:
        """Delete at once what was to be deleted later."""
        await asyncio.gather(*(cleanup.finish() for cleanup in self._cleanups.values()))

    # ---- A task's way

    @contextlib.asynccontextmanager
    async def task(self, request: TaskRequest) -> AsyncIterator[Running]:
        """Register a task while it is under way; its objects go when it has ended."""
        guard(end_all_tasks)
        key = (request.dispatch_id, request.node_id)
        running = self.running[key] = Running()
        cleanup = self._cleanup(request)
        cleanup.task_started(request.dispatch_id)
        try:
            yield running
        finally:
            if self.running.get(key) is running:
                del self.running[key]
            cleanup.task_ended(request.dispatch_id, request.keep_objects)

    async def execute(
        self,
        request: TaskRequest,
        running: Running,
        task: messages.Task,
        large: Mapping[str, Callable[[Path], None]],
        on_submitted: Callable[[str], Awaitable[None]],
    ) -> Settled:
        """Run a task as a job.

        Args:
            request: The task and its job.
            running: The task's registration.
            task: The envelope.
            large: For each part that is an object of its own, its key and what writes it.
            on_submitted: Called with the job's id once it is known.

        Raises:
            Cancelled: The task was cancelled.
            AWSError: AWS refused something.
        """
        await running.unless_cancelled(self._prepare(request, task, large))
        await self._submit_and_tell(request, running, on_submitted)
        try:
            end = self.poller.watch(
                running.job_id, request.poll_freq, request.misconfiguration_timeout
            )
            job = await running.unless_cancelled(end)
        except (Cancelled, asyncio.CancelledError) as stop:
            await self._end_job(running.job_id, request, stop)
            raise
        except Exception:
            await self._end_quietly(running.job_id, "Covalent lost touch with the job")
            raise
        if job is not None and job.never_fits:
            await self._end_quietly(running.job_id, f"cannot start: {job.status_reason}")
        storage = self.storage(request.bucket, request.cache_dir)
        settled = await settle(storage, request, running.job_id, job)
        if job is None and settled.outcome is None:
            await self._end_quietly(running.job_id, "Covalent was told that it does not exist")
        self._discard(request, settled)
        return await with_logs(self.session, settled, request.definition)

    async def _prepare(
        self,
        request: TaskRequest,
        task: messages.Task,
        large: Mapping[str, Callable[[Path], None]],
    ) -> None:
        """Upload, and meanwhile find the job definition."""
        await asyncio.gather(
            self.upload(request, task, large),
            self.definitions.find_or_register(request.definition),
        )

    async def upload(
        self,
        request: TaskRequest,
        task: messages.Task,
        large: Mapping[str, Callable[[Path], None]],
    ) -> None:
        """Put a task's envelope and large parts, and the worker, into the bucket."""
        storage, cleanup = self.storage(request.bucket, request.cache_dir), self._cleanup(request)
        key = s3_keys.task_key(request.dispatch_id, request.node_id)
        await cleanup.make_way(request.dispatch_id, key)
        # First what all the dispatch's jobs wait for, or it would queue behind their envelopes.
        encryption = request.encryption
        await storage.put_shared(worker_key(request.dispatch_id), worker_archive(), encryption)
        await asyncio.gather(
            *(
                storage.put_shared(large_key, write, encryption)
                for large_key, write in large.items()
            ),
            storage.put(key, envelope.encode_task(task), encryption),
        )

    async def _submit_and_tell(
        self,
        request: TaskRequest,
        running: Running,
        on_submitted: Callable[[str], Awaitable[None]],
    ) -> None:
        """Submit, never leaving a job behind that nobody knows of."""
        submission = asyncio.ensure_future(self.submit(request, running.unless_cancelled))
        try:
            running.job_id = await asyncio.shield(submission)
            await on_submitted(running.job_id)
        except asyncio.CancelledError as stop:
            with contextlib.suppress(asyncio.TimeoutError, BatchTaskError, Cancelled):
                job_id = await asyncio.wait_for(submission, SHUTDOWN_PATIENCE)
                await self._end_job(job_id, request, stop)
            raise

    async def submit(self, request: TaskRequest, wait: Wait = just_wait) -> str:
        """Submit the job of a task whose envelope is in the bucket; return the job's id.

        Args:
            request: The task and its job.
            wait: How to wait for a turn; it may give up, and then there is no job.

        Raises:
            AWSError: AWS refused it.
        """
        arn = await self.definitions.find_or_register(request.definition)
        spec = job_spec(request, await self.session.identity(), secrets.token_hex(4))
        try:
            return await self.submitter.submit(spec, arn, wait)
        except BatchTaskError as error:
            if not lacks_definition(error):
                raise
            # Somebody deregistered it since we found it.
            self.definitions.forget(arn)
            arn = await self.definitions.find_or_register(request.definition)
            return await self.submitter.submit(spec, arn, wait)

    # ---- Its end

    def _discard(self, request: TaskRequest, settled: Settled) -> None:
        """Have the task's objects deleted, save a large result, which is still to be fetched."""
        if request.keep_objects:
            return
        keys = [s3_keys.task_key(request.dispatch_id, request.node_id)]
        if settled.outcome is not None:
            keys.append(
                s3_keys.outcome_key(request.prefix, settled.job_id, settled.outcome.attempt)
            )
        self._cleanup(request).discard(keys)

    # ---- Ending jobs

    async def cancel(self, dispatch_id: str, node_id: int, job_id: str | None) -> bool:
        """Cancel a task; return whether there was one, or a job.

        Covalent names all nodes that are to be cancelled, and all their jobs, but may pair them
        wrongly. Both are therefore ended, the node's task and the job's.
        """
        found = [
            running
            for key, running in self.running.items()
            if key == (dispatch_id, node_id) or (job_id and running.job_id == job_id)
        ]
        for running in found:
            running.cancel()
        if job_id and not any(running.job_id == job_id for running in found):
            return await self._terminate_unknown(job_id, cancel_reason(dispatch_id, node_id))
        return bool(found)

    def cancel_all(self) -> None:
        """Cancel every task under way."""
        for running in self.running.values():
            running.cancel()

    async def _terminate_unknown(self, job_id: str, reason: str) -> bool:
        try:
            await self.submitter.terminate(job_id, reason)
        except BatchTaskError as error:
            log.info("AWS Batch: job %s could not be ended: %s", job_id, error)
            return False
        return True

    async def _end_job(self, job_id: str, request: TaskRequest, stop: BaseException) -> None:
        shutting_down = isinstance(stop, asyncio.CancelledError)
        reason = cancel_reason(request.dispatch_id, request.node_id)
        if shutting_down:
            reason = f"{reason}: the Covalent server stopped"
        ending = self._end_quietly(job_id, reason)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(ending, SHUTDOWN_PATIENCE if shutting_down else None)

    async def _end_quietly(self, job_id: str, reason: str) -> None:
        try:
            await self.submitter.terminate(job_id, reason)
        except BatchTaskError as error:
            log.warning("AWS Batch: job %s could not be ended: %s", job_id, error)


# One backend for each event loop and identity: ``async with backends.use(access)``.
backends: LoopLocal[Access, Backend] = LoopLocal(Backend, IDLE)


async def end_all_tasks() -> None:
    """Cancel every task of the running event loop, wait for their jobs' ends, and clean up."""
    alive = backends.alive()
    while any(backend.running for backend in alive):
        for backend in alive:
            backend.cancel_all()
        await asyncio.sleep(0.05)
    await asyncio.gather(*(backend.clean_up() for backend in alive))
