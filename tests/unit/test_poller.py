"""Who waits for a job's end, and who does not any more."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from covalent_awsbatch_plugin.aws.jobs.misconfiguration import Misconfigured
from covalent_awsbatch_plugin.aws.jobs.poller import Poller
from covalent_awsbatch_plugin.aws.model.description import JobDescription


class Batch:
    """Describes every job as running, save those that have ended."""

    def __init__(self) -> None:
        self.account = "one"
        self.calls: asyncio.Queue[list[str]] = asyncio.Queue()
        self.ended: set[str] = set()

    async def call(
        self, service: str, operation: str, *, patience: float, jobs: list[str]
    ) -> dict[str, Any]:
        assert (service, operation) == ("batch", "describe_jobs")
        self.calls.put_nowait(jobs)
        status = {True: "SUCCEEDED", False: "RUNNING"}
        return {"jobs": [{"jobId": job, "status": status[job in self.ended]} for job in jobs]}

    async def current_account(self) -> str:
        return self.account

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
        async def call(self, service: str, operation: str, **params: Any) -> dict[str, Any]:
            raise PermissionError("no")

    poller = Poller(Refusing())  # type: ignore[arg-type]
    ends = [poller.watch(str(number), poll_freq=0.05) for number in range(3)]
    for end in ends:
        with pytest.raises(PermissionError, match="no"):
            await asyncio.wait_for(end, 10)
    await poller.close()


FITS_NOT = "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - too large"
NO_ROLE = "MISCONFIGURATION:SERVICE_ROLE_PERMISSIONS - denied"


@pytest.mark.parametrize(
    ("seen", "given_up"),
    [
        ([(0, FITS_NOT), (599, FITS_NOT)], False),
        ([(0, FITS_NOT), (300, FITS_NOT), (600, FITS_NOT)], True),
        ([(0, FITS_NOT), (500, ""), (501, FITS_NOT), (1000, FITS_NOT)], False),
        ([(0, NO_ROLE), (599, FITS_NOT), (1000, FITS_NOT)], False),
        ([(0, NO_ROLE), (10_000, NO_ROLE)], False),
    ],
)
def test_a_misconfigured_job_is_given_up_after_ten_minutes_without_a_break(seen, given_up):
    misconfigured = Misconfigured()
    verdicts = [
        misconfigured.is_hopeless(JobDescription("j", "RUNNABLE", reason), 600, now)
        for now, reason in seen
    ]
    assert not any(verdicts[:-1])
    assert verdicts[-1] == given_up


def test_a_reason_is_logged_once_however_many_jobs_have_it(caplog):
    misconfigured = Misconfigured()
    for number in range(100):
        misconfigured.is_hopeless(JobDescription(str(number), "RUNNABLE", FITS_NOT), 600, 0)
    misconfigured.is_hopeless(JobDescription("other", "RUNNABLE", NO_ROLE), 600, 0)
    first, second = caplog.messages
    assert "misconfiguration_timeout" in first
    assert "doctor" in second


async def test_every_one_of_several_who_wait_for_a_job_hears_of_its_end():
    batch = Batch()
    poller = Poller(batch)  # type: ignore[arg-type]
    ends = [poller.watch("job", poll_freq=0.05) for _ in range(2)]
    await batch.asked()
    batch.ended.add("job")
    first, second = await asyncio.wait_for(asyncio.gather(*ends), 10)
    assert first == second
    await poller.close()


async def test_jobs_are_not_gone_because_the_credentials_are_of_another_account():
    class Blind(Batch):
        async def call(self, service: str, operation: str, **params: Any) -> dict[str, Any]:
            answer = await super().call(service, operation, **params)
            return answer if self.account == "one" else {"jobs": []}

    batch = Blind()
    poller = Poller(batch)  # type: ignore[arg-type]
    end = poller.watch("job", poll_freq=0.01, account="one")
    await batch.asked()
    batch.account = "another"
    # Five seconds would do to give up a job of this poll_freq in its own account.
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(asyncio.shield(end), 6)
    batch.account = "one"
    batch.ended.add("job")
    job = await asyncio.wait_for(end, 10)
    assert isinstance(job, JobDescription)
    assert job.status == "SUCCEEDED"
    await poller.close()
