"""Who waits for a job's end, and who does not any more."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from covalent_awsbatch_plugin.aws.jobs.poller import Poller


class Batch:
    """Describes every job as running, save those that have ended."""

    def __init__(self) -> None:
        self.calls: asyncio.Queue[list[str]] = asyncio.Queue()
        self.ended: set[str] = set()

    async def call(self, service: str, operation: str, *, jobs: list[str]) -> dict[str, Any]:
        assert (service, operation) == ("batch", "describe_jobs")
        self.calls.put_nowait(jobs)
        status = {True: "SUCCEEDED", False: "RUNNING"}
        return {"jobs": [{"jobId": job, "status": status[job in self.ended]} for job in jobs]}

    async def asked(self) -> list[str]:
        """Return the ids of the next call."""
        return await asyncio.wait_for(self.calls.get(), 10)


async def test_a_job_that_nobody_waits_for_is_not_asked_about():
    batch = Batch()
    poller = Poller(batch)  # type: ignore[arg-type]
    given_up, awaited = (
        poller.watch(job_id, poll_freq=0.05) for job_id in ("given up", "awaited")
    )
    assert sorted(await batch.asked()) == ["awaited", "given up"]
    given_up.cancel()
    assert await batch.asked() == ["awaited"]
    batch.ended.add("awaited")
    job = await asyncio.wait_for(awaited, 10)
    assert job is not None
    assert job.status == "SUCCEEDED"
    await poller.close()


async def test_who_waits_hears_that_jobs_cannot_be_described():
    class Refusing(Batch):
        async def call(self, service: str, operation: str, *, jobs: list[str]) -> dict[str, Any]:
            raise PermissionError("no")

    poller = Poller(Refusing())  # type: ignore[arg-type]
    ends = [poller.watch(str(number), poll_freq=0.05) for number in range(3)]
    for end in ends:
        with pytest.raises(PermissionError, match="no"):
            await asyncio.wait_for(end, 10)
    await poller.close()
