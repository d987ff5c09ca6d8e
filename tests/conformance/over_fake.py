"""What tests of the executor over the fake AWS share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from covalent_awsbatch_plugin import AWSBatchExecutor
from tests.fake_aws import FakeAws

# Too large for an envelope: it is an object of its own.
LARGE = bytes(range(256)) * 2048

# Makes an executor for the fake, with options of the test's own.
Make = Callable[..., AWSBatchExecutor]


def task(node: int, dispatch: str = "d") -> dict[str, Any]:
    """Return a task's metadata, as Covalent passes it."""
    return {"dispatch_id": dispatch, "node_id": node}


def objects(aws: FakeAws) -> dict[str, Any]:
    """Return what is in the bucket, by key; less what is stored once, for all dispatches."""
    return aws.objects()


async def wait_until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """Return what ``condition`` returns, once that is true.

    It waits in the wall's time: an event loop's may run faster.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} seconds"
        await asyncio.sleep(0.01)
    return value
