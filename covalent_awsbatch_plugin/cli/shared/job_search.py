"""The plugin's jobs in a queue, found by name and tags."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from ...aws.model.description import DESCRIBE_LIMIT, FINISHED
from ...options.table import BY_NAME
from ...protocol import s3_keys, tag_names
from .account import Account
from .configuration import read_section
from .errors import Refusal, WrongCall
from .job_facts import JobFacts, parse_facts

JOB_NAMES = "covalent-"
UNFINISHED = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")
STATES = {
    "waiting": ("SUBMITTED", "PENDING", "RUNNABLE"),
    "running": ("STARTING", "RUNNING"),
    "done": ("SUCCEEDED",),
    "failed": ("FAILED",),
}


@dataclass(frozen=True)
class Selection:
    """Which jobs a command is about.

    Attributes:
        dispatch: A dispatch's id or the beginning of it; empty for all.
        node: A node's number; empty for all.
        statuses: Batch's statuses; empty for all.
        since: The seconds since the epoch after which the jobs were submitted.
    """

    dispatch: str = ""
    node: str = ""
    statuses: frozenset[str] = frozenset()
    since: float = 0.0

    def matches(self, job: JobFacts) -> bool:
        """Whether a job is of this selection."""
        return (
            job.dispatch.startswith(self.dispatch)
            and self.node in ("", job.node)
            and (not self.statuses or job.status in self.statuses)
            and job.created >= self.since
        )


def parse_selection(
    text: str | None, states: Iterable[str] = (), age: float | None = None
) -> Selection:
    """Read ``DISPATCH_ID`` or ``DISPATCH_ID:NODE``.

    Args:
        text: The dispatch's id with or without a node's number.
        states: Names of STATES; none for all.
        age: Seconds since the submission, at most.

    Raises:
        WrongCall: The text is neither.
    """
    dispatch, colon, node = (text or "").partition(":")
    # An empty part is a script's variable that is not set, and must not mean more jobs.
    if text is not None and (not dispatch or (colon and not node.isdigit())):
        raise WrongCall(
            f"{text!r} is neither a dispatch id nor a dispatch id and a node's number.",
            "give the id that ct.dispatch returned, and the node's number after a colon: "
            "'covalent-awsbatch jobs' lists both.",
        )
    # Names hold ids that are odd in a harmless form; a piece of one can only be looked for.
    return Selection(
        dispatch if len(dispatch) < 32 else s3_keys.safe_name(dispatch),
        node,
        frozenset(status for state in states for status in STATES[state]),
        time.time() - age if age is not None else 0.0,
    )


def find_jobs(
    account: Account, queue: str, selection: Selection, recent: int | None = None
) -> list[JobFacts]:
    """Return the plugin's jobs: by dispatch, the newest first, each dispatch's by node.

    Args:
        account: Where the queue is.
        queue: Name or ARN of the queue.
        selection: Which jobs.
        recent: Without a dispatch, how many ended jobs at most; None for all of the selection.
    """
    found = describe_jobs(account, find_ids(account, queue, selection, recent))
    jobs = [job for job in found if selection.matches(job)]
    newest: dict[str, float] = {}
    for job in jobs:
        newest[job.dispatch] = max(newest.get(job.dispatch, 0.0), job.created)
    return sorted(jobs, key=lambda j: (-newest[j.dispatch], j.dispatch, *node_order(j), j.created))


def node_order(job: JobFacts) -> tuple[int, str]:
    """Return what sorts jobs by the number of their node."""
    return len(job.node), job.node


def find_ids(
    account: Account, queue: str, selection: Selection, recent: int | None = None
) -> list[str]:
    """Return the ids of the jobs that may be of a selection."""
    if selection.dispatch:
        listed = _listed(account, queue, name=f"{JOB_NAMES}{selection.dispatch}")
        return [job["jobId"] for job in listed if _fits(job, selection)]
    # Lists by time have the newest first; those by name are grouped by names.
    after = _listed(account, queue, after=selection.since) if recent != 0 else iter(())
    ended = (job for job in after if job.get("status") in FINISHED and _fits(job, selection))
    unfinished = (
        job
        for status in UNFINISHED
        if not selection.statuses or status in selection.statuses
        for job in _listed(account, queue, status=status)
    )
    return list(dict.fromkeys(job["jobId"] for job in [*unfinished, *islice(ended, recent)]))


def find_unfinished(account: Account, queue: str, selection: Selection) -> list[JobFacts]:
    """Return the plugin's jobs that have not ended."""
    return [job for job in find_jobs(account, queue, selection, recent=0) if not job.finished]


