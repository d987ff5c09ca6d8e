"""Finding out what came of a job: its outcome decides, its status informs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ...errors import OutcomeMissing
from ...protocol import envelope, messages, s3_keys
from ..calls.session import BodyTooLarge, ObjectMissing
from ..model.description import SUCCEEDED, JobDescription
from ..model.task import Settled, TaskRequest

if TYPE_CHECKING:
    from ..objects.storage import Storage

T = TypeVar("T")

# As many as a job can have attempts.
OUTCOME_LIMIT = 10


async def settle(
    storage: Storage, request: TaskRequest, job_id: str, job: JobDescription | None
) -> Settled:
    """Return what came of a job, as far as the bucket and its description tell.

    Raises:
        AWSError: AWS refused a request.
    """
    if job is not None and job.never_fits:
        return Settled(job_id, job)
    try:
        return Settled(job_id, job, await _last_outcome(storage, request.prefix, job_id, job))
    except (envelope.BadEnvelope, BodyTooLarge) as error:
        return Settled(job_id, job, unreadable=str(error))
    except ObjectMissing:
        # It was deleted after it had been listed.
        return Settled(job_id, job)


async def _last_outcome(
    storage: Storage, prefix: str, job_id: str, job: JobDescription | None
) -> messages.Outcome | None:
    if job is not None and job.status == SUCCEEDED:
        with contextlib.suppress(ObjectMissing):
            key = s3_keys.outcome_key(prefix, job_id, len(job.attempts) or 1)
            return envelope.decode_outcome(await storage.get(key))
    keys = await _outcome_keys(storage, f"{prefix}{s3_keys.safe_name(job_id)}/")
    outcomes = [envelope.decode_outcome(await storage.get(key)) for key in keys[:OUTCOME_LIMIT]]
    for outcome in outcomes:
        if outcome.status == messages.RETURNED:
            return outcome
    # An earlier attempt's outcome does not tell how the last one ended.
    last = len(job.attempts) if job is not None else 0
    return next((outcome for outcome in outcomes if outcome.attempt >= last), None)


async def _outcome_keys(storage: Storage, prefix: str) -> list[str]:
    """Return the keys of the outcomes under a prefix, the last attempt's first."""
    found = [key for key in await storage.keys(prefix) if "/outcome-" in key]
    return sorted(found, key=lambda key: int(key.rsplit("-", 1)[-1]), reverse=True)


async def find_outcome(storage: Storage, request: TaskRequest) -> Settled:
    """Return what came of the last job of a task that left an outcome in the bucket.

    Raises:
        OutcomeMissing: There is none.
        AWSError: AWS refused a request.
    """
    found = [key for key in await storage.keys(request.prefix) if "/outcome-" in key]
    if not found:
        raise OutcomeMissing(f"There is none under s3://{request.bucket}/{request.prefix}")
    job_id = found[-1].split("/")[-2]
    try:
        return Settled(job_id, None, envelope.decode_outcome(await storage.get(found[-1])))
    except ObjectMissing as error:
        raise OutcomeMissing(f"It was just deleted: {found[-1]}") from error
    except (envelope.BadEnvelope, BodyTooLarge) as error:
        return Settled(job_id, None, unreadable=str(error))


async def fetch_result(
    storage: Storage, request: TaskRequest, part: messages.Part, read: Callable[[Path], T]
) -> T:
    """Return what ``read`` makes of a large result's file.

    Raises:
        OutcomeMissing: The object is not there, or not the task's own.
        AWSError: AWS refused a request.
    """
    key = str(part.key)
    if not key.startswith(request.prefix):
        raise OutcomeMissing("Its outcome names a result outside of the task's own folder.")
    try:
        return await storage.fetch_large(key, read)
    except ObjectMissing as error:
        raise OutcomeMissing(f"Its result {key} is not in the bucket.") from error
