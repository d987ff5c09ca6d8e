"""The processes on the server's host that run built-in nodes, started when they are needed."""

from __future__ import annotations

import asyncio
import sys

from ..aws.loop_local import LoopLocal
from ..protocol import envelope, messages

PROCESSES = 2
IDLE = 60.0

# Seconds a node may take on the server's host. Starting the process is the most of it.
TIME_LIMIT = 60.0

# A reply of this status means: run it on Batch.
ELSEWHERE = messages.START_FAILED


class NodeUnavailable(Exception):
    """The node cannot run on the server's host."""


class Processes:
    """Processes that run built-in nodes, started when they are needed."""

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
            process = self._idle.pop() if self._idle else await _start()
            try:
                reply = await asyncio.wait_for(_exchange(process, task), TIME_LIMIT)
                outcome = envelope.decode_outcome(reply)
            except (OSError, EOFError, asyncio.TimeoutError, envelope.BadEnvelope) as error:
                await _end(process)
                raise NodeUnavailable(repr(error)) from error
            except asyncio.CancelledError:
                await _end(process)
                raise
            self._idle.append(process)
        if outcome.status == ELSEWHERE:
            raise NodeUnavailable(outcome.error)
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
    )


async def _exchange(process: asyncio.subprocess.Process, task: bytes) -> bytes:
    assert process.stdin is not None  # noqa: S101 - it was started with pipes
    assert process.stdout is not None  # noqa: S101
    process.stdin.write(len(task).to_bytes(8, "big") + task)
    await process.stdin.drain()
    size = int.from_bytes(await process.stdout.readexactly(8), "big")
    return await process.stdout.readexactly(size)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()
    if process.stdin is not None:
        process.stdin.close()


# The server's processes: ``async with processes.use(PROCESSES)``.
processes: LoopLocal[int, Processes] = LoopLocal(Processes, IDLE)
