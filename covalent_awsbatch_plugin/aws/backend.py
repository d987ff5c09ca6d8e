"""The shared engine: one for each event loop and AWS identity, however many electrons use it.

A task's way through it: its envelope goes to S3, its job to Batch, its end is seen in the bucket
or by the poller, and the outcome comes back from S3. ``TaskRun`` is that way.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from functools import partial

from ..errors import BatchTaskError
from ..protocol import envelope, messages, s3_keys
from .bucket import Bucket, cache_folder
from .calls.session import Session, Wait
from .jobs.definitions import Definitions
from .jobs.endings import Endings
from .jobs.poller import Poller
from .jobs.submitter import Submitter, lacks_definition
from .jobs.terminator import Terminator
from .loop_local import LoopLocal
from .model.access import Access
from .model.job_command import is_made, make, worker_archive
from .model.reason import Reason, cancelled
from .model.task import Running, TaskRequest, job_spec
from .objects.storage import Write
from .objects.transfers import Transfers
from .shutdown import guard
from .task_run import TaskRun

log = logging.getLogger("covalent_awsbatch_plugin")

# How long an unused backend keeps its connections, in seconds.
IDLE = 10.0

# Seconds for the last deletions when a backend is closed.
CLOSING = 4.0


class Backend:
    """Everything that the tasks of one identity share."""

    def __init__(self, access: Access) -> None:
        self.session = Session(access)
        self.definitions = Definitions(self.session)
        self.submitter = Submitter(self.session)
        self.poller = Poller(self.session)
        self.terminator = Terminator(self.session, self.poller.is_running)
        self.endings = Endings(self.submitter, self.terminator, self.poller)
        self.runs: set[TaskRun] = set()
        self._transfers = Transfers()
        self._buckets: dict[str, Bucket] = {}

    def __repr__(self) -> str:
        return f"<Backend {len(self.runs)} running, {self.poller!r}, {self.submitter!r}>"

    @property
    def busy(self) -> bool:
        """Whether jobs are still being ended."""
        return bool(len(self.endings))

    def bucket(self, name: str) -> Bucket:
        """Return what is known of the objects in a bucket."""
        if name not in self._buckets:
            self._buckets[name] = Bucket(self.session, name, self._transfers)
        return self._buckets[name]

    async def close(self) -> None:
        """Delete what is left to be deleted and close every connection, within seconds."""
        try:
            await self.endings.close()
            await self.poller.close()
            await self.clean_up(late=True)
        finally:
            for bucket in self._buckets.values():
                bucket.close()
            await self.session.close()

    async def clean_up(self, late: bool = False) -> None:
        """Delete at once what was to be deleted later, as far as that takes seconds only.

        Args:
            late: Whether to look for outcomes that came late, too.
        """
        finishing = asyncio.gather(*(bucket.finish(late) for bucket in self._buckets.values()))
        try:
            await asyncio.wait_for(finishing, CLOSING)
        except asyncio.TimeoutError:
            log.warning(
                "AWS Batch: objects of tasks that have ended were not deleted, as S3 did not "
                "respond in time; the bucket's lifecycle rule deletes them."
            )

    @contextlib.asynccontextmanager
    async def task(self, request: TaskRequest) -> AsyncIterator[TaskRun]:
        """Give the run of a task; its job is ended if it is given up."""
        guard(end_all_tasks, unended_jobs)
        if not is_made():
            # To read and to pack takes long enough to hold the event loop up.
            await self.session.in_thread(make)
        run = TaskRun(self, request)
        self.runs.add(run)
        try:
            async with run.registered():
                yield run
        finally:
            self.runs.discard(run)

    async def upload(
        self, request: TaskRequest, task: messages.Task, large: Mapping[str, Write]
    ) -> None:
        """Put a task's envelope and large parts, and the worker, into the bucket."""
        bucket, cache = self.bucket(request.bucket), cache_folder(request.cache_dir)
        put = partial(bucket.storage.put, encryption=request.encryption)
        put_large = partial(bucket.storage.put_large, cache=cache, encryption=request.encryption)
        share = partial(
            bucket.cleanup.shared.put, request.dispatch_id, keep=not request.owns_blobs
        )
        # First what all the dispatch's jobs wait for, or it would queue behind their envelopes.
        worker_key = request.worker_key
        upload_worker = partial(put, worker_key, worker_archive())
        await bucket.kept.put(request.dispatch_id, worker_key, upload_worker)
        await asyncio.gather(
            *(
                bucket.kept.put(request.dispatch_id, key, partial(put_large, key, write))
                if key.startswith(s3_keys.SHARED)
                else share(key=key, upload=partial(put_large, key, write))
                for key, write in large.items()
            ),
            *(share(key=key, upload=_by_a_job) for key in task_packages(task)),
            put(request.task_key, envelope.encode_task(task)),
        )

    async def submit(self, request: TaskRequest, running: Running | None = None) -> str:
        """Submit the job of a task whose envelope is in the bucket; return the job's id.

        Args:
            request: The task and its job.
            running: Its run, which may give up waiting for a slot: then there is no job.

        Raises:
            Cancelled: The task was cancelled.
            AWSError: AWS refused it.
        """
        running = running or Running()
        wait: Wait = running.unless_cancelled
        arn = await wait(self.definitions.find_or_register(request.definition))
        identity = await wait(self.session.identity())
        running.account = identity.account
        spec = running.spec = job_spec(request, identity)
        try:
            return await self.submitter.submit(spec, arn, wait)
        except BatchTaskError as error:
            if not lacks_definition(error):
                raise
            # It was deregistered since we found it.
            self.definitions.forget(arn)
            arn = await self.definitions.find_or_register(request.definition)
            return await self.submitter.submit(spec, arn, wait)

    # ---- Ending jobs

    async def cancel(self, dispatch_id: str, node_id: int, job_id: str | None) -> bool:
        """Cancel a task; return whether there was one, or a job.

        Covalent names all nodes that are to be cancelled, and all their jobs, but may pair them
        wrongly. Both are therefore ended, the node's task and the job's.
        """
        node = (dispatch_id, node_id)
        found = [
            run
            for run in self.runs
            if (run.request.dispatch_id, run.request.node_id) == node
            or (job_id and run.job_id == job_id)
        ]
        for run in found:
            run.cancel()
        if job_id and not any(run.job_id == job_id for run in found):
            return await self._terminate_unknown(job_id, cancelled(dispatch_id, node_id))
        return bool(found)

    def cancel_all(self) -> None:
        """Cancel every task under way: the server stops."""
        for run in self.runs:
            run.stopping = True
            run.cancel()

    async def _terminate_unknown(self, job_id: str, reason: Reason) -> bool:
        try:
            await self.terminator.terminate(job_id, reason)
        except BatchTaskError as error:
            log.info("AWS Batch: job %s could not be ended: %s", job_id, error)
            return False
        return True


def task_packages(task: messages.Task) -> tuple[str, ...]:
    """Return the keys of the packages that a job of the dispatch may store for its tasks."""
    archive = task.environment
    is_dispatch_s = archive and not archive.startswith(s3_keys.SHARED)
    return (archive, archive + s3_keys.CLAIM) if is_dispatch_s else ()


async def _by_a_job() -> None:
    """Upload nothing: a job stores the object, and it is deleted with the dispatch's others."""


# One backend for each event loop and identity: ``async with backends.use(access)``.
backends: LoopLocal[Access, Backend] = LoopLocal(Backend, IDLE)


async def end_all_tasks() -> None:
    """Cancel every task of the running event loop, wait for their jobs' ends, and clean up."""
    alive = backends.alive()
    while unended_jobs():
        for backend in alive:
            backend.cancel_all()
        await asyncio.sleep(0.05)
    await asyncio.gather(*(backend.clean_up() for backend in alive))


def unended_jobs() -> int:
    """Return how many tasks of the running event loop have jobs that have not been ended."""
    return sum(len(b.runs) + b.endings.unaccepted for b in backends.alive())
