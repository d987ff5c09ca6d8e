"""How a job ends whose time is over.

A script is a function of the job and the fake that decides how the attempt ended, having done
to S3 what the container would have done. It may be a coroutine. None leaves the job running.

``played`` (the default) stores a prepared result without running anything; ``run_here`` runs the
task's function in a thread of this process; ``run_process`` starts the job's real command. A
test's own script may call them::

    def lost_after_storing(job, aws):
        played(job, aws)
        return JobEnd(None, status_reason="Host EC2 (instance i-0) terminated.")
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import io
import os
import pickle
import platform
import signal
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import cloudpickle

from covalent_awsbatch_plugin.local.tracking.resource_tracker import temporary_folder
from covalent_awsbatch_plugin.protocol import env_names, envelope, exit_codes, messages, s3_keys
from tests.fake_aws import release042
from tests.fake_aws.jobs import Job, JobEnd

if TYPE_CHECKING:
    from tests.fake_aws.aws import FakeAws

Script = Callable[[Job, "FakeAws"], "JobEnd | Awaitable[JobEnd | None] | None"]


def played(job: Job, aws: FakeAws) -> JobEnd:
    """End as a task that returned None (or ``aws.result_size`` bytes) and printed nothing."""
    if release042.FUNCTION in job.environment:
        release042.play(job, aws.s3, prepared(aws.result_size))
        return JobEnd()
    return store(job, aws, messages.Outcome(messages.RETURNED), prepared(aws.result_size))


def task_of(job: Job, aws: FakeAws) -> messages.Task:
    """Return the task's envelope, read as the worker reads it."""
    variables = job.environment
    content = aws.s3.get(variables[env_names.ENV_BUCKET], variables[env_names.ENV_TASK])
    return envelope.decode_task(content)


def store(
    job: Job, aws: FakeAws, outcome: messages.Outcome, result: messages.Part | None = None
) -> JobEnd:
    """Store an outcome as the worker does, and end with its exit code."""
    bucket, prefix = job.environment[env_names.ENV_BUCKET], task_of(job, aws).outcome_prefix
    if result is not None and result.data is not None and result.size > messages.INLINE_LIMIT:
        task_key = job.environment[env_names.ENV_TASK]
        key = s3_keys.result_key(task_key, job.id, job.attempt)
        aws.s3.put(bucket, key, result.data)
        result = messages.Part(result.kind, None, key, result.size, result.header, result.string)
    now = time.time()
    stored = messages.Outcome(
        **{
            **vars(outcome),
            "attempt": job.attempt,
            "started": job.started_at or now,
            "ended": now,
            "python": platform.python_version(),
            "result": result,
        }
    )
    key = s3_keys.outcome_key(prefix, job.id, job.attempt)
    aws.s3.put(bucket, key, envelope.encode_outcome(stored))
    return JobEnd(outcome.exit_code)


@functools.lru_cache(maxsize=4)
def prepared(size: int) -> messages.Part:
    """Return a result: None, or an object of ``size`` bytes whose string form is short."""
    value = io.BytesIO(os.urandom(1 << 20) * (size >> 20)) if size else None
    return transportable(value)


def transportable(value: Any) -> messages.Part:
    """Return what Covalent's TransportableObject keeps of a value, as a part."""
    data = base64.b64encode(cloudpickle.dumps(value))
    header = {
        "py_version": platform.python_version(),
        "cloudpickle_version": cloudpickle.__version__,
        "attrs": {"doc": value.__doc__ or "", "name": getattr(value, "__name__", "")},
    }
    return messages.Part("transportable", data, None, len(data), header, str(value))


async def run_here(job: Job, aws: FakeAws) -> JobEnd:
    """Unpickle the task's function and run it in a thread of this process.

    For small pure functions; what it prints is kept only where one task runs at a time.
    """
    return await asyncio.to_thread(_run, job, aws)


def _run(job: Job, aws: FakeAws) -> JobEnd:
    stdout, stderr = io.StringIO(), io.StringIO()
    status, code, error, trace, result = messages.RETURNED, 0, "", "", None
    with redirect_stdout(stdout), redirect_stderr(stderr):
        try:
            result = _call(job, aws)
        except Exception as raised:  # noqa: BLE001 - whatever the task raises is its outcome
            status, code = messages.RAISED, exit_codes.EXIT_RAISED
            error = f"{type(raised).__name__}: {raised}"
            trace = traceback.format_exc()
    outcome = messages.Outcome(
        status,
        exit_code=code,
        error=error,
        traceback=trace,
        stdout=stdout.getvalue(),
        stderr=stderr.getvalue(),
    )
    return store(job, aws, outcome, result)


def _call(job: Job, aws: FakeAws) -> messages.Part:
    """Make the task's call and return its result."""
    call = task_of(job, aws).call
    load = functools.partial(_load, job, aws)
    if call.function.kind == "pickle":
        function, args, kwargs = load(call.function)
        return _pickled(function(*args, **kwargs))
    for hook in call.before:
        _hook(load, hook)
    function = load(call.function)
    kwargs = {name: load(part) for name, part in call.kwargs.items()}
    result = transportable(function(*map(load, call.args), **kwargs))
    for hook in call.after:
        _hook(load, hook)
    return result


def _hook(load: Callable[[messages.Part], Any], hook: tuple[Any, ...]) -> None:
    function, args, kwargs = map(load, hook[:3])
    function(*args, **kwargs)


def _load(job: Job, aws: FakeAws, part: messages.Part) -> Any:
    data = part.data
    if data is None:
        data = aws.s3.get(job.environment[env_names.ENV_BUCKET], part.key or "")
    return pickle.loads(base64.b64decode(data) if part.kind == "transportable" else data)


def _pickled(value: Any) -> messages.Part:
    data = cloudpickle.dumps(value)
    return messages.Part("pickle", data, size=len(data))


async def run_process(
    job: Job, aws: FakeAws, files: Mapping[str, str] = MappingProxyType({})
) -> JobEnd:
    """Start the job's real command as a process that reaches this fake.

    Args:
        job: The job.
        aws: This fake.
        files: The texts of files in its working folder, by name.
    """
    with temporary_folder("fake-job-", processes=True) as home:
        for name, text in files.items():
            (Path(home) / name).write_text(text)
        process = await asyncio.create_subprocess_exec(
            *job.container["command"],
            env=_process_environment(job, aws, str(home)),
            cwd=home,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            output, _ = await process.communicate()
        finally:
            # What the command left running ends with it, as in a container.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            # Also where the fake ends meanwhile: its event loop must not close before.
            await process.wait()
    lines = tuple(output.decode(errors="replace").splitlines())
    return JobEnd(process.returncode, log=lines)


def _process_environment(job: Job, aws: FakeAws, home: str) -> dict[str, str]:
    return {
        "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")]),
        "HOME": home,
        "TMPDIR": home,
        **aws.credentials_of(job),
        "AWS_ENDPOINT_URL": aws.endpoint_url,
        "FAKE_AWS_STARTED": repr(time.time()),
        **job.environment,
    }
