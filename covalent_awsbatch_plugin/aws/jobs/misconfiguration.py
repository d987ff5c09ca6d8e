"""Waiting jobs of which AWS Batch reports a misconfiguration: how long that is waited for.

Batch reports so for a while also of jobs that can run, when a compute environment scales up from
zero. A job is therefore given up only when the same reason was seen without a break for some
minutes, and only for the reasons that mean that no host of the queue can ever run it.
"""

from __future__ import annotations

import logging

from ..model.description import JobDescription

log = logging.getLogger("covalent_awsbatch_plugin")


class Misconfigured:
    """The misconfigured jobs among those that are watched. The clock is an argument."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, float]] = {}

    def __repr__(self) -> str:
        return f"<Misconfigured {len(self._seen)} jobs>"

    def is_hopeless(self, job: JobDescription, patience: float, now: float) -> bool:
        """Take note of a description; return whether the job is to be given up.

        Args:
            job: The job, as it was just described.
            patience: Seconds for which the reason must have been seen without a break.
            now: The time in seconds.
        """
        reason = job.misconfiguration
        if not reason:
            self.forget(job.job_id)
            return False
        known, since = self._seen.get(job.job_id, ("", now))
        if known != reason:
            self._report(job, reason, patience)
            since = now
        self._seen[job.job_id] = (reason, since)
        return job.never_fits and now - since >= patience

    def _report(self, job: JobDescription, reason: str, patience: float) -> None:
        """Log a reason, once for all jobs that have it at the same time."""
        if any(seen == reason for seen, _ in self._seen.values()):
            return
        what_next = "'covalent-awsbatch doctor' checks the queue's set-up."
        if job.never_fits:
            what_next = (
                f"The job is ended if that does not change within {patience:g} seconds "
                "(misconfiguration_timeout)."
            )
        log.warning(
            "AWS Batch reports that job %s cannot start: %s That may pass while the compute "
            "environment scales up. %s",
            job.job_id,
            job.status_reason.rstrip(".") + ".",
            what_next,
        )

    def forget(self, job_id: str) -> None:
        """Forget a job."""
        self._seen.pop(job_id, None)
