"""The processes that run built-in nodes: what a node does to one harms no other node."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest
from covalent import TransportableObject
from covalent.executor.utils.wrappers import wrapper_fn

from covalent_awsbatch_plugin import covalent_calls, covalent_results
from covalent_awsbatch_plugin.builtin_nodes.processes import NodeUnavailable, Processes
from covalent_awsbatch_plugin.protocol import envelope, messages


@pytest.fixture
async def processes() -> AsyncIterator[Processes]:
    hosted = Processes(1)
    yield hosted
    await hosted.close()


def node(function: Callable[..., Any], *args: Any) -> bytes:
    call = partial(wrapper_fn, TransportableObject(function), [], [])
    metadata = {"dispatch_id": "d", "node_id": 3}
    packed = [TransportableObject(arg) for arg in args]
    return envelope.encode_task(covalent_calls.pack_inline(call, packed, {}, metadata))


async def value_of(processes: Processes, function: Callable[..., Any], *args: Any) -> Any:
    outcome = await processes.run(node(function, *args))
    assert outcome.status == messages.RETURNED, outcome.traceback
    return covalent_results.transportable(
        outcome.result, outcome.result.data.decode()
    ).get_deserialized()


def process_id() -> int:
    return os.getpid()


async def test_a_process_serves_one_node_after_the_other(processes):
    first = await value_of(processes, process_id)
    assert await value_of(processes, process_id) == first != os.getpid()


async def test_a_process_that_died_while_idle_is_replaced(processes):
    first = await value_of(processes, process_id)
    os.kill(first, signal.SIGKILL)
    assert await value_of(processes, process_id) not in (first, os.getpid())


async def test_a_node_that_ends_its_process_is_unavailable_and_the_next_one_runs(processes):
    with pytest.raises(NodeUnavailable):
        await processes.run(node(os._exit, 3))
    assert await value_of(processes, len, "abc") == 3


async def test_a_child_that_holds_the_pipes_of_an_ended_process_ends_too(processes):
    def fork_and_exit() -> None:
        if os.fork():
            os._exit(0)
        time.sleep(600)

    with pytest.raises(NodeUnavailable, match="exit code 0"):
        await processes.run(node(fork_and_exit))
    assert await value_of(processes, len, "abc") == 3


async def test_a_node_reads_nothing_of_the_requests_and_its_output_is_kept(processes):
    def chat() -> str:
        print("out")
        print("err", file=sys.stderr)
        return sys.stdin.read()

    outcome = await processes.run(node(chat))
    assert (outcome.status, outcome.stdout, outcome.stderr) == ("returned", "out\n", "err\n")
    assert await value_of(processes, chat) == ""


async def test_a_node_knows_its_context(processes):
    def context() -> Any:
        import covalent as ct

        return ct.get_context().dispatch_id, ct.get_context().task_id

    assert await value_of(processes, context) == ("d", 3)
