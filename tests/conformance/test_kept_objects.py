"""What a server stores once in a bucket, for the jobs of all dispatches: the worker."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from covalent_awsbatch_plugin.awsbatch import AWSBatchExecutor
from covalent_awsbatch_plugin.protocol import s3_keys
from tests.fake_aws import FakeAws
from tests.fake_aws.aws import BUCKET
from tests.fake_aws.errors import ApiError
from tests.fake_aws.scripts import run_here


@pytest.fixture
def aws() -> Iterator[FakeAws]:
    with FakeAws(job_seconds=0.05, script=run_here) as fake:
        yield fake


@pytest.fixture
def run(aws: FakeAws, tmp_path: Path) -> Any:
    """Runs one task of each dispatch; returns how many objects were stored, tasks aside."""

    def run_all(*dispatches: str, **options: Any) -> int:
        settings = {"poll_freq": 0.3, "cache_dir": str(tmp_path)}
        executor = AWSBatchExecutor(**{**aws.executor_options(), **settings, **options})
        aws.forget_calls()

        async def one_by_one() -> None:
            for dispatch in dispatches:
                await executor.run(len, ["a"], {}, {"dispatch_id": dispatch, "node_id": 0})

        asyncio.run(one_by_one())
        return aws.calls["s3:PutObject"] - len(dispatches)

    return run_all


def kept(aws: FakeAws) -> list[str]:
    return [key for key in aws.s3.buckets[BUCKET].objects if key.startswith(s3_keys.SHARED)]


def test_the_worker_is_stored_once_for_all_dispatches_and_servers(aws, run):
    assert run("one", "two") == 1
    assert run("three") == 0
    assert len(kept(aws)) == 1


def test_a_worker_that_was_deleted_is_stored_again(aws, run):
    assert run("one") == 1
    del aws.s3.buckets[BUCKET].objects[kept(aws)[0]]
    assert run("two") == 1


def test_an_old_worker_is_stored_anew_before_it_expires(aws, run):
    assert run("one") == 1
    [key] = kept(aws)
    objects = aws.s3.buckets[BUCKET].objects
    objects[key] = replace(objects[key], modified=datetime.now(timezone.utc) - timedelta(hours=13))
    assert run("two") == 1
    assert run("three") == 0


def test_each_way_to_encrypt_has_a_worker_of_its_own(aws, run):
    assert run("one") == 1
    assert run("two", s3_encryption="AES256") == 1
    assert len(kept(aws)) == 2


def test_where_nothing_may_be_listed_the_worker_is_stored_for_each_dispatch(aws, run):
    aws.fail("s3:ListObjectsV2", ApiError("AccessDenied", status=403), times=1000)
    assert run("one", "two") == 2
