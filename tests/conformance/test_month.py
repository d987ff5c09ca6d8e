"""A server's life of months in a minute: what it holds is bounded, whatever comes and goes.

Counts are compared after a first round, when everything that is made once has been made.
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from covalent_awsbatch_plugin import AWSBatchExecutor
from covalent_awsbatch_plugin.aws.backend import backends
from covalent_awsbatch_plugin.aws.model.task import Running
from covalent_awsbatch_plugin.aws.objects.references import references
from tests.fake_aws import FakeAws
from tests.fake_aws.aws import DEFINITION, SECRET_KEY
from tests.fake_aws.scripts import run_here

DAYS = 30
LARGE = bytes(300 * 1024)


@pytest.fixture
def aws() -> Iterator[FakeAws]:
    with FakeAws(script=run_here, job_seconds=0.05) as fake:
        yield fake


@pytest.fixture
def make(aws: FakeAws, tmp_path: Path) -> Callable[..., AWSBatchExecutor]:
    ours = {"poll_freq": 1, "retry_attempts": 1, "cache_dir": str(tmp_path / "cache")}
    return lambda **options: AWSBatchExecutor(**{**aws.executor_options(), **ours, **options})


def counts() -> dict[str, int]:
    """Return how many there are of what grew, or might grow."""
    from aiobotocore.client import AioBaseClient
    from botocore.client import BaseClient

    gc.collect()
    found = gc.get_objects()
    return {
        "clients": sum(isinstance(thing, AioBaseClient) for thing in found),
        "blocking clients": sum(type(thing).__mro__[1:2] == (BaseClient,) for thing in found),
        "runs": sum(isinstance(thing, Running) for thing in found),
        "tasks of asyncio": len(asyncio.all_tasks()),
        "files": len(os.listdir("/proc/self/fd")),
        "shared objects": len(references),
        "objects, in thousands": len(found) // 1000,
    }


async def day(aws: FakeAws, make: Callable[..., AWSBatchExecutor], number: int) -> None:
    """Renew the credentials, and run three dispatches of two tasks; one keeps its objects."""
    renew(aws, number)

    async def run(dispatch: int, node: int) -> None:
        one = make(tags={"run": f"{number}-{dispatch}"}, keep_objects=dispatch == 2)
        metadata = {"dispatch_id": f"day-{number}-{dispatch}", "node_id": node}
        assert await one.run(len, [LARGE], {}, metadata) == len(LARGE)

    await asyncio.gather(*(run(dispatch, node) for dispatch in range(3) for node in range(2)))


def renew(aws: FakeAws, number: int) -> None:
    """Have the keys of yesterday expire, and write those of today."""
    text = aws.credentials_file.read_text()
    yesterday = text.split("aws_access_key_id = ")[1].split("\n")[0]
    keys = f"aws_access_key_id = AKIAFAKEDAY{number:09}\naws_secret_access_key = {SECRET_KEY}\n"
    aws.credentials_file.write_text(f"[default]\n{keys}")
    aws.expired_keys.add(yesterday)


async def settled(aws: FakeAws, held: int) -> None:
    """Wait until all that is deleted is deleted; other tests of the process may hold some."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 60
    while [key for key in aws.objects() if "-2/" not in key] or len(references) > held:
        assert loop.time() < deadline, list(aws.objects())[:5]
        await asyncio.sleep(0.05)


async def test_a_month_leaves_no_more_than_a_day(aws, make):
    held = len(references)
    # One use for all of it: the backend lives as long as a busy server's.
    async with backends.use(make().access):
        await day(aws, make, 0)
        await settled(aws, held)
        before = counts()
        for number in range(1, DAYS + 1):
            await day(aws, make, number)
        await settled(aws, held)
        after = counts()
    # A log record, a line of a cache: a thousand objects a day would be 30 thousand.
    allowed = {
        "files": 8,
        "blocking clients": 1,
        "tasks of asyncio": 2,
        "objects, in thousands": 10,
    }
    grown = {name: after[name] - before[name] for name in before}
    assert all(grown[name] <= allowed.get(name, 0) for name in grown), (before, after)
    assert len(aws.batch.definitions[DEFINITION]) == 1, "tags make no definition"


def test_event_loops_that_come_and_go(aws, make):
    """A script in a notebook calls asyncio.run for each cell."""

    async def cell(number: int) -> None:
        await make().run(len, [LARGE], {}, {"dispatch_id": f"cell-{number}", "node_id": 0})

    async def count() -> dict[str, int]:
        return counts()

    asyncio.run(cell(0))
    before = asyncio.run(count())
    for number in range(1, 8):
        asyncio.run(cell(number))
    after = asyncio.run(count())
    assert after["clients"] <= before["clients"]
    assert after["files"] <= before["files"] + 2
    assert after["shared objects"] == before["shared objects"]
    assert not aws.objects()
