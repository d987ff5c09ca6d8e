"""The program in the job's container: fetch the task, run it, store how it ended.

Two processes. The parent fetches the task, passes on what the task writes while keeping a copy,
and stores the outcome; the child imports Covalent meanwhile, then runs the task. So a task that
is killed, calls ``os._exit`` or crashes in native code still leaves an outcome with its output,
and output is caught at file-descriptor level, native code and subprocesses included.

Only the standard library, boto3, cloudpickle and Covalent are used, and of this package only
``contract``: the two travel together, as an archive in the task's bucket.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import select
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from . import contract

if TYPE_CHECKING:
    from collections.abc import Callable

# Covalent shows a result's string form; nobody reads more of it than this.
STRING_LIMIT = 64 * 1024

# After the task's process has ended, how long its stray children may keep an output pipe silent
# before it is taken to be finished, in seconds.
SILENCE = 0.3


@dataclass(frozen=True)
class Job:
    """What the job's environment says.

    Attributes:
        bucket: The bucket of the task.
        owner: The account that owns it.
        key: The key of the task's envelope.
        job_id: The Batch job's id.
        attempt: The attempt's number, from 1.
    """

    bucket: str
    owner: str
    key: str
    job_id: str
    attempt: int


def read_job(environ: dict[str, str]) -> Job:
    """Read the job's environment."""
    return Job(
        bucket=environ[contract.ENV_BUCKET],
        owner=environ[contract.ENV_OWNER],
        key=environ[contract.ENV_TASK],
        job_id=environ[contract.ENV_JOB_ID],
        attempt=int(environ.get(contract.ENV_ATTEMPT, "1")),
    )


def say(message: str) -> None:
    """Write a line of our own to the container's log."""
    os.write(2, f"covalent-awsbatch: {message}\n".encode("utf-8", "replace"))


class Tee:
    """Passes a stream on to the container's log and keeps its beginning and end."""

    def __init__(self, source: int, sink: int, limit: int = contract.OUTPUT_LIMIT) -> None:
        self.source = source
        self.sink = sink
        self.half = limit // 2
        self.head = bytearray()
        self.tail = bytearray()
        self.left_out = 0
        self.task_ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while True:
            ready, _, _ = select.select([self.source], [], [], SILENCE)
            if not ready:
                if self.task_ended.is_set():
                    return
                continue
            data = os.read(self.source, 65536)
            if not data:
                return
            self._keep(data)
            _write_all(self.sink, data)

    def _keep(self, data: bytes) -> None:
        room = self.half - len(self.head)
        self.head += data[:room]
        self.tail += data[max(room, 0) :]
        # Trimmed seldom: at every read, a chatty task would have us copy the tail each time.
        if len(self.tail) > 2 * self.half:
            self._trim()

    def _trim(self) -> None:
        surplus = max(len(self.tail) - self.half, 0)
        self.left_out += surplus
        del self.tail[:surplus]

    def finish(self) -> str:
        """Return what was kept, once the stream has ended."""
        self.task_ended.set()
        self.thread.join()
        self._trim()
        head, tail = (bytes(part).decode("utf-8", "replace") for part in (self.head, self.tail))
        if not self.left_out:
            return bytes(self.head + self.tail).decode("utf-8", "replace")
        return f"{head}\n... {self.left_out} bytes left out; the job's log has them ...\n{tail}"


def _write_all(sink: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(sink, view) :]
        except OSError:
            return  # The log is gone; the copy that is kept still counts.


# ---- The parent: fetch, supervise, store


