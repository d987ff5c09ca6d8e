"""One attempt of a job: its log, its time limit, and how it ended."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..faults.injection import Faults
from ..runners.runner import AttemptExit, AttemptNotStarted, Runner, RunningAttempt
from ..services import moto_backend
from ..services.moto_capacity import environments, set_desired_vcpus, time_limits
from .attempt_faults import NEVER_RUN, FaultyAttempt, faults_of, reported_end
from .capacity import NO_TYPE, Hold, hold
from .records import Job, now
from .retries import EXITED, NOT_STARTED, TOOK_TOO_LONG, AttemptEnd
from .scheduler import Started
from .task_credentials import TaskCredentials

NO_LOG_GROUP = (
    "CannotStartContainerError: Error response from daemon: failed to create task for container: "
    "failed to initialize logging driver: failed to create Cloudwatch log stream: "
    "ResourceNotFoundException: The specified log group does not exist."
)

CANNOT_ASSUME = (
    "ECS was unable to assume the role '{role}' that was provided for this task. Please verify "
    "that the role being passed has the proper trust relationship and permissions and that your "
    "IAM user has permissions to pass this role."
)

# CloudWatch takes no larger event; Docker's driver cuts lines there.
EVENT_BYTES = 256 * 1024

# Attempts that outlive their end get this many seconds between SIGTERM and SIGKILL.
CLOSING_GRACE = 1.0


@dataclass
class Attempts:
    """How attempts are run.

    Attributes:
        runner: What runs them.
        environment: Variables that a job finds where it runs.
        credentials: Gives jobs the credentials of their roles.
        grace: Seconds from SIGTERM to SIGKILL.
        time_scale: What a second of a job's time limit takes, in seconds.
        faults: What goes wrong on purpose.
    """

    runner: Runner
    environment: Mapping[str, str]
    credentials: TaskCredentials
    grace: float
    time_scale: float
    faults: Faults

    def __post_init__(self) -> None:
        self._faulty: list[FaultyAttempt] = []

    def hold_back(self, job: Job) -> Hold | None:
        """Prepare a job's next attempt; return why it cannot start, if it cannot."""
        found = self._hold(job)
        if found is None:
            return None
        limit = time_limits(job.region, job.queue_arn).get(found.code)
        return found if limit is None else replace(found, limit=limit * self.time_scale)

    def _hold(self, job: Job) -> Hold | None:
        if job.faults_of != job.number + 1:
            tags = moto_backend.tags(job.region, job.arn)
            job.faults, job.faults_of = faults_of(job, tags, self.faults), job.number + 1
        for fault in job.faults:
            if fault.kind == "stuck":
                return Hold(NO_TYPE)
            if fault.kind == "scaling_up" and not job.scaled_up:
                job.scaled_up = True
                return Hold(NO_TYPE, fault.after)
        return hold(job.asked(), environments(job.region, job.queue_arn))

    def report_use(self, job: Job, used: int, is_full: bool) -> None:
        """Have a job's queue report the vCPUs in use, after a job started or ended."""
        set_desired_vcpus(job.region, job.queue_arn, used, is_full)

    def run(self, job: Job, started: Started) -> AttemptEnd:
        """Run a job's current attempt to its end."""
        for fault in job.faults:
            if fault.kind in NEVER_RUN:
                job.vanished = fault.kind == "vanished_dead"
                return reported_end(fault, job)
        for role in job.roles():
            if not moto_backend.role_trusts_ecs(role):
                return AttemptEnd(None, CANNOT_ASSUME.format(role=role))
        try:
            return self._start(job, started)
        except AttemptNotStarted as error:
            return AttemptEnd(None, NOT_STARTED, str(error))

    def _start(self, job: Job, started: Started) -> AttemptEnd:
        log = Log.open(job)
        environment = {**self.environment, **self.credentials.give(job)}
        running = self.runner.start(job.attempt_spec(environment), log.write)
        return self._see_through(job, self._inject(job, running), log, started)

    def _inject(self, job: Job, running: RunningAttempt) -> RunningAttempt:
        for fault in job.faults:
            if fault.kind not in ("no_log", "scaling_up"):
                faulty = FaultyAttempt(running, fault, job)
                self._faulty.append(faulty)
                return faulty
        return running

    def _see_through(
        self, job: Job, running: RunningAttempt, log: Log, started: Started
    ) -> AttemptEnd:
        started(running, log.stream)
        limit = Limit(running, job.timeout * self.time_scale, self.grace)
        exit_ = running.wait()
        too_long = limit.settle()
        if isinstance(running, FaultyAttempt) and running.reported is not None:
            return running.reported
        return ended(exit_, too_long)

    def close(self) -> None:
        """End what goes on after its attempt has ended."""
        for faulty in self._faulty:
            faulty.end(CLOSING_GRACE)


def ended(exit_: AttemptExit, too_long: bool) -> AttemptEnd:
    """Return what Batch reports of an attempt that was started."""
    reason = TOOK_TOO_LONG if too_long else EXITED
    return AttemptEnd(exit_.exit_code, reason, exit_.reason, final=too_long)


class Limit:
    """The time limit of an attempt."""

    def __init__(self, running: RunningAttempt, seconds: float, grace: float) -> None:
        self._running, self._grace = running, grace
        self._exceeded = False
        self._timer = threading.Timer(seconds, self._exceed) if seconds else None
        if self._timer:
            self._timer.daemon = True
            self._timer.start()

    def _exceed(self) -> None:
        self._exceeded = True
        self._running.stop(self._grace)

    def settle(self) -> bool:
        """Stop watching; return whether the attempt took too long."""
        if self._timer:
            self._timer.cancel()
        return self._exceeded


@dataclass(frozen=True)
class Log:
    """The log stream of an attempt, filled while it runs."""

    job: Job
    group: str
    stream: str

    @classmethod
    def open(cls, job: Job) -> Log:
        """Make the log stream of a job's current attempt.

        Raises:
            AttemptNotStarted: There is no such log group, and the log's mode is blocking. With
                the default mode the stream is opened in the background, and what is written
                without one is lost.
        """
        group, stream, create = job.log_place()
        log = cls(job, group, stream)
        if any(fault.kind == "no_log" for fault in job.faults):
            # Nothing is written where no stream is.
            return log
        opened = moto_backend.open_log(job.region, group, stream, create)
        if not opened and job.log_is_blocking:
            raise AttemptNotStarted(NO_LOG_GROUP)
        return log

    def write(self, line: bytes) -> None:
        """Add a line, in as many events as it takes. CloudWatch takes no empty ones."""
        moment = now()
        for start in range(0, len(line), EVENT_BYTES):
            text = line[start : start + EVENT_BYTES].decode("utf-8", "replace")
            moto_backend.write_log(self.job.region, self.group, self.stream, moment, text)
