"""Runs jobs: as many attempts at once as there are slots; the others wait in RUNNABLE."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

from ..runners.runner import RunningAttempt
from .capacity import Hold
from .held_jobs import HeldJobs
from .records import FAILED, PENDING, RUNNABLE, SUCCEEDED, WAITING, Job
from .retries import AttemptEnd, is_retried

Started = Callable[[RunningAttempt, str], None]

# Closing asks attempts to end, and waits for them, for this many seconds.
CLOSING_GRACE = 2.0
CLOSING_LIMIT = 10.0


class RunsAttempts(Protocol):
    """What the scheduler asks of attempts."""

    def hold_back(self, job: Job) -> Hold | None:
        """Prepare a job's next attempt; return why it cannot start, if it cannot."""

    def run(self, job: Job, started: Started) -> AttemptEnd:
        """Run a job's current attempt to its end; ``started`` is called when it was started."""

    def report_use(self, job: Job, used: int, is_full: bool) -> None:
        """Have a job's queue report the vCPUs in use, after a job started or ended."""

    def close(self) -> None:
        """End what goes on after its attempt has ended."""


class Scheduler:
    """Starts waiting jobs in their order, and ends jobs.

    Attributes:
        lock: Held while jobs are read or changed.
    """

    def __init__(self, attempts: RunsAttempts, slots: int, grace: float) -> None:
        """Make a scheduler.

        Args:
            attempts: Runs attempts, each in a thread of its own.
            slots: How many attempts run at once.
            grace: Seconds from SIGTERM to SIGKILL.
        """
        self.lock = threading.RLock()
        self._attempts = attempts
        self._slots = slots
        self._grace = grace
        self._waiting: deque[Job] = deque()
        self._held = HeldJobs(self._release, self._cancel_waiting)
        self._pending: list[Job] = []
        self._running: dict[threading.Thread, Job] = {}
        self._closed = False

    def submit(self, job: Job) -> None:
        """Take a job."""
        with self.lock:
            job.status = PENDING
            self._pending.append(job)
            self._look_at_pending()
            self._fill()

    def terminate(self, job: Job, reason: str, cancel: bool = False) -> None:
        """End a job; a cancellation ends only one that has not started.

        A running job stays RUNNING until it has ended.
        """
        with self.lock:
            if job.finished or (cancel and job.status not in WAITING):
                return
            job.termination, job.cancelled = reason, cancel
            if job.status in WAITING:
                self._held.forget(job)
                job.settle(FAILED, reason)
                self._look_at_pending()
            elif job.running is not None:
                job.running.stop(self._grace)

    def close(self) -> None:
        """End all jobs and wait until their attempts have ended."""
        with self.lock:
            self._closed = True
            self._held.close()
            threads = list(self._running)
            for job in self._running.values():
                job.termination = job.termination or "The local AWS stops"
                if job.running is not None:
                    job.running.stop(CLOSING_GRACE)
        for thread in threads:
            thread.join(CLOSING_LIMIT)
        self._attempts.close()

    def _look_at_pending(self) -> None:
        """Let jobs go on whose dependencies have ended."""
        pending, self._pending = self._pending, []
        failed = False
        for job in pending:
            states = {dependency.status for dependency in job.depends_on}
            if job.status != PENDING:
                continue
            if FAILED in states:
                job.settle(FAILED, "Dependent Job failed")
                failed = True
            elif states <= {SUCCEEDED}:
                job.status = RUNNABLE
                self._waiting.append(job)
            else:
                self._pending.append(job)
        if failed:
            self._look_at_pending()

    def _fill(self) -> None:
        while self._waiting and len(self._running) < self._slots and not self._closed:
            job = self._waiting.popleft()
            if job.status != RUNNABLE:
                continue
            hold = self._attempts.hold_back(job)
            if hold is None:
                self._start(job)
            else:
                self._held.hold(job, hold)

    def look_again(self) -> None:
        """Look again at the jobs that could not start, after queues or environments changed."""
        with self.lock:
            for job in self._held.until_a_change():
                hold = self._attempts.hold_back(job)
                if hold is None:
                    self._held.forget(job)
                    job.status_reason = ""
                    self._waiting.append(job)
                else:
                    self._held.hold(job, hold)
            self._fill()

    def _release(self, job: Job) -> None:
        with self.lock:
            if job.status == RUNNABLE:
                job.status_reason = ""
                self._waiting.append(job)
                self._fill()

    def _cancel_waiting(self, job: Job, reason: str) -> None:
        self.terminate(job, reason, cancel=True)

    def _report_use(self, job: Job) -> None:
        running = [j for j in self._running.values() if j.queue_arn == job.queue_arn]
        used = sum(each.asked().vcpus for each in running)
        self._attempts.report_use(job, used, len(self._running) >= self._slots)

    def _start(self, job: Job) -> None:
        self._held.forget(job)
        job.begin_attempt()
        name = f"job {job.job_id} attempt {job.number}"
        thread = threading.Thread(target=self._attempt, args=(job,), name=name, daemon=True)
        self._running[thread] = job
        self._report_use(job)
        thread.start()

    def _attempt(self, job: Job) -> None:
        end = AttemptEnd(None, "The local AWS failed to run this attempt", final=True)

        def started(running: RunningAttempt, stream: str) -> None:
            with self.lock:
                job.attempt_runs(running, stream)
                if job.termination is not None:
                    running.stop(CLOSING_GRACE if self._closed else self._grace)

        try:
            end = self._attempts.run(job, started)
        finally:
            with self.lock:
                del self._running[threading.current_thread()]
                self._report_use(job)
                self._finish(job, end)
                self._look_at_pending()
                self._fill()

    def _finish(self, job: Job, end: AttemptEnd) -> None:
        if job.termination is not None:
            end = AttemptEnd(end.exit_code, job.termination, end.reason, final=True)
        job.end_attempt(end)
        if is_retried(end, job.number, job.attempts_allowed, job.rules):
            job.status = RUNNABLE
            self._waiting.append(job)
        else:
            job.settle(SUCCEEDED if end.succeeded else FAILED, end.status_reason)
