"""Outcomes as they appear in the bucket: one listing a second shows every task that has ended.

DescribeJobs would have to be asked about every job, and AWS shows an end seconds late. All
outcomes that this server waits for are under one prefix, so one ListObjectsV2 a second shows them,
however many jobs and dispatches there are. Where the bucket cannot be listed, or answers slowly,
DescribeJobs alone is relied on, and the listing is tried again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from ...errors import BatchTaskError
from ...protocol import s3_keys
from ..calls.session import ObjectMissing
from ..objects.storage import LIST_LIMIT, Storage

log = logging.getLogger("covalent_awsbatch_plugin")

# Seconds from one listing to the next.
PERIOD = 1.0

# Seconds that a listing may take, until the bucket counts as slow.
SLOW = 5.0

# Seconds until a bucket that could not be listed is tried again.
RETRY = 20.0

# Pages of a thousand keys in one go. There are that many only where other programs write here, or
# thousands of tasks end within a second: the next listing goes on after the last key.
PAGES = 5

# Ended jobs that are remembered, for outcomes that come late, and for how long at least.
ENDED_LIMIT = 10_000
LATE = 10.0


@dataclass(frozen=True)
class Arrived:
    """Outcomes of a job that have appeared in the bucket.

    Attributes:
        attempts: The numbers of their attempts, the last first.
    """

    attempts: tuple[int, ...]


@dataclass
class _Awaited:
    """A job whose outcomes are awaited."""

    arrived: Callable[[Arrived], None]
    seen: set[int] = field(default_factory=set)


class Arrivals:
    """The outcomes that one server awaits in one bucket.

    Args:
        storage: The bucket.
        prefix: The prefix of all of them.
        discard: Deletes objects.
    """

    def __init__(
        self, storage: Storage, prefix: str, discard: Callable[[Iterable[str]], None]
    ) -> None:
        self._storage = storage
        self._prefix = prefix
        self._discard = discard
        self._awaited: dict[str, _Awaited] = {}
        self._ended: dict[str, tuple[float, str]] = {}
        self._after = ""
        self._listed = float("-inf")
        self._lister: asyncio.Task[None] | None = None
        self._warned = False

    def __repr__(self) -> str:
        return f"<Arrivals in {self._prefix}, {len(self._awaited)} awaited>"

    def reliable(self) -> bool:
        """Return whether the bucket was listed within the last seconds."""
        return asyncio.get_running_loop().time() - self._listed < PERIOD + SLOW

    def expect(self, job_id: str, arrived: Callable[[Arrived], None]) -> None:
        """Have ``arrived`` called when outcomes of a job appear that did not before."""
        job = s3_keys.safe_name(job_id)
        known = self._awaited.get(job)
        self._awaited[job] = _Awaited(arrived, known.seen if known else set())
        if self._lister is None or self._lister.done():
            self._lister = asyncio.create_task(self._run())

    def ended(self, job_id: str, task_key: str) -> None:
        """Await no more outcomes of a job; those that come all the same are deleted.

        A host that was thought lost may store an outcome long after its job has ended.

        Args:
            job_id: The job's id.
            task_key: The key of its task, beside which its results lie.
        """
        job = s3_keys.safe_name(job_id)
        self._awaited.pop(job, None)
        self._ended[job] = (asyncio.get_running_loop().time(), task_key)
        while len(self._ended) > ENDED_LIMIT:
            del self._ended[next(iter(self._ended))]

    def forget(self, job_id: str) -> None:
        """Await no more outcomes of a job, and touch none of them."""
        self._awaited.pop(s3_keys.safe_name(job_id), None)

    async def finish(self) -> None:
        """Stop listing, and have deleted what came late."""
        await self.close()
        if self._ended and self._listed > float("-inf"):
            self._ended = {job: (float("-inf"), key) for job, (_, key) in self._ended.items()}
            with suppress(BatchTaskError, ObjectMissing):
                self._note(await self._storage.page(self._prefix, ""))
            self._ended.clear()

    async def close(self) -> None:
        """Stop listing."""
        if self._lister is not None:
            self._lister.cancel()
            await asyncio.gather(self._lister, return_exceptions=True)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._awaited:
            started = loop.time()
            listed = await self._list()
            period = PERIOD if listed else RETRY
            await asyncio.sleep(max(started + period - loop.time(), 0))

    async def _list(self) -> bool:
        """List what there is; return whether that succeeded."""
        try:
            await asyncio.wait_for(self._pages(), SLOW)
        except asyncio.TimeoutError:
            return self._failed("Its listing took too long.")
        except (BatchTaskError, ObjectMissing) as error:
            return self._failed(str(error))
        self._listed = asyncio.get_running_loop().time()
        if self._warned:
            log.info("AWS Batch: the bucket %s can be listed again", self._storage.bucket)
        self._warned = False
        return True

    async def _pages(self) -> None:
        for _ in range(PAGES):
            keys = await self._storage.page(self._prefix, self._after)
            self._note(keys)
            if len(keys) < LIST_LIMIT:
                self._after = ""
                return
            self._after = keys[-1]

    def _failed(self, why: str) -> bool:
        if not self._warned:
            log.warning(
                "AWS Batch: the bucket %s cannot be listed, so the end of a task is seen at the "
                "next DescribeJobs, up to poll_freq seconds late. The server needs s3:ListBucket. "
                "%s",
                self._storage.bucket,
                why,
            )
        self._warned = True
        return False

    def _note(self, keys: list[str]) -> None:
        """Pass on what is new; keys of any other form are ignored."""
        found: dict[str, list[int]] = {}
        for key in keys:
            if parsed := s3_keys.parse_outcome_key(key):
                job, attempt = parsed
                if job in self._awaited:
                    found.setdefault(job, []).append(attempt)
                else:
                    self._came_late(key, job, attempt)
        self._pass_on(found)

    def _pass_on(self, found: Mapping[str, list[int]]) -> None:
        for job, attempts in found.items():
            awaited = self._awaited[job]
            new = set(attempts) - awaited.seen
            if new:
                awaited.seen |= new
                awaited.arrived(Arrived(tuple(sorted(new, reverse=True))))

    def _came_late(self, key: str, job: str, attempt: int) -> None:
        ended, task_key = self._ended.get(job, (float("inf"), ""))
        now = asyncio.get_running_loop().time()
        if now - ended > LATE:
            self._ended[job] = (now, task_key)
            self._discard([key, s3_keys.result_key(task_key, job, attempt)])
