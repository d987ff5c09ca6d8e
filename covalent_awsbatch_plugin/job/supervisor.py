"""The supervisor: fetch the task, watch the process that runs it, store the outcome."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from ..protocol import env_names, envelope, exit_codes, messages, s3_keys
from ..protocol.summary import Summary, format_summary
from . import memory
from .bucket import Bucket, is_denied
from .descendants import Descendants
from .output import Tee, write_text
from .report import Receiver
from .scratch import blob_path, one_line, result_path
from .watch import Terminated, Watch


@dataclass(frozen=True)
class Job:
    """What the job's environment holds.

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


def log(message: str) -> None:
    """Write a line of our own to the container's log."""
    write_text(2, f"covalent-awsbatch: {message}\n")


@dataclass(frozen=True)
class Pipes:
    """The supervisor's ends of the pipes between it and the task process.

    Attributes:
        stdout: Where the task's standard output can be read.
        stderr: Where its standard error can be read.
        report: Where its report can be read.
        go: Where it awaits a byte when its task is in the scratch folder.
    """

    stdout: int
    stderr: int
    report: int
    go: int


def main(scratch: str, bucket: Bucket, child: int, pipes: Pipes) -> int:
    """Run the job that the environment describes.

    Args:
        scratch: A private folder, removed at the end.
        bucket: The task's bucket.
        child: The id of the process that is to run the task.
        pipes: The pipes between the two processes.

    Returns:
        The exit code, one of the contract's.
    """
    folder = Path(scratch)
    try:
        job = read_job(dict(os.environ))
    except (KeyError, ValueError) as error:
        log(f"The job's environment is incomplete ({error}): start it through the executor.")
        return exit_codes.EXIT_BAD_TASK
    try:
        return Supervisor(bucket, job, folder, child, pipes).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Supervisor:
    """Gives the task process its task, waits for its end, and stores the outcome."""

    def __init__(self, bucket: Bucket, job: Job, folder: Path, child: int, pipes: Pipes) -> None:
        self._bucket = bucket
        self._job = job
        self._folder = folder
        self._child = child
        self._go = pipes.go
        self._started = time.time()
        self._receiver = Receiver(pipes.report, folder)
        self._watch = Watch(child, self._receiver)
        self._stdout, self._stderr = Tee(pipes.stdout, 1), Tee(pipes.stderr, 2)
        self._descendants = Descendants(f"{env_names.ENV_JOB_ID}={job.job_id}")
        self._memory_kills = memory.kills()

    def run(self) -> int:
        """Run the task; return the job's exit code."""
        try:
            task = fetch(self._bucket, self._job, self._folder)
            self._watch.start(self._go)
        except Terminated:
            log("The job was ended (SIGTERM) before its task had started.")
            return self._give_up(128 + signal.SIGTERM)
        except Exception as error:  # noqa: BLE001 - whatever it is, the log must name it
            return self._give_up(_refused(error, self._job))
        outcome = self._conclude(self._watch.wait())
        try:
            store(self._bucket, self._job, task, outcome, self._folder)
        except Exception as error:  # noqa: BLE001 - whatever it is, the log must name it
            log(f"The task ran, but its outcome could not be stored: {one_line(error)}")
            return (
                exit_codes.EXIT_NO_PERMISSION if is_denied(error) else exit_codes.EXIT_NOT_STORED
            )
        if outcome.status == messages.KILLED:
            return exit_codes.of_job(outcome.exit_code)
        return outcome.exit_code

    def _give_up(self, code: int) -> int:
        os.kill(self._child, signal.SIGKILL)
        os.waitpid(self._child, 0)
        return code

    def _conclude(self, wait_status: int) -> messages.Outcome:
        """Return the outcome, when all that the task has started and written is done with."""
        reported = self._receiver.outcome() or outcome_without_report(wait_status)
        notes = self._notes()
        stdout, stderr = self._stdout.finish(), self._stderr.finish()
        outcome = dataclasses.replace(
            reported,
            attempt=self._job.attempt,
            started=self._started,
            ended=self._watch.ended,
            peak_memory=self._watch.peak_memory,
            out_of_memory=reported.exit_code == KILLED_CODE and self._killed_for_memory(),
            python=sys.version.split()[0],
            stdout=stdout,
            stderr=stderr + "".join(f"covalent-awsbatch: {note}\n" for note in notes),
        )
        write_text(2, outcome.traceback)
        for note in notes:
            log(note)
        log_summary(outcome, self._watch.cpu_seconds)
        return outcome

    def _notes(self) -> list[str]:
        """End what the task has left running; return what the user is to know."""
        notes = list(self._watch.notes)
        if names := self._descendants.end():
            what = "a process" if len(names) == 1 else f"{len(names)} processes"
            notes.append(f"The task left {what} running, now killed: {', '.join(names)[:500]}.")
        if self._killed_for_memory():
            notes.append(
                "The job reached its memory limit, and the kernel killed a process of it."
            )
        return notes

    def _killed_for_memory(self) -> bool:
        return memory.kills() > self._memory_kills


# A process that SIGKILL ended.
KILLED_CODE = 128 + signal.SIGKILL


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
    write_text(2, f"{format_summary(summary)}\n")


def _refused(error: Exception, job: Job) -> int:
    log(f"The task could not be read from s3://{job.bucket}/{job.key}: {one_line(error)}")
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


def outcome_without_report(wait_status: int) -> messages.Outcome:
    """Return what follows from the end of a process that has reported nothing."""
    if os.WIFSIGNALED(wait_status):
        number = os.WTERMSIG(wait_status)
        error = f"It was ended by {_signal_name(number)}"
        return messages.Outcome(messages.KILLED, exit_code=128 + number, error=error)
    code = os.WEXITSTATUS(wait_status)
    error = f"It ended itself with exit code {code}, without a result"
    return messages.Outcome(messages.KILLED, exit_code=code or 1, error=error)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def store(
    bucket: Bucket, job: Job, task: messages.Task, outcome: messages.Outcome, folder: Path
) -> None:
    """Store the outcome; a large result goes first, into an object of its own."""
    result, path = outcome.result, result_path(folder)
    if result is not None and result.size > messages.INLINE_LIMIT:
        if result.data is not None:
            # The task process could not leave it there.
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_bytes(result.data)
        key = s3_keys.result_key(job.key, job.job_id, job.attempt)
        bucket.upload(path, key)
        stored = dataclasses.replace(result, data=None, key=key)
        outcome = dataclasses.replace(outcome, result=stored)
    key = s3_keys.outcome_key(task.outcome_prefix, job.job_id, job.attempt)
    bucket.put_once(key, envelope.encode_outcome(outcome))
