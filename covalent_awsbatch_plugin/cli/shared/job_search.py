"""The plugin's jobs in a queue, found by name and tags."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ...aws.model.description import DESCRIBE_LIMIT, FINISHED, WAITING
from ...protocol import s3_keys, tag_names
from .account import Account
from .errors import Refusal, WrongCall

JOB_NAMES = "covalent-"
UNFINISHED = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")


@dataclass(frozen=True)
class FoundJob:
    """One job of the plugin.

    Attributes:
        job_id: Batch's id of it.
        status: One of Batch's seven.
        reason: Why it is in that status, in AWS's words.
        created: When it was submitted, in seconds since the epoch.
        dispatch: Covalent's id of the dispatch.
        node: Covalent's number of the node.
        function: The function's name.
        server: ``host:pid`` of the Covalent server that submitted it.
        attempts: How often it was started.
        retries: How often it may be started.
        vcpus: Number of vCPUs it asks for.
        memory_mib: Memory it asks for, in MiB.
        gpus: Number of GPUs it asks for.
        log_group: The log group of its output.
        streams: The attempts' log streams, the first attempt's first.
    """

    job_id: str
    status: str
    reason: str
    created: float
    dispatch: str
    node: str
    function: str
    server: str
    attempts: int
    retries: int
    vcpus: int
    memory_mib: int
    gpus: int
    log_group: str
    streams: tuple[str, ...]

    @property
    def finished(self) -> bool:
        """Whether it has ended."""
        return self.status in FINISHED

    @property
    def waiting(self) -> bool:
        """Whether it has not started."""
        return self.status in WAITING

    @property
    def age(self) -> float:
        """Seconds since it was submitted."""
        return max(time.time() - self.created, 0.0)


@dataclass(frozen=True)
class Selection:
    """Which jobs a command is about: of a dispatch (its id or the beginning of it), of a node."""

    dispatch: str = ""
    node: str = ""

    def matches(self, job: FoundJob) -> bool:
        """Whether a job is of this selection."""
        return job.dispatch.startswith(self.dispatch) and self.node in ("", job.node)


def parse_selection(text: str | None) -> Selection:
    """Read ``DISPATCH_ID`` or ``DISPATCH_ID:NODE``.

    Raises:
        WrongCall: The text is neither.
    """
    dispatch, _, node = (text or "").partition(":")
    if text and (not dispatch or (node and not node.isdigit())):
        raise WrongCall(
            f"{text!r} is neither a dispatch id nor a dispatch id and a node's number.",
            "give the id that ct.dispatch returned, and the node's number behind a colon: "
            "'covalent-awsbatch jobs' lists both.",
        )
    # Names hold ids that are odd in a harmless form; a piece of one can only be looked for.
    return Selection(dispatch if len(dispatch) < 32 else s3_keys.safe_name(dispatch), node)


def find_jobs(account: Account, queue: str, selection: Selection, recent: int) -> list[FoundJob]:
    """Return the plugin's jobs, the newest first.

    Args:
        account: Where the queue is.
        queue: Name or ARN of the queue.
        selection: Which jobs.
        recent: Without a dispatch, how many ended jobs at most.
    """
    if selection.dispatch:
        ids = list(_ids(account, queue, name=f"{JOB_NAMES}{selection.dispatch}"))
    else:
        ended = _ids(account, queue, name=JOB_NAMES)
        waiting_and_running = (i for s in UNFINISHED for i in _ids(account, queue, status=s))
        ids = list(dict.fromkeys([*waiting_and_running, *islice(ended, recent)]))
    jobs = [job for job in _described(account, ids) if selection.matches(job)]
    return sorted(jobs, key=lambda job: (-job.created, job.dispatch, job.node))


def find_unfinished(account: Account, queue: str, selection: Selection) -> list[FoundJob]:
    """Return the plugin's jobs that have not ended."""
    return [job for job in find_jobs(account, queue, selection, recent=0) if not job.finished]


def refreshed(account: Account, job: FoundJob) -> FoundJob:
    """Return a job as it is now, or as it was where AWS has forgotten it."""
    return next(_described(account, [job.job_id]), job)


def one_dispatch(jobs: Iterable[FoundJob], given: str) -> None:
    """Refuse jobs of several dispatches, which the beginning of an id may mean.

    Raises:
        WrongCall: They are of several dispatches.
    """
    dispatches = sorted({job.dispatch for job in jobs})
    if len(dispatches) > 1:
        raise WrongCall(
            f"{given!r} is the beginning of several dispatches: {', '.join(dispatches)}.",
            "give more of its id.",
        )


def none_found(selection: Selection, queue: str, account: Account) -> Refusal:
    """Return the refusal for a selection that has no job."""
    what = f"of the dispatch {selection.dispatch}" if selection.dispatch else "of the plugin"
    node = f", node {selection.node}," if selection.node else ""
    return Refusal(
        f"There is no job {what}{node} in the queue {queue} in {account.region}.",
        "check the id, --queue and --region; AWS forgets jobs about a week after they ended.",
    )


def _ids(account: Account, queue: str, *, name: str = "", status: str = "") -> Iterator[str]:
    """Yield job ids; a name is the beginning of one, and finds jobs of every status."""
    request: dict[str, Any] = {"jobQueue": queue}
    if name:
        request["filters"] = [{"name": "JOB_NAME", "values": [f"{name}*"]}]
    else:
        request["jobStatus"] = status
    for page in account.client("batch").get_paginator("list_jobs").paginate(**request):
        for job in page["jobSummaryList"]:
            if job["jobName"].startswith(JOB_NAMES):
                yield job["jobId"]


def _described(account: Account, ids: list[str]) -> Iterator[FoundJob]:
    batch = account.client("batch")
    for start in range(0, len(ids), DESCRIBE_LIMIT):
        answer = batch.describe_jobs(jobs=ids[start : start + DESCRIBE_LIMIT])
        for described in answer["jobs"]:
            # Anybody may name a job covalent-*; the plugin's bear its tags.
            if tag_names.TAG_DISPATCH in described.get("tags", {}):
                yield parse_found(described)


def parse_found(described: Mapping[str, Any]) -> FoundJob:
    """Read one job of a DescribeJobs answer."""
    tags, container = described["tags"], described.get("container") or {}
    attempts = described.get("attempts") or ()
    asked = {r["type"]: r["value"] for r in container.get("resourceRequirements") or ()}
    options = (container.get("logConfiguration") or {}).get("options") or {}
    containers = [*(attempt.get("container") or {} for attempt in attempts), container]
    streams = dict.fromkeys(c["logStreamName"] for c in containers if c.get("logStreamName"))
    started = described["status"] in ("STARTING", "RUNNING")
    return FoundJob(
        job_id=described["jobId"],
        status=described["status"],
        reason=described.get("statusReason") or "",
        created=described.get("createdAt", 0) / 1000,
        dispatch=tags[tag_names.TAG_DISPATCH],
        node=tags.get(tag_names.TAG_NODE, ""),
        function=tags.get(tag_names.TAG_FUNCTION, ""),
        server=tags.get(tag_names.TAG_SERVER, ""),
        attempts=len(attempts) + started,
        retries=(described.get("retryStrategy") or {}).get("attempts", 1),
        vcpus=int(float(asked.get("VCPU", container.get("vcpus", 0)) or 0)),
        memory_mib=int(asked.get("MEMORY", container.get("memory", 0)) or 0),
        gpus=int(asked.get("GPU", 0)),
        log_group=options.get("awslogs-group", ""),
        streams=tuple(streams),
    )
