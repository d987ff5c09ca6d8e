"""Everything about the objects of one bucket, for one identity and event loop."""

from __future__ import annotations

from functools import lru_cache

from ..protocol import s3_keys
from .calls.session import Session
from .jobs.arrivals import Arrivals
from .jobs.outcomes import Outcomes
from .model.task import TaskRequest, server_name
from .objects.cache_folder import CacheFolder
from .objects.cleanup import CleanUp
from .objects.kept_objects import KeptObjects
from .objects.storage import Storage
from .objects.transfers import Transfers


class Bucket:
    """The objects of one bucket: how they are stored, found, awaited and deleted."""

    def __init__(self, session: Session, name: str, transfers: Transfers) -> None:
        self.storage = Storage(session, name, transfers)
        self.cleanup = CleanUp(self.storage)
        self.kept = KeptObjects(self.storage)
        self.outcomes = Outcomes(session, self.storage)
        prefix = s3_keys.server_prefix(server_name())
        self.arrivals = Arrivals(self.storage, prefix, self.cleanup.discard)

    def __repr__(self) -> str:
        return f"<Bucket {self.storage!r}, {self.arrivals!r}, {self.cleanup!r}>"

    def discard_job(self, request: TaskRequest, job_id: str, attempts: int) -> None:
        """Have all objects of a task and its job deleted, also those that come late."""
        self.arrivals.ended(job_id, request.task_key)
        self.cleanup.discard([request.task_key, *request.job_keys(job_id, attempts)])

    async def finish(self, late: bool) -> None:
        """Delete at once what was to be deleted later.

        Args:
            late: Whether to look for outcomes that came late, too.
        """
        if late:
            await self.arrivals.finish()
        await self.cleanup.finish()

    def close(self) -> None:
        """Delete nothing any more."""
        self.cleanup.close()


@lru_cache(maxsize=64)
def cache_folder(cache_dir: str) -> CacheFolder:
    """Return the folder for temporary files that an option names."""
    return CacheFolder(cache_dir)
