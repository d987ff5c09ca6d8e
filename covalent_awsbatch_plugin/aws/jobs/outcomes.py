"""Finding a task's outcome: it decides, the job's status informs.

Outcomes are written by the jobs' role, so nothing in them is trusted: nothing is unpickled, large
ones are read in a thread, and keys of any other form are ignored.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from ...errors import OutcomeMissing, OutcomeUnreadable
from ...protocol import envelope, messages, s3_keys
from ..calls.patience import FOREVER, PATIENCE
from ..calls.session import BodyTooLarge, ObjectMissing, Session
from ..model.description import SUCCEEDED, JobDescription
from ..model.task import Settled, TaskRequest

if TYPE_CHECKING:
    from ..objects.cache_folder import CacheFolder
    from ..objects.storage import Storage

T = TypeVar("T")

# As many as a job can have attempts.
OUTCOME_LIMIT = 10

# Envelopes above this are read in a thread: a hostile header takes the event loop's time.
INLINE_READ = 100 * 1024

# Envelopes of a task that are looked into for where its outcomes lie.
RUNS_LOOKED_INTO = 3


class Outcomes:
    """The outcomes of tasks in one bucket."""

    def __init__(self, session: Session, storage: Storage) -> None:
        self._session = session
        self._storage = storage

    async def read(self, key: str, patience: float = PATIENCE) -> messages.Outcome:
        """Return the outcome at a key.

        Raises:
            ObjectMissing: There is none.
            BadEnvelope: What is there is no outcome.
            BodyTooLarge: What is there is larger than an outcome ever is.
            AWSError: AWS refused a request.
        """
        content = await self._storage.get(key, patience)
        if len(content) <= INLINE_READ:
            outcome = envelope.decode_outcome(content)
        else:
            outcome = await self._session.in_thread(lambda: envelope.decode_outcome(content))
        parsed = s3_keys.parse_outcome_key(key)
        # The key is what S3 let be written once; the header may hold any number.
        return replace(outcome, attempt=parsed[1]) if parsed else outcome

    async def returned(self, prefix: str, job_id: str, attempt: int) -> messages.Outcome | None:
        """Return the outcome of an attempt whose task returned; None for any other.

        Raises:
            AWSError: AWS refused a request.
        """
        key = s3_keys.outcome_key(prefix, job_id, attempt)
        with suppress(envelope.BadEnvelope, BodyTooLarge, ObjectMissing):
            outcome = await self.read(key, FOREVER)
            if outcome.status == messages.RETURNED:
                return outcome
        return None

    async def settle(self, prefix: str, job_id: str, job: JobDescription | None) -> Settled:
        """Return how a task ended, as far as the bucket and its job's description show.

        Args:
            prefix: The prefix of the task's outcomes.
            job_id: The job's id.
            job: The job's description; None where Batch does not know it.

        Raises:
            AWSError: AWS refused a request.
        """
        if job is not None and job.never_fits:
            return Settled(job_id, job)
        try:
            return Settled(job_id, job, await self._last(prefix, job_id, job))
        except (envelope.BadEnvelope, BodyTooLarge) as error:
            return Settled(job_id, job, unreadable=str(error))
        except ObjectMissing:
            # It was deleted after it had been listed.
            return Settled(job_id, job)

    async def _last(
        self, prefix: str, job_id: str, job: JobDescription | None
    ) -> messages.Outcome | None:
        attempts = len(job.attempts) if job is not None else 0
        if job is not None and job.status == SUCCEEDED:
            outcome = await self.returned(prefix, job_id, attempts or 1)
            if outcome is not None:
                return outcome
        keys = await self._keys(f"{prefix}{s3_keys.safe_name(job_id)}/")
        outcomes = [await self.read(key, FOREVER) for key in keys[:OUTCOME_LIMIT]]
        for outcome in outcomes:
            if outcome.status == messages.RETURNED:
                return outcome
        # An earlier attempt's outcome does not show how the last one ended.
        return next((outcome for outcome in outcomes if outcome.attempt >= attempts), None)

    async def _keys(self, prefix: str) -> list[str]:
        """Return the keys of the outcomes under a prefix, the last attempt's first."""
        found = await self._storage.keys(prefix, FOREVER)
        parsed = [(s3_keys.parse_outcome_key(key), key) for key in found]
        attempts = {key: outcome[1] for outcome, key in parsed if outcome}
        return sorted(attempts, key=lambda key: attempts[key], reverse=True)

    async def find(self, request: TaskRequest) -> Settled:
        """Return how the last run of a task ended, whichever server it ran for.

        Raises:
            OutcomeMissing: There is no outcome.
            AWSError: AWS refused a request.
        """
        found = await self._find(request)
        if not found:
            raise OutcomeMissing(f"There is none under s3://{request.bucket}/{request.prefix}")
        key = found[-1]
        job_id = key.split("/")[-2]
        try:
            return Settled(job_id, None, await self.read(key))
        except ObjectMissing as error:
            raise OutcomeMissing(f"It was just deleted: {key}") from error
        except (envelope.BadEnvelope, BodyTooLarge) as error:
            return Settled(job_id, None, unreadable=str(error))

    async def _find(self, request: TaskRequest) -> list[str]:
        """Return the keys of a task's outcomes, the last written last."""
        keys = await self._storage.keys(request.prefix)
        if kept := [key for key in keys if s3_keys.parse_outcome_key(key)]:
            return kept
        tasks = [key for key in keys if s3_keys.is_task_key(key)]
        for key in tasks[: -RUNS_LOOKED_INTO - 1 : -1]:
            prefix = (await self.task(key)).outcome_prefix
            outcomes = await self._storage.keys(prefix)
            if waiting := [key for key in outcomes if s3_keys.parse_outcome_key(key)]:
                return waiting
        return []

    async def task(self, key: str) -> messages.Task:
        """Return the envelope of a task.

        Raises:
            OutcomeMissing: There is none.
            OutcomeUnreadable: What is there is no task.
            AWSError: AWS refused a request.
        """
        try:
            content = await self._storage.get(key)
            task = await self._session.in_thread(lambda: envelope.decode_task(content))
        except ObjectMissing as error:
            raise OutcomeMissing(f"Its task {key} is not in the bucket.") from error
        except (envelope.BadEnvelope, BodyTooLarge) as error:
            raise OutcomeUnreadable(f"Its task {key} cannot be read: {error}.") from error
        if not task.outcome_prefix.startswith(f"{s3_keys.PREFIX}/"):
            raise OutcomeUnreadable(f"Its task {key} names a strange place for its outcomes.")
        return task

    async def fetch_result(
        self,
        request: TaskRequest,
        part: messages.Part,
        read: Callable[[BinaryIO], T],
        cache: CacheFolder,
    ) -> T:
        """Return what ``read`` makes of a large result's file.

        Raises:
            OutcomeMissing: The object is not there, or not the task's own.
            OSError: The file cannot be written.
            AWSError: AWS refused a request.
        """
        key = str(part.key)
        if not key.startswith(request.prefix):
            raise OutcomeMissing("Its outcome names a result outside of the task's own folder.")
        try:
            return await self._storage.fetch_large(key, read, cache, FOREVER)
        except ObjectMissing as error:
            raise OutcomeMissing(f"Its result {key} is not in the bucket.") from error

    async def keep(self, request: TaskRequest, job_id: str) -> list[str]:
        """Copy a job's outcomes to where its task is; return the keys of those that were copied.

        Raises:
            AWSError: AWS refused a request.
        """
        keys = await self._keys(f"{request.outcome_prefix}{s3_keys.safe_name(job_id)}/")
        for key in keys:
            content = await self._storage.get(key)
            name = key.removeprefix(request.outcome_prefix)
            await self._storage.put(f"{request.prefix}{name}", content, request.encryption)
        return keys

    async def called(self, request: TaskRequest) -> messages.Task:
        """Return the envelope of the last run of a task that is in the bucket.

        Raises:
            OutcomeMissing: There is none.
            OutcomeUnreadable: What is there is no task.
            AWSError: AWS refused a request.
        """
        keys = filter(s3_keys.is_task_key, await self._storage.keys(request.prefix))
        for key in reversed(list(keys)):
            return await self.task(key)
        raise OutcomeMissing(f"There is no task under s3://{request.bucket}/{request.prefix}")
