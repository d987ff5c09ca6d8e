"""Covalent's own small nodes, run beside the server instead of as jobs.

With ``@ct.lattice(executor="awsbatch")`` Covalent gives the executor its own nodes too: building
lists and dicts of results, taking items and attributes, arithmetic, post-processing. Each is
milliseconds of work and would be a job of minutes. They run in a few processes beside the server,
not in it: what they unpickle is the user's. A node that cannot run there goes to Batch.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import pickletools
import sys
from collections.abc import Callable, Mapping
from typing import Any

from . import contract, envelope, payloads
from .perloop import PerLoop
from .worker import child

log = logging.getLogger("covalent_awsbatch_plugin")

PROCESSES = 2
IDLE = 60.0

# Bytes of a node's function and arguments together, beyond which it goes to Batch: the server's
# host was not chosen for large work.
SIZE_LIMIT = 16 * 1024 * 1024

# Seconds a node may take beside the server. Starting the process is the most of it.
TIME_LIMIT = 60.0

# A reply of this status means: run it on Batch.
ELSEWHERE = contract.START_FAILED

ELECTRON, POSTPROCESSING = "covalent._workflow.electron", "covalent._workflow.postprocessing"
BUILDERS = ("_auto_list_node", "_auto_dict_node")
POSTPROCESSORS = ("_postprocess_recursively", "_postprocess")


# ---- Telling glue from user code


def is_glue(function: Callable[..., Any]) -> bool:
    """Tell whether an electron is Covalent's own, without unpickling it.

    Its name alone is not enough, since a user's function may bear the same: its pickle must name
    Covalent's module too, and for functions pickled by value Covalent's source file.
    """
    if not payloads.is_covalent_call(function):
        return False
    electron = function.args[0]  # type: ignore[attr-defined]
    name = electron.header["attrs"]["name"]
    if name in POSTPROCESSORS:
        return POSTPROCESSING in _texts(electron)
    if name in BUILDERS or str(name).startswith(":"):
        source = os.path.join("covalent", "_workflow", "electron.py")
        texts = _texts(electron)
        return ELECTRON in texts and any(text.endswith(source) for text in texts)
    return False


def _texts(electron: Any) -> set[str]:
    pickled = base64.b64decode(electron.get_serialized())
    return {text for _, text, _ in pickletools.genops(pickled) if isinstance(text, str)}


def fits(function: Callable[..., Any], args: list[Any], kwargs: Mapping[str, Any]) -> bool:
    """Tell whether a glue node can run beside the server: small, no hooks, of this Python."""
    electron, before, after = function.args  # type: ignore[attr-defined]
    size = sum(len(part.get_serialized()) for part in (electron, *args, *kwargs.values()))
    same = contract.minor(electron.header["py_version"]) == contract.minor(sys.version.split()[0])
    return same and not before and not after and size <= SIZE_LIMIT


# ---- The server's side


class GlueUnavailable(Exception):
    """The node cannot run beside the server."""


class Processes:
    """Processes that run glue nodes, started when they are needed."""

    def __init__(self, limit: int) -> None:
        self._free = asyncio.Semaphore(limit)
        self._idle: list[asyncio.subprocess.Process] = []

    async def run(self, task: bytes) -> contract.Outcome:
        """Run a node.

        Args:
            task: Its envelope.

        Raises:
            GlueUnavailable: It cannot run here.
        """
        async with self._free:
            process = self._idle.pop() if self._idle else await _start()
            try:
                reply = await asyncio.wait_for(_exchange(process, task), TIME_LIMIT)
                outcome = envelope.decode_outcome(reply)
            except (OSError, EOFError, asyncio.TimeoutError, envelope.BadEnvelope) as error:
                await _end(process)
                raise GlueUnavailable(repr(error)) from error
            except asyncio.CancelledError:
                await _end(process)
                raise
            self._idle.append(process)
        if outcome.status == ELSEWHERE:
            raise GlueUnavailable(outcome.error)
        return outcome

    async def close(self) -> None:
        """End the processes."""
        for process in self._idle:
            await _end(process)
        self._idle.clear()


async def _start() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from covalent_awsbatch_plugin.glue import serve; serve()",
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
processes: PerLoop[int, Processes] = PerLoop(Processes, IDLE)


# ---- The process's side


def serve() -> None:
    """Run nodes from standard input until it ends; the reply to each goes to standard output."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # What a node prints must not get between the replies.
    os.dup2(2, 1)
    _, transportable = child.import_covalent()
    while size := requests.read(8):
        task = envelope.decode_task(requests.read(int.from_bytes(size, "big")))
        reply = envelope.encode_outcome(answer(task.call, transportable))
        replies.write(len(reply).to_bytes(8, "big") + reply)
        replies.flush()


def answer(call: contract.Call, transportable: Any) -> contract.Outcome:
    """Run a node; what cannot be unpickled here is to run elsewhere."""
    try:
        function, args, kwargs = _unpickle(call, transportable)
    except Exception as error:  # noqa: BLE001 - a module of the user's may raise anything
        return contract.Outcome(ELSEWHERE, error=repr(error))
    out, err = _Stream(1), _Stream(2)
    try:
        result = transportable(function(*args, **kwargs))
    except Exception as error:  # noqa: BLE001 - as a task may
        inner = error.__traceback__.tb_next if error.__traceback__ else None
        told = child.explain(error.with_traceback(inner))
        return contract.Outcome(**told, stdout=out.read(), stderr=err.read())
    content = result.get_serialized().encode("ascii")
    part = contract.Part(data=content, size=len(content), **child.describe(result))
    return contract.Outcome(contract.RETURNED, result=part, stdout=out.read(), stderr=err.read())


def _unpickle(call: contract.Call, transportable: Any) -> tuple[Any, list[Any], dict[str, Any]]:
    def load(part: contract.Part) -> Any:
        content = (part.data or b"").decode("ascii")
        attributes = {"_object": content, "_object_string": "", "_header": part.header}
        return transportable.from_dict({"attributes": attributes}).get_deserialized()

    kwargs = {name: load(part) for name, part in call.kwargs.items()}
    return load(call.function), [load(part) for part in call.args], kwargs


class _Stream:
    """What is written to a file descriptor, until it is read."""

    def __init__(self, descriptor: int) -> None:
        import tempfile

        self._descriptor = descriptor
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by read
        self._before = os.dup(descriptor)
        os.dup2(self._file.fileno(), descriptor)

    def read(self) -> str:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os.dup2(self._before, self._descriptor)
        os.close(self._before)
        with self._file as file:
            file.seek(0)
            return file.read(contract.OUTPUT_LIMIT).decode("utf-8", "replace")
