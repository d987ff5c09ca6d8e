"""The task process: run the task, report how it ended."""

from __future__ import annotations

import base64
import faulthandler
import importlib
import os
import shlex
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, cast

# The archive's, which the task then uses too.
import cloudpickle

from ..protocol import envelope, exit_codes, messages
from . import dependencies, electron_call, on_demand, supervisor, tracebacks, wheelhouse
from .bucket import Bucket
from .environments import SharedEnvironment, key_here
from .report import Sender
from .scratch import blob_path, one_line, result_path

# Covalent shows a result's string form, and no more of it than this.
STRING_LIMIT = 64 * 1024

# Files whose frames at a traceback's beginning are left out.
OWN_FILES = (__file__, electron_call.__file__)


def run_task(scratch: str, go: int, report: int, bucket: Bucket) -> int:
    """Wait for the task, run it, and report how it ended.

    Args:
        scratch: The private folder.
        go: Where a byte comes when the task is in the folder.
        report: Where the report is written.
        bucket: The task's bucket.

    Returns:
        The exit code. The process then ends as a script does: it waits for threads, runs exit
        handlers and flushes streams, while the supervisor has the report already.
    """
    folder = Path(scratch)
    sender = Sender(report, folder)
    # What a crash of native code was called from is in the task's output.
    faulthandler.enable()
    prefer_own_pip(folder)
    if not os.read(go, 1):
        return exit_codes.EXIT_START_FAILED
    outcome, _kept = outcome_of_task(folder, bucket)
    sender.send(outcome)
    return outcome.exit_code


def outcome_of_task(folder: Path, bucket: Bucket) -> tuple[messages.Outcome, Any]:
    """Run the task.

    Returns:
        How it ended, and what it returned or raised, which is to be kept until that is reported:
        a finalizer may do anything.
    """
    task = envelope.decode_task((folder / "task").read_bytes())
    try:
        prepare(task, folder, bucket)
        import_from_working_folder()
        result = call_task(task.call, folder)
        return messages.Outcome(messages.RETURNED, result=pack(result, task.call, folder)), result
    except BaseException as error:  # noqa: BLE001 - a task may raise anything, SystemExit too
        return explain(error, tracebacks.Source(task.name, task.source)), error


def import_from_working_folder() -> None:
    """Let the task import from the working folder, as ``python -c`` does.

    The job's command does not: what is there may bear the name of a module of the worker's.
    """
    if not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):
        sys.path.insert(0, "")


def prepare(task: messages.Task, folder: Path, bucket: Bucket) -> None:
    """Let what the task asks for be installed when it does, once for all that share it."""
    if task.environment:
        dependencies.environment = SharedEnvironment(bucket, task.environment, supervisor.log)

    def install(module: str, requirements: list[str]) -> None:
        if task.wheelhouse and module.startswith("covalent"):
            try:
                wheelhouse.install(bucket, task.wheelhouse, on_demand.pip_install)
                return
            except Exception as error:  # noqa: BLE001 - a convenience that must never fail a task
                supervisor.log(f"the server's packages were not used: {one_line(error)}")
        key = key_here(task.shared_prefix, requirements) if task.shared_prefix else None
        if key is None:
            on_demand.pip_install(requirements)
            return
        environment = SharedEnvironment(bucket, key, supervisor.log)
        environment.install(lambda: on_demand.pip_install(requirements))

    on_demand.activate(task, folder, install)


def prefer_own_pip(folder: Path) -> None:
    """Make ``pip`` mean that of this Python: Covalent's DepsPip calls whatever is on the PATH."""
    home = Path(sys.executable).parent
    if not (home / "pip").exists():
        home = folder / "bin"
        home.mkdir(exist_ok=True)
        pip = home / "pip"
        command = shlex.join([sys.executable, "-c", on_demand.PIP])
        pip.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        pip.chmod(0o700)
    os.environ["PATH"] = os.pathsep.join([str(home), os.environ.get("PATH", os.defpath)])


def load_plugins() -> None:
    """Load Covalent's executor plugins, as an ordinary ``import covalent`` would have."""
    executor = importlib.import_module("covalent.executor")
    manager = executor._executor_manager
    manager.generate_plugins_list()
    for plugin in manager.executor_plugins_map.values():
        setattr(executor, plugin.__name__, plugin)


def call_task(call: messages.Call, folder: Path) -> Any:
    """Make the call that the task describes."""
    if call.function.kind == "pickle":
        function, args, kwargs = cloudpickle.loads(content(call.function, folder))
        return function(*args, **kwargs)
    if is_sublattice_builder(call.function, folder):
        on_demand.check_covalent()
        load_plugins()
    return electron_call.run(call, lambda part: content(part, folder))


