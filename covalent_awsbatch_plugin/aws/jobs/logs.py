"""CloudWatch: the end of a job's log, where there is no outcome."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Any

from ...errors import BatchTaskError
from ...protocol import messages
from ..calls.session import ObjectMissing, Session
from ..model.description import JobDescription
from ..model.job_definition import DefinitionSpec
from ..model.task import Settled

log = logging.getLogger("covalent_awsbatch_plugin")

TAIL_EVENTS = 50
TAIL_PAGES = 5
LINE_LIMIT = 500

# Seconds that a failure is held back for the log that explains it.
PATIENCE = 10.0


async def with_logs(session: Session, settled: Settled, definition: DefinitionSpec) -> Settled:
    """Return how a task ended together with where its logs are, and their ends if needed."""
    returned = settled.outcome is not None and settled.outcome.status == messages.RETURNED
    if settled.job is None or returned:
        return settled
    group = settled.job.log_group or definition.log_group
    streams = list(dict.fromkeys(_streams(settled.job)))
    identity = await session.identity()
    access = session.access
    links = {
        # The console of AWS knows nothing of what is behind another endpoint.
        s: "" if access.endpoint_url else console_link(access.region, group, s, identity.partition)
        for s in streams
    }
    # An outcome holds the task's output, so the log has nothing to add.
    wanted = [] if settled.outcome else streams
    tails = await asyncio.gather(*(tail(session, group, s) for s in wanted))
    return replace(settled, links=links, log_tails=dict(zip(wanted, tails, strict=True)))


def _streams(job: JobDescription) -> list[str]:
    streams = [attempt.log_stream for attempt in job.attempts] + [job.log_stream]
    return [stream for stream in streams if stream]


async def tail(session: Session, group: str, stream: str) -> list[str]:
    """Return the last lines of a log stream, at most 50, or none where it cannot be read.

    A log that is missing must not hide the failure that made us look for it.
    """
    try:
        events = await asyncio.wait_for(_last_events(session, group, stream), PATIENCE)
    except (BatchTaskError, ObjectMissing, asyncio.TimeoutError) as error:
        log.info("AWS Batch: the log %s of %s could not be read: %r", stream, group, error)
        return []
    return [harmless(event["message"]) for event in events]


async def _last_events(session: Session, group: str, stream: str) -> list[dict[str, Any]]:
    """Return the last events of a stream. A page may be empty before the stream's beginning."""
    request: dict[str, Any] = {"logGroupName": group, "logStreamName": stream}
    request.update(limit=TAIL_EVENTS, startFromHead=False)
    for _ in range(TAIL_PAGES):
        page = await session.call("logs", "get_log_events", **request)
        token = page.get("nextBackwardToken")
        if page.get("events") or token in (None, request.get("nextToken")):
            return list(page.get("events") or ())
        request["nextToken"] = token
    return []


def harmless(line: str) -> str:
    """Return a line without terminal escapes and other control characters, cut to 500."""
    shown = "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in line.rstrip("\r\n"))
    return shown if len(shown) <= LINE_LIMIT else shown[:LINE_LIMIT] + " ..."


def console_link(region: str, group: str, stream: str, partition: str = "aws") -> str:
    """Return the address of a log stream in the AWS console."""
    domain = {
        "aws": "console.aws.amazon.com",
        "aws-cn": "console.amazonaws.cn",
        "aws-us-gov": "console.amazonaws-us-gov.com",
    }.get(partition, "console.aws.amazon.com")
    # The console wants its own double quoting of slashes and dollars.
    group, stream = (part.replace("/", "$252F") for part in (group, stream))
    return (
        f"https://{region}.{domain}/cloudwatch/home?region={region}"
        f"#logsV2:log-groups/log-group/{group}/log-events/{stream}"
    )