def main(scratch: str, client: Any, child: int, streams: tuple[int, int], go: int) -> int:
    """Run the job that the environment describes.

    Args:
        scratch: A private folder, removed at the end.
        client: A boto3 client of S3.
        child: The id of the process that is to run the task.
        streams: Where the child's stdout and stderr can be read.
        go: Where the child awaits a byte when its task is in the folder.

    Returns:
        The exit code, one of the contract's.
    """
    folder = Path(scratch)
    started = time.time()
    try:
        job = read_job(dict(os.environ))
    except (KeyError, ValueError) as error:
        say(f"the job's environment is incomplete ({error}): start it through the executor")
        return contract.EXIT_BAD_TASK
    try:
        return supervise(Bucket(client, job), job, folder, child, streams, go, started)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def supervise(
    bucket: Bucket,
    job: Job,
    folder: Path,
    child: int,
    streams: tuple[int, int],
    go: int,
    started: float,
) -> int:
    """Give the child its task, wait for its end, store the outcome."""
    signal.signal(signal.SIGTERM, lambda *_: _signal(child, signal.SIGTERM))
    stdout, stderr = Tee(streams[0], 1), Tee(streams[1], 2)
    try:
        task = fetch(bucket, job, folder)
    except Exception as error:  # noqa: BLE001 - whatever it is, the log must say it
        os.close(go)
        os.waitpid(child, 0)
        return _refuse(error, job)
    os.write(go, b"1")
    os.close(go)
    _, status = os.waitpid(child, 0)
    ended = time.time()
    report = read_report(folder, status)
    outcome = contract.Outcome(
        status=report["status"],
        attempt=job.attempt,
        exit_code=report["exit_code"],
        error=report["error"],
        traceback=report["traceback"],
        started=started,
        ended=ended,
        peak_memory=resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024,
        python=sys.version.split()[0],
        stdout=stdout.finish(),
        stderr=stderr.finish(),
    )
    try:
        store(bucket, job, task, outcome, report, folder)
    except Exception as error:  # noqa: BLE001 - whatever it is, the log must say it
        say(f"the outcome could not be stored: {_one_line(error)}")
        return contract.EXIT_NO_PERMISSION if _is_denied(error) else contract.EXIT_START_FAILED
    return outcome.exit_code


def _signal(process: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


def _refuse(error: Exception, job: Job) -> int:
    say(f"the task could not be read from s3://{job.bucket}/{job.key}: {_one_line(error)}")
    if _is_denied(error):
        return contract.EXIT_NO_PERMISSION
    if isinstance(error, contract.BadEnvelope):
        return contract.EXIT_BAD_TASK
    return contract.EXIT_START_FAILED


def _is_denied(error: Exception) -> bool:
    response = getattr(error, "response", None) or {}
    return response.get("Error", {}).get("Code") in ("AccessDenied", "403", "Forbidden")


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".replace("\n", " ")[:2000]


class Bucket:
    """The task's bucket."""

    def __init__(self, client: Any, job: Job) -> None:
        self.client = client
        self.where = {"Bucket": job.bucket, "ExpectedBucketOwner": job.owner}

    def get(self, key: str) -> bytes:
        """Return a small object."""
        content: bytes = self.client.get_object(Key=key, **self.where)["Body"].read()
        return content

    def put_once(self, key: str, content: bytes) -> None:
        """Store an object unless it exists: a host's late zombie must not overwrite."""
        try:
            self.client.put_object(Key=key, Body=content, IfNoneMatch="*", **self.where)
        except self.client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] not in ("PreconditionFailed", "412"):
                raise

    def download(self, key: str, path: Path) -> None:
        """Fetch a large object, in parallel parts."""
        owner = {"ExpectedBucketOwner": self.where["ExpectedBucketOwner"]}
        self.client.download_file(self.where["Bucket"], key, str(path), ExtraArgs=owner)

    def upload(self, path: Path, key: str) -> None:
        """Store a large file, in parallel parts."""
        owner = {"ExpectedBucketOwner": self.where["ExpectedBucketOwner"]}
        self.client.upload_file(str(path), self.where["Bucket"], key, ExtraArgs=owner)


def fetch(bucket: Bucket, job: Job, folder: Path) -> contract.Task:
    """Bring the task and its large parts into ``folder``, where the child looks for them."""
    envelope = bucket.get(job.key)
    task = contract.decode_task(envelope)
    for part in parts_of(task.call):
        if part.key and not (path := blob_path(folder, part.key)).exists():
            bucket.download(part.key, path)
    (folder / "task").write_bytes(envelope)
    return task


def parts_of(call: contract.Call) -> list[contract.Part]:
    """Return every part of a call."""
    hooks = [part for hook in (*call.before, *call.after) for part in hook[:3]]
    return [call.function, *call.args, *call.kwargs.values(), *hooks]


def blob_path(folder: Path, key: str) -> Path:
    """Return where an object with a digest for a name lies in ``folder``."""
    return folder / f"blob-{contract.safe_name(key.rsplit('/', 1)[-1])}"


def read_report(folder: Path, wait_status: int) -> dict[str, Any]:
    """Return what the child reported, or what its end says where it could not."""
    path = folder / "report"
    if path.exists():
        report: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return report
    if os.WIFSIGNALED(wait_status):
        number = os.WTERMSIG(wait_status)
        error = f"It was ended by {signal.Signals(number).name}"
        return _report(contract.KILLED, 128 + number, error)
    code = os.WEXITSTATUS(wait_status)
    error = f"It ended itself with exit code {code}, without a result"
    return _report(contract.KILLED, code or 1, error)


