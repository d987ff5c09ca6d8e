"""The parent: fetch the task, supervise the child that runs it, store the outcome."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..protocol import env_names, envelope, exit_codes, messages, s3_keys
from ..protocol.summary import Summary, format_summary
from .bucket import Bucket, is_denied
from .output import Tee
from .scratch import blob_path, make_report, one_line


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
        bucket=environ[env_names.ENV_BUCKET],
        owner=environ[env_names.ENV_OWNER],
        key=environ[env_names.ENV_TASK],
        job_id=environ[env_names.ENV_JOB_ID],
        attempt=int(environ.get(env_names.ENV_ATTEMPT, "1")),
    )


def say(message: str) -> None:
    """Write a line of our own to the container's log."""
    os.write(2, f"covalent-awsbatch: {message}\n".encode("utf-8", "replace"))


def main(scratch: str, bucket: Bucket, child: int, streams: tuple[int, int], go: int) -> int:
    """Run the job that the environment describes.

    Args:
        scratch: A private folder, removed at the end.
        bucket: The task's bucket.
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
        return exit_codes.EXIT_BAD_TASK
    try:
        return supervise(bucket, job, folder, child, streams, go, started)
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
    # The usage of this process and its own: an installation before it does not count.
    _, status, usage = os.wait4(child, 0)
    ended = time.time()
    report = read_report(folder, status)
    outcome = messages.Outcome(
        status=report["status"],
        attempt=job.attempt,
        exit_code=report["exit_code"],
        error=report["error"],
        traceback=report["traceback"],
        started=started,
        ended=ended,
        peak_memory=usage.ru_maxrss * 1024,
        python=sys.version.split()[0],
        stdout=stdout.finish(),
        stderr=stderr.finish(),
    )
    log_summary(outcome, usage.ru_utime + usage.ru_stime)
    try:
        store(bucket, job, task, outcome, report, folder)
    except Exception as error:  # noqa: BLE001 - whatever it is, the log must say it
        say(f"the outcome could not be stored: {one_line(error)}")
        return exit_codes.EXIT_NO_PERMISSION if is_denied(error) else exit_codes.EXIT_START_FAILED
    return outcome.exit_code


def log_summary(outcome: messages.Outcome, cpu_seconds: float) -> None:
    """End the log with how the attempt ended and what it used, which outlives the outcome."""
    summary = Summary(
        status=outcome.status,
        attempt=outcome.attempt,
        seconds=outcome.ended - outcome.started,
        cpu_seconds=cpu_seconds,
        peak_memory=outcome.peak_memory,
        error=outcome.error,
    )
    os.write(2, f"{format_summary(summary)}\n".encode("utf-8", "replace"))


def _signal(process: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


def _refuse(error: Exception, job: Job) -> int:
    say(f"the task could not be read from s3://{job.bucket}/{job.key}: {one_line(error)}")
    if is_denied(error):
        return exit_codes.EXIT_NO_PERMISSION
    if isinstance(error, envelope.BadEnvelope):
        return exit_codes.EXIT_BAD_TASK
    return exit_codes.EXIT_START_FAILED


def fetch(bucket: Bucket, job: Job, folder: Path) -> messages.Task:
    """Bring the task and its large parts into ``folder``, where the child looks for them."""
    content = bucket.get(job.key)
    task = envelope.decode_task(content)
    for part in parts_of(task.call):
        if part.key and not (path := blob_path(folder, part.key)).exists():
            bucket.download(part.key, path)
    (folder / "task").write_bytes(content)
    return task


def parts_of(call: messages.Call) -> list[messages.Part]:
    """Return every part of a call."""
    hooks = [part for hook in (*call.before, *call.after) for part in hook[:3]]
    return [call.function, *call.args, *call.kwargs.values(), *hooks]


def read_report(folder: Path, wait_status: int) -> dict[str, Any]:
    """Return what the child reported, or what its end says where it could not."""
    path = folder / "report"
    if path.exists():
        report: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return report
    if os.WIFSIGNALED(wait_status):
        number = os.WTERMSIG(wait_status)
        error = f"It was ended by {signal.Signals(number).name}"
        return make_report(messages.KILLED, 128 + number, error)
    code = os.WEXITSTATUS(wait_status)
    error = f"It ended itself with exit code {code}, without a result"
    return make_report(messages.KILLED, code or 1, error)


def store(
    bucket: Bucket,
    job: Job,
    task: messages.Task,
    outcome: messages.Outcome,
    report: dict[str, Any],
    folder: Path,
) -> None:
    """Store the outcome; a large result goes first, into an object of its own."""
    described = report.get("result")
    if described:
        path = folder / "result"
        size = path.stat().st_size
        if size > messages.INLINE_LIMIT:
            key = s3_keys.result_key(task.outcome_prefix, job.job_id, job.attempt)
            bucket.upload(path, key)
            part = messages.Part(key=key, size=size, **described)
        else:
            part = messages.Part(data=path.read_bytes(), size=size, **described)
        outcome = messages.Outcome(**{**vars(outcome), "result": part})
    key = s3_keys.outcome_key(task.outcome_prefix, job.job_id, job.attempt)
    bucket.put_once(key, envelope.encode_outcome(outcome))