def is_sublattice_builder(function: messages.Part, folder: Path) -> bool:
    """Return whether a function is Covalent's own: a user's may bear the same name."""
    if function.header.get("attrs", {}).get("name") != messages.SUBLATTICE_BUILDER:
        return False
    return b"covalent._workflow.electron" in base64.b64decode(content(function, folder))


def pack(result: Any, call: messages.Call, folder: Path) -> messages.Part:
    """Return the result as a part; the content of a large one is left in ``folder``.

    Where that is not possible, the content goes through the report pipe.

    Raises:
        NotSerializable: It cannot be pickled.
    """
    if call.function.kind == "pickle":
        try:
            return _part(cloudpickle.dumps(result), folder, kind="pickle")
        except Exception as error:
            raise electron_call.NotSerializable from error
    packed = electron_call.pack(result)
    return _part(packed.content, folder, **describe(packed))


def _part(content: bytes, folder: Path, **description: Any) -> messages.Part:
    if len(content) > messages.INLINE_LIMIT and write_result(result_path(folder), content):
        return messages.Part(key="", size=len(content), **description)
    return messages.Part(data=content, size=len(content), **description)


def write_result(path: Path, content: bytes) -> bool:
    """Leave a large result in the scratch folder; return whether that was possible.

    The task may have emptied its temporary folder, set a umask or a limit, or become another user.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(content)
    except OSError:
        return False
    return True


def content(part: messages.Part, folder: Path) -> bytes:
    """Return a part's bytes."""
    if part.data is not None:
        return part.data
    return blob_path(folder, str(part.key)).read_bytes()


def describe(packed: electron_call.Packed) -> dict[str, Any]:
    """Return what describes a result without its content, all of it bounded."""
    attributes = {name: _text(value) for name, value in packed.header["attrs"].items()}
    header = {**packed.header, "attrs": attributes}
    return {"kind": "transportable", "header": header, "string": packed.string[:STRING_LIMIT]}


def _text(value: Any) -> str | None:
    """Return an attribute of the result as text: it may be any object, of any size."""
    return value[:STRING_LIMIT] if isinstance(value, str) else None


def explain(error: BaseException, source: tracebacks.Source) -> messages.Outcome:
    """Describe what the task raised, its traceback starting in the user's own code."""
    status, code, part = messages.RAISED, exit_codes.EXIT_RAISED, ""
    # isinstance would ask the exception itself, whose attributes are the task's.
    if issubclass(type(error), electron_call.NotSerializable):
        status, code = messages.NOT_SERIALIZABLE, exit_codes.EXIT_NOT_SERIALIZABLE
        error = error.__cause__ or error
    elif issubclass(type(error), electron_call.CannotUnpickle):
        code, part = exit_codes.EXIT_CANNOT_UNPICKLE, str(error)
        error = error.__cause__ or error
    if issubclass(type(error), on_demand.CannotInstall):
        status, code = messages.START_FAILED, exit_codes.EXIT_START_FAILED
    elif issubclass(type(error), on_demand.WrongCovalent):
        status, code = messages.START_FAILED, exit_codes.EXIT_CANNOT_UNPICKLE
    where = f" (while {part} of the task was being unpickled)" if part else ""
    return messages.Outcome(
        status,
        exit_code=code,
        error=one_line(error) + where,
        traceback=traceback_of(error, source),
    )


def traceback_of(error: BaseException, source: tracebacks.Source) -> str:
    """Return an exception's traceback; of one that refuses to be shown, what there is."""
    start = _user_frames(object.__getattribute__(error, "__traceback__"))
    try:
        return tracebacks.render(error, start, source) + output_of_command(error)
    except BaseException:  # noqa: BLE001 - its methods are the task's
        return tracebacks.bare(start) + one_line(error) + "\n"


def output_of_command(error: BaseException) -> str:
    """Return what a failed command wrote, such as Covalent's ``pip install``, which hides it."""
    if not issubclass(type(error), subprocess.CalledProcessError):
        return ""
    failed = cast("subprocess.CalledProcessError", error)
    streams = (failed.stdout, failed.stderr)
    texts = [s.decode("utf-8", "replace") if isinstance(s, bytes) else s for s in streams if s]
    return "".join(f"The command wrote:\n{text[-STRING_LIMIT:]}\n" for text in texts)


def _user_frames(trace: TracebackType | None) -> TracebackType | None:
    """Return where a traceback leaves our own modules; None where it does not, as of a pickle."""
    while trace is not None and trace.tb_frame.f_code.co_filename in OWN_FILES:
        trace = trace.tb_next
    return trace
