"""The child: import Covalent, run the task, leave a report of how it ended."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import shlex
import subprocess
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..protocol import envelope, exit_codes, messages
from . import tracebacks
from .scratch import blob_path, make_report, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Covalent shows a result's string form; nobody reads more of it than this.
STRING_LIMIT = 64 * 1024


def run_task(scratch: str, go: int) -> int:
    """Import Covalent, wait for the task, run it, and leave a report in ``scratch``."""
    folder = Path(scratch)
    prefer_own_pip(folder)
    try:
        wrapper, transportable = import_covalent()
    except Exception as error:  # noqa: BLE001 - a broken image raises anything
        trace = traceback.format_exc()
        message = f"this image cannot import Covalent: {one_line(error)}"
        return _leave(
            folder,
            make_report(messages.START_FAILED, exit_codes.EXIT_START_FAILED, message, trace),
        )
    if not os.read(go, 1):
        return exit_codes.EXIT_START_FAILED
    task = envelope.decode_task((folder / "task").read_bytes())
    try:
        with context(task):
            result = call_task(task.call, folder, wrapper, transportable)
        described = write_result(result, folder, transportable)
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


def import_covalent() -> tuple[Callable[..., Any], Any]:
    """Import Covalent's wrapper and TransportableObject, without its executor plugins.

    Loading plugins doubles the time the import takes, and a plugin that is broken in the image
    would break every task. A sublattice's builder loads them when it needs them.
    """
    before = os.environ.get("COVALENT_PLUGIN_LOAD")
    os.environ["COVALENT_PLUGIN_LOAD"] = "false"
    try:
        wrappers = importlib.import_module("covalent.executor.utils.wrappers")
    finally:
        del os.environ["COVALENT_PLUGIN_LOAD"]
        if before is not None:
            os.environ["COVALENT_PLUGIN_LOAD"] = before
    return wrappers.wrapper_fn, wrappers.TransportableObject


def load_plugins() -> None:
    """Load Covalent's executor plugins, as an ordinary ``import covalent`` would have."""
    executor = importlib.import_module("covalent.executor")
    manager = executor._executor_manager
    manager.generate_plugins_list()
    for plugin in manager.executor_plugins_map.values():
        setattr(executor, plugin.__name__, plugin)


@contextlib.contextmanager
def context(task: messages.Task) -> Iterator[None]:
    """Let ``ct.get_context`` name the task's dispatch and node."""
    if task.call.function.kind == "transportable":
        utils = importlib.import_module("covalent.executor.utils")
        with utils.set_context(task.dispatch_id, task.node_id):
            yield
    else:
        yield


def call_task(
    call: messages.Call, folder: Path, wrapper: Callable[..., Any], transportable: Any
) -> Any:
    """Make the call that the task describes."""
    if call.function.kind == "pickle":
        import cloudpickle

        function, args, kwargs = cloudpickle.loads(content(call.function, folder))
        return function(*args, **kwargs)

    def load(part: messages.Part) -> Any:
        return restore(part, folder, transportable)

    if call.function.header.get("attrs", {}).get("name") == "_build_sublattice_graph":
        load_plugins()
    before = [(load(f), load(a), load(k), key) for f, a, k, key in call.before]
    after = [(load(f), load(a), load(k), key) for f, a, k, key in call.after]
    args = [load(part) for part in call.args]
    kwargs = {name: load(part) for name, part in call.kwargs.items()}
    return wrapper(load(call.function), before, after, *args, **kwargs)


def content(part: messages.Part, folder: Path) -> bytes:
    """Return a part's bytes."""
    if part.data is not None:
        return part.data
    return blob_path(folder, str(part.key)).read_bytes()


def restore(part: messages.Part, folder: Path, transportable: Any) -> Any:
    """Return a part as Covalent's TransportableObject."""
    attributes = {
        "_object": content(part, folder).decode("ascii"),
        "_object_string": part.string,
        "_header": part.header,
    }
    return transportable.from_dict({"attributes": attributes})


def write_result(result: Any, folder: Path, transportable: Any) -> dict[str, Any]:
    """Write the result's content to ``folder``; return what describes it."""
    path = folder / "result"
    if isinstance(result, transportable):
        path.write_bytes(result.get_serialized().encode("ascii"))
        return describe(result)
    import cloudpickle

    try:
        path.write_bytes(cloudpickle.dumps(result))
    except Exception as error:
        raise NotSerializable(one_line(error)) from error
    return {"kind": "pickle"}


def describe(result: Any) -> dict[str, Any]:
    """Return what describes a TransportableObject without its content."""
    string = result.object_string[:STRING_LIMIT]
    return {"kind": "transportable", "header": result.header, "string": string}


class NotSerializable(Exception):
    """The result cannot be pickled."""


def explain(error: BaseException) -> dict[str, Any]:
    """Describe what the task raised, its traceback starting in the user's own code."""
    start = _user_frames(error.__traceback__)
    trace = tracebacks.render(error, start, tracebacks.Source()) + said(error)
    if isinstance(error, NotSerializable) or _raised_while_pickling(error):
        return make_report(
            messages.NOT_SERIALIZABLE, exit_codes.EXIT_NOT_SERIALIZABLE, one_line(error), trace
        )
    return make_report(messages.RAISED, exit_codes.EXIT_RAISED, one_line(error), trace)


def said(error: BaseException) -> str:
    """Return what a failed command wrote, such as Covalent's ``pip install``, which hides it."""
    if not isinstance(error, subprocess.CalledProcessError):
        return ""
    streams = (error.stdout, error.stderr)
    texts = [s.decode("utf-8", "replace") if isinstance(s, bytes) else s for s in streams if s]
    return "".join(f"The command wrote:\n{text[-STRING_LIMIT:]}\n" for text in texts)


def _file(trace: TracebackType) -> str:
    return trace.tb_frame.f_code.co_filename


def _is_wrapper(trace: TracebackType) -> bool:
    return _file(trace).endswith(os.path.join("covalent", "executor", "utils", "wrappers.py"))


def _user_frames(trace: TracebackType | None) -> TracebackType | None:
    start = trace
    while start is not None and (_file(start) == __file__ or _is_wrapper(start)):
        start = start.tb_next
    return start or trace


def _raised_while_pickling(error: BaseException) -> bool:
    """Tell whether Covalent's wrapper failed in packing the result: it calls nothing after."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        following = trace.tb_next
        if _is_wrapper(trace) and following.tb_frame.f_code.co_name == "__init__":
            return _file(following).endswith("transportable_object.py")
        trace = following
    return False
