"""The task's process: run the task, leave a report of how it ended."""

from __future__ import annotations

import importlib
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from ..protocol import envelope, exit_codes, messages
from . import electron_call, on_demand, tracebacks
from .scratch import blob_path, make_report, one_line

# Covalent shows a result's string form; nobody reads more of it than this.
STRING_LIMIT = 64 * 1024

# Files whose frames at a traceback's beginning are left out.
OWN_FILES = (__file__, electron_call.__file__)


def run_task(scratch: str, go: int) -> int:
    """Wait for the task, run it, and leave a report in ``scratch``."""
    folder = Path(scratch)
    prefer_own_pip(folder)
    # Imported while the task is on its way; this is the archive's, which the task then uses too.
    importlib.import_module("cloudpickle")
    if not os.read(go, 1):
        return exit_codes.EXIT_START_FAILED
    task = envelope.decode_task((folder / "task").read_bytes())
    on_demand.activate(on_demand.read_requirements(), folder, task)
    try:
        described = call_task(task.call, folder)
    except BaseException as error:  # noqa: BLE001 - a task may raise anything, SystemExit too
        return _leave(folder, explain(error))
    return _leave(folder, {**make_report(messages.RETURNED, 0), "result": described})


def prefer_own_pip(folder: Path) -> None:
    """Make ``pip`` mean that of this Python: Covalent's DepsPip calls whatever is on the PATH."""
    home = Path(sys.executable).parent
    if not (home / "pip").exists():
        home = folder / "bin"
        home.mkdir(exist_ok=True)
        pip = home / "pip"
        pip.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m pip "$@"\n')
        pip.chmod(0o700)
    os.environ["PATH"] = os.pathsep.join([str(home), os.environ.get("PATH", os.defpath)])


def _leave(folder: Path, report: dict[str, Any]) -> int:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    partial = folder / "report.partial"
    partial.write_text(json.dumps(report), "utf-8")
    partial.rename(folder / "report")
    code: int = report["exit_code"]
    return code


def load_plugins() -> None:
    """Load Covalent's executor plugins, as an ordinary ``import covalent`` would have."""
    executor = importlib.import_module("covalent.executor")
    manager = executor._executor_manager
    manager.generate_plugins_list()
    for plugin in manager.executor_plugins_map.values():
        setattr(executor, plugin.__name__, plugin)


def call_task(call: messages.Call, folder: Path) -> dict[str, Any]:
    """Make the call that the task describes; write its result, and return what describes that."""
    if call.function.kind == "pickle":
        return call_pickle(content(call.function, folder), folder / "result")
    if call.function.header.get("attrs", {}).get("name") == "_build_sublattice_graph":
        load_plugins()
    packed = electron_call.pack(electron_call.run(call, lambda part: content(part, folder)))
    (folder / "result").write_bytes(packed.content)
    return describe(packed)


def call_pickle(pickled: bytes, path: Path) -> dict[str, Any]:
    """Make a call that was pickled as a whole; write its result to ``path``."""
    import cloudpickle

    function, args, kwargs = cloudpickle.loads(pickled)
    result = function(*args, **kwargs)
    try:
        path.write_bytes(cloudpickle.dumps(result))
    except Exception as error:
        raise electron_call.NotSerializable from error
    return {"kind": "pickle"}


def content(part: messages.Part, folder: Path) -> bytes:
    """Return a part's bytes."""
    if part.data is not None:
        return part.data
    return blob_path(folder, str(part.key)).read_bytes()


def describe(packed: electron_call.Packed) -> dict[str, Any]:
    """Return what describes a result without its content."""
    string = packed.string[:STRING_LIMIT]
    return {"kind": "transportable", "header": packed.header, "string": string}


def explain(error: BaseException) -> dict[str, Any]:
    """Describe what the task raised, its traceback starting in the user's own code."""
    status, code = messages.RAISED, exit_codes.EXIT_RAISED
    if isinstance(error, electron_call.NotSerializable):
        status, code = messages.NOT_SERIALIZABLE, exit_codes.EXIT_NOT_SERIALIZABLE
        error = error.__cause__ or error
    elif isinstance(error, on_demand.CannotInstall):
        status, code = messages.START_FAILED, exit_codes.EXIT_START_FAILED
    start = _user_frames(error.__traceback__)
    trace = tracebacks.render(error, start, tracebacks.Source()) + said(error)
    return make_report(status, code, one_line(error), trace)


def said(error: BaseException) -> str:
    """Return what a failed command wrote, such as Covalent's ``pip install``, which hides it."""
    if not isinstance(error, subprocess.CalledProcessError):
        return ""
    streams = (error.stdout, error.stderr)
    texts = [s.decode("utf-8", "replace") if isinstance(s, bytes) else s for s in streams if s]
    return "".join(f"The command wrote:\n{text[-STRING_LIMIT:]}\n" for text in texts)


def _user_frames(trace: TracebackType | None) -> TracebackType | None:
    """Return where a traceback leaves our own modules."""
    start = trace
    while start is not None and start.tb_frame.f_code.co_filename in OWN_FILES:
        start = start.tb_next
    return start or trace