def store(
    bucket: Bucket,
    job: Job,
    task: contract.Task,
    outcome: contract.Outcome,
    report: dict[str, Any],
    folder: Path,
) -> None:
    """Store the outcome; a large result goes first, into an object of its own."""
    described = report.get("result")
    if described:
        path = folder / "result"
        size = path.stat().st_size
        if size > contract.INLINE_LIMIT:
            key = contract.result_key(task.outcome_prefix, job.job_id, job.attempt)
            bucket.upload(path, key)
            part = contract.Part(key=key, size=size, **described)
        else:
            part = contract.Part(data=path.read_bytes(), size=size, **described)
        outcome = contract.Outcome(**{**vars(outcome), "result": part})
    key = contract.outcome_key(task.outcome_prefix, job.job_id, job.attempt)
    bucket.put_once(key, contract.encode_outcome(outcome))


# ---- The child: run


def _report(status: str, exit_code: int, error: str = "", trace: str = "") -> dict[str, Any]:
    return {"status": status, "exit_code": exit_code, "error": error, "traceback": trace}


def run_task(scratch: str, go: int) -> int:
    """Import Covalent, wait for the task, run it, and leave a report in ``scratch``."""
    folder = Path(scratch)
    prefer_own_pip(folder)
    try:
        wrapper, transportable = import_covalent()
    except Exception as error:  # noqa: BLE001 - a broken image raises anything
        trace = traceback.format_exc()
        message = f"this image cannot import Covalent: {_one_line(error)}"
        return _leave(
            folder, _report(contract.START_FAILED, contract.EXIT_START_FAILED, message, trace)
        )
    if not os.read(go, 1):
        return contract.EXIT_START_FAILED
    task = contract.decode_task((folder / "task").read_bytes())
    try:
        result = call_task(task.call, folder, wrapper, transportable)
        described = write_result(result, folder, transportable)
    except BaseException as error:  # noqa: BLE001 - a task may raise anything, SystemExit too
        return _leave(folder, explain(error))
    return _leave(folder, {**_report(contract.RETURNED, 0), "result": described})


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


def call_task(
    call: contract.Call, folder: Path, wrapper: Callable[..., Any], transportable: Any
) -> Any:
    """Make the call that the task describes."""
    if call.function.kind == "pickle":
        import cloudpickle

        function, args, kwargs = cloudpickle.loads(content(call.function, folder))
        return function(*args, **kwargs)

    def load(part: contract.Part) -> Any:
        return restore(part, folder, transportable)

    if call.function.header.get("attrs", {}).get("name") == "_build_sublattice_graph":
        load_plugins()
    before = [(load(f), load(a), load(k), key) for f, a, k, key in call.before]
    after = [(load(f), load(a), load(k), key) for f, a, k, key in call.after]
    args = [load(part) for part in call.args]
    kwargs = {name: load(part) for name, part in call.kwargs.items()}
    return wrapper(load(call.function), before, after, *args, **kwargs)


def content(part: contract.Part, folder: Path) -> bytes:
    """Return a part's bytes."""
    if part.data is not None:
        return part.data
    return blob_path(folder, str(part.key)).read_bytes()


def restore(part: contract.Part, folder: Path, transportable: Any) -> Any:
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
        raise NotSerializable(_one_line(error)) from error
    return {"kind": "pickle"}


def describe(result: Any) -> dict[str, Any]:
    """Return what describes a TransportableObject without its content."""
    string = result.object_string[:STRING_LIMIT]
    return {"kind": "transportable", "header": result.header, "string": string}


class NotSerializable(Exception):
    """The result cannot be pickled."""


def explain(error: BaseException) -> dict[str, Any]:
    """Describe what the task raised, its traceback starting in the user's own code."""
    frames = _user_frames(error.__traceback__)
    trace = "".join(traceback.format_exception(type(error), error, frames)) + said(error)
    if isinstance(error, NotSerializable) or _raised_while_pickling(error):
        return _report(
            contract.NOT_SERIALIZABLE, contract.EXIT_NOT_SERIALIZABLE, _one_line(error), trace
        )
    return _report(contract.RAISED, contract.EXIT_RAISED, _one_line(error), trace)


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
