"""What only a real account can show. Skipped without one.

Deploy a stack, put the executor's options as JSON into COVALENT_AWSBATCH_TEST_ACCOUNT, and run
``pytest -m aws``. It costs some minutes of the smallest instance.
"""

from __future__ import annotations

import json
import os

import pytest

from covalent_awsbatch_plugin import AWSBatchExecutor

OPTIONS = os.environ.get("COVALENT_AWSBATCH_TEST_ACCOUNT")

pytestmark = [
    pytest.mark.aws,
    pytest.mark.skipif(not OPTIONS, reason="COVALENT_AWSBATCH_TEST_ACCOUNT names no account"),
]


@pytest.fixture
def account_executor() -> AWSBatchExecutor:
    return AWSBatchExecutor(**{"poll_freq": 2, "time_limit": 900, **json.loads(OPTIONS or "{}")})


async def test_a_task_runs_in_the_default_image(account_executor):
    def add(a, b):
        print("on AWS")
        return a + b

    metadata = {"dispatch_id": f"account-test-{os.getpid()}", "node_id": 0}
    assert await account_executor.run(add, [1], {"b": 2}, metadata) == 3


async def test_a_task_that_takes_too_much_memory_is_reported(account_executor):
    from covalent_awsbatch_plugin.errors import OutOfMemory

    account_executor.memory = 0.5
    metadata = {"dispatch_id": f"account-test-{os.getpid()}", "node_id": 1}
    with pytest.raises(OutOfMemory, match=r"raise memory= above 0\.5 GB"):
        await account_executor.run(lambda: len(bytearray(4 * 2**30)), [], {}, metadata)
