"""The processes on the server's host that run built-in nodes, started when they are needed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys

from ..aws.loop_local import LoopLocal
from ..protocol import envelope, messages
from . import ELSEWHERE

PROCESSES = 2
IDLE = 60.0

# Seconds a node may take on the server's host. Starting the process is the most of it.
TIME_LIMIT = 60.0

# Interval in seconds at which a process that runs a node is checked to be alive.
CHECK_INTERVAL = 0.5

# Seconds that the end of a killed process is waited for.
END_LIMIT = 5.0


class NodeUnavailable(Exception):
    """The node cannot run on the server's host."""


class ProcessEnded(NodeUnavailable):
    """The process ended instead of running the node."""


class Processes:
    """Processes that run built-in nodes, started when they are needed."""

    busy = False

    def __init__(self, limit: int) -> None:
        self._free = asyncio.Semaphore(limit)
        self._idle: list[asyncio.subprocess.Process] = []

    async def run(self, task: bytes) -> messages.Outcome:
        """Run a node.

        Args:
            task: Its envelope.

        Raises:
            NodeUnavailable: It cannot run here.
        """
        async with self._free:
            outcome = await self._run_on_idle(task) or await self._run_on(await _start(), task)
        if outcome.status == ELSEWHERE:
            raise NodeUnavailable(outcome.error)
        return outcome

    async def _run_on_idle(self, task: bytes) -> messages.Outcome | None:
        """Run a node on an idle process; return None where every one of them has died."""
        while self._idle:
            try:
                return await self._run_on(self._idle.pop(), task)
            except ProcessEnded:
                continue  # Nothing is wrong with the node: it may have died long before.
        return None

    async def _run_on(self, process: asyncio.subprocess.Process, task: bytes) -> messages.Outcome:
        try:
            reply = await asyncio.wait_for(_while_alive(process, task), TIME_LIMIT)
            outcome = envelope.decode_outcome(reply)
        except (OSError, EOFError) as error:
            await _end(process)
            raise ProcessEnded(repr(error)) from error
        except (asyncio.TimeoutError, envelope.BadEnvelope) as error:
            await _end(process)
            raise NodeUnavailable(repr(error)) from error
        except asyncio.CancelledError:
            await _end(process)
            raise
        self._idle.append(process)
        return outcome

    async def close(self) -> None:
        """End the processes."""
        for process in self._idle:
            await _end(process)
        self._idle.clear()


async def _start() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "covalent_awsbatch_plugin.builtin_nodes.serve",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )


async def _while_alive(process: asyncio.subprocess.Process, task: bytes) -> bytes:
    """Return the reply; EOFError once the process has ended, though its pipes be open."""
    exchange = asyncio.ensure_future(_exchange(process, task))
    try:
        while not exchange.done():
            ended = process.returncode is not None
            await asyncio.wait({exchange}, timeout=CHECK_INTERVAL)
            if ended and not exchange.done():
                raise EOFError(f"it ended with exit code {process.returncode}")
        return exchange.result()
    finally:
        exchange.cancel()


async def _exchange(process: asyncio.subprocess.Process, task: bytes) -> bytes:
    assert process.stdin is not None  # noqa: S101 - it was started with pipes
    assert process.stdout is not None  # noqa: S101
    process.stdin.write(len(task).to_bytes(8, "big") + task)
    await process.stdin.drain()
    size = int.from_bytes(await process.stdout.readexactly(8), "big")
    return await process.stdout.readexactly(size)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a process with all that nodes left running in it: they may hold its pipes open."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.stdin is not None:
        process.stdin.close()
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(process.wait(), END_LIMIT)


# The server's processes: ``async with processes.use(PROCESSES)``.
processes: LoopLocal[int, Processes] = LoopLocal(Processes, IDLE)