def refreshed(account: Account, job: JobFacts) -> JobFacts:
    """Return a job as it is now, or as it was where AWS has forgotten it."""
    return next(describe_jobs(account, [job.job_id]), job)


def one_dispatch(jobs: Iterable[JobFacts], given: str) -> None:
    """Refuse jobs of several dispatches, which the beginning of an id may mean.

    Raises:
        WrongCall: They are of several dispatches.
    """
    refuse_several((job.dispatch for job in jobs), given)


def refuse_several(dispatches: Iterable[str], given: str) -> None:
    """Refuse the beginning of an id that several dispatches share.

    Raises:
        WrongCall: They do.
    """
    several = sorted(set(dispatches))
    if len(several) > 1:
        raise WrongCall(
            f"{given!r} is the beginning of several dispatches: {', '.join(several)}.",
            "give more of its id.",
        )


def none_found(selection: Selection, queue: str, account: Account) -> Refusal:
    """Return the refusal for a selection that has no job."""
    what = f"of the dispatch {selection.dispatch}" if selection.dispatch else "of the plugin"
    node = f", node {selection.node}," if selection.node else ""
    return Refusal(
        f"There is no job {what}{node} in the queue {queue} in {account.region}.",
        "check the id, --queue and --region; AWS forgets jobs about a week after they ended, and "
        "a dispatch whose first task has not been submitted has none.",
    )


def _fits(listed: dict[str, Any], selection: Selection) -> bool:
    return not selection.statuses or listed.get("status") in (*selection.statuses, None)


def _listed(
    account: Account, queue: str, *, name: str = "", status: str = "", after: float = 0.0
) -> Iterator[dict[str, Any]]:
    """Yield the plugin's jobs as ListJobs has them: by status, or of every status.

    Args:
        account: Where the queue is.
        queue: Name or ARN of the queue.
        name: The beginning of their names.
        status: Their status.
        after: Otherwise, the time after which they were submitted, in seconds since the epoch.
    """
    request: dict[str, Any] = {"jobQueue": queue}
    if name:
        request["filters"] = [{"name": "JOB_NAME", "values": [f"{name}*"]}]
    elif status:
        request["jobStatus"] = status
    else:
        milliseconds = str(max(int(after * 1000) - 1, 0))
        request["filters"] = [{"name": "AFTER_CREATED_AT", "values": [milliseconds]}]
    for page in account.client("batch").get_paginator("list_jobs").paginate(**request):
        for job in page["jobSummaryList"]:
            if job["jobName"].startswith(JOB_NAMES):
                yield job


def describe_jobs(account: Account, ids: list[str]) -> Iterator[JobFacts]:
    """Yield the facts of jobs; those that AWS has forgotten are left out."""
    batch = account.client("batch")
    for start in range(0, len(ids), DESCRIBE_LIMIT):
        response = batch.describe_jobs(jobs=ids[start : start + DESCRIBE_LIMIT])
        for described in response["jobs"]:
            # Any job may be named covalent-*; the plugin's bear its tags.
            if tag_names.TAG_DISPATCH in (described.get("tags") or {}):
                job = parse_facts(described)
                yield job if job.log_group else replace(job, log_group=_configured_log_group())


def _configured_log_group() -> str:
    """Return where the output of jobs goes whose description does not name a log group."""
    option = BY_NAME["batch_job_log_group_name"]
    return str(read_section().get(option.name) or option.default)
