"""The process that runs built-in nodes: requests on standard input, replies on standard output."""

from __future__ import annotations

import dataclasses
import importlib
import os
import signal
import sys
from typing import Any

from ..job import electron_call, on_demand, task_process
from ..job.tracebacks import Source
from ..protocol import envelope, messages
from . import ELSEWHERE

# Seconds after which a node ends this process. The server ends it sooner, if it still lives.
TIME_LIMIT = 90


def serve() -> None:
    """Run nodes from standard input until it ends; the reply to each goes to standard output."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # What a node reads or prints must not get between requests and replies.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    with on_demand.without_plugins():
        utils = importlib.import_module("covalent.executor.utils")
    while size := requests.read(8):
        task = envelope.decode_task(requests.read(int.from_bytes(size, "big")))
        signal.alarm(TIME_LIMIT)
        with utils.set_context(task.dispatch_id, task.node_id):
            reply = envelope.encode_outcome(answer(task.call))
        signal.alarm(0)
        replies.write(len(reply).to_bytes(8, "big") + reply)
        replies.flush()


def answer(call: messages.Call) -> messages.Outcome:
    """Run a node; what cannot be unpickled here is to run elsewhere."""
    try:
        function, args, kwargs = _unpickle(call)
    except Exception as error:  # noqa: BLE001 - a module of the user's may raise anything
        return messages.Outcome(ELSEWHERE, error=repr(error))
    out, err = _Stream(1), _Stream(2)
    try:
        result = electron_call.pack(function(*args, **kwargs))
    except Exception as error:  # noqa: BLE001 - as a task may
        trace = error.__traceback__
        # There is no more than this frame where the arguments do not fit.
        inner = (trace and trace.tb_next) or trace
        outcome = task_process.explain(error.with_traceback(inner), Source())
        return dataclasses.replace(outcome, stdout=out.read(), stderr=err.read())
    described = task_process.describe(result)
    part = messages.Part(data=result.content, size=len(result.content), **described)
    return messages.Outcome(messages.RETURNED, result=part, stdout=out.read(), stderr=err.read())


def _unpickle(call: messages.Call) -> tuple[Any, list[Any], dict[str, Any]]:
    def load(part: messages.Part) -> Any:
        return electron_call.unpack(part.data or b"")

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
            return file.read(messages.OUTPUT_LIMIT).decode("utf-8", "replace")


if __name__ == "__main__":
    serve()
