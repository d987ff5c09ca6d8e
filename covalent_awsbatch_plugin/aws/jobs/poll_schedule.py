"""When to look at which job. Pure: the clock is an argument.

While the ends of tasks are seen in the bucket, a job is looked at every ``poll_freq`` seconds: for
its start, for a failure without an outcome, and for the reason why it waits. Otherwise it is first
looked at a second after its submission, then at intervals that grow from half a second up to its
``poll_freq``: short jobs are seen to end at once, and thousands of long ones cost little. A job
that waits for a host is asked about less and less often; when it starts, the
intervals begin anew. Looks that are due share calls of a hundred ids, those least recently
described first, and a call with room takes along the ids that would be due next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..model.description import DESCRIBE_LIMIT, RUNNING, STARTING, JobDescription

FIRST_LOOK = 1.0
SHORTEST = 0.5
GROWTH_RUNNING = 1.25
GROWTH_WAITING = 1.75

# A job that is looked at early, in a call that has room anyway, must have reached this part of
# its interval: more, and every call would be full; less, and calls would be needlessly many.
EARLY = 0.6

# An end that is seen in the bucket need not be looked for here: poll_freq is soon enough.
Seen = Callable[[], bool]

# How long a job may be unknown to DescribeJobs before it is taken to be gone, in seconds: one
# that was never seen yet (answers may be behind), and one that was.
UNSEEN_PATIENCE = 120.0
SEEN_PATIENCE = 30.0


def never() -> bool:
    """Return False: ends are seen nowhere else."""
    return False


@dataclass
class Watch:
    """One job that is being watched.

    Attributes:
        job_id: The job's id.
        poll_freq: The longest interval, in seconds.
        interval: The interval now, in seconds.
        described: When it was last described (or submitted), on the caller's clock.
        status: Its status when it was last described; empty before that.
        missing_since: When DescribeJobs first left it out, if it does.
        asked: Whether a call that asks for it is under way.
        elsewhere: Returns whether the end of a task that returns is seen elsewhere, at once.
        ending: Whether the job is about to end, as far as is known.
        attempts: How many of its attempts had ended, as far as it was described.
    """

    job_id: str
    poll_freq: float
    interval: float
    described: float
    status: str = ""
    missing_since: float | None = None
    asked: bool = False
    elsewhere: Seen = never
    ending: bool = False
    attempts: int = 0

    @property
    def due(self) -> float:
        """When it is to be looked at next."""
        return self.described + self.interval


@dataclass
class Schedule:
    """All the jobs that are being watched, by id."""

    watches: dict[str, Watch] = field(default_factory=dict)

    def add(
        self,
        job_id: str,
        poll_freq: float,
        now: float,
        elsewhere: Seen = never,
        ending: bool = False,
    ) -> None:
        """Begin to watch a job."""
        first = min(SHORTEST if ending else FIRST_LOOK, poll_freq)
        interval = poll_freq if elsewhere() and not ending else first
        self.watches[job_id] = Watch(
            job_id, poll_freq, interval, now, elsewhere=elsewhere, ending=ending
        )

    def remove(self, job_id: str) -> None:
        """Stop watching a job."""
        self.watches.pop(job_id, None)

    def next_due(self) -> float | None:
        """Return when the next look is due, or None where nothing is to be looked at."""
        return min((w.due for w in self.watches.values() if not w.asked), default=None)

    def take(self, now: float) -> list[str]:
        """Return the ids of the next call, at most a hundred, and mark them as asked for."""
        idle = [w for w in self.watches.values() if not w.asked]
        due = [w for w in idle if w.due <= now]
        if not due:
            return []
        chosen = sorted(due, key=lambda w: w.described)[:DESCRIBE_LIMIT]
        if room := DESCRIBE_LIMIT - len(chosen):
            early = [w for w in idle if w.due > now and now - w.described >= EARLY * w.interval]
            chosen += sorted(early, key=lambda w: w.due)[:room]
        for watch in chosen:
            watch.asked = True
        return [watch.job_id for watch in chosen]

    def described(self, job: JobDescription, now: float) -> None:
        """Note a job's description."""
        watch = self.watches.get(job.job_id)
        if watch is None:
            return
        started = job.status in (STARTING, RUNNING) and watch.status not in (STARTING, RUNNING)
        growth = GROWTH_WAITING if job.waiting else GROWTH_RUNNING
        grown = SHORTEST if started or not watch.status else watch.interval * growth
        relaxed = watch.elsewhere() and not watch.ending
        watch.interval = watch.poll_freq if relaxed else min(grown, watch.poll_freq)
        watch.described, watch.asked = now, False
        watch.status, watch.missing_since = job.status, None
        # A description may lag behind an earlier one.
        watch.attempts = max(watch.attempts, len(job.attempts))

    def postpone(self, job_id: str, now: float) -> None:
        """Note that nothing was learned of a job: it is looked at again after its interval."""
        if watch := self.watches.get(job_id):
            watch.described, watch.asked, watch.missing_since = now, False, None
            watch.interval = watch.poll_freq

    def left_out(self, job_id: str, now: float) -> bool:
        """Note that DescribeJobs left a job out; return whether it is to be taken for gone."""
        watch = self.watches.get(job_id)
        if watch is None:
            return False
        watch.described, watch.asked = now, False
        if watch.missing_since is None:
            watch.missing_since = now
        patience = SEEN_PATIENCE if watch.status else UNSEEN_PATIENCE
        return now - watch.missing_since >= min(patience, 3 * watch.poll_freq + 5)
