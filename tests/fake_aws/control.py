"""Reading and setting the fake's state over HTTP, where it is a process of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from tests.fake_aws.aws import FakeAws

PATH = "/_fake/"


def answer(aws: FakeAws, path: str, body: bytes) -> web.Response:
    """Answer ``/_fake/state``, ``/_fake/forget`` ``/_fake/ends`` and ``/_fake/set``."""
    verb = path.removeprefix(PATH)
    if verb == "set":
        _set(aws, json.loads(body))
    elif verb == "forget":
        aws.forget_calls()
        aws.batch.jobs.clear()
        for bucket in aws.s3.buckets.values():
            bucket.objects.clear()
    elif verb == "ends":
        return web.json_response(ends(aws))
    elif verb != "state":
        return web.json_response({"error": f"no {verb}"}, status=404)
    return web.json_response(state(aws))


def state(aws: FakeAws) -> dict[str, Any]:
    """Return the counters, the latest calls' times and what is there."""
    return {
        "calls": aws.calls,
        "refused": aws.refused,
        "bytes_up": aws.bytes_up,
        "bytes_down": aws.bytes_down,
        "describe_times": list(aws.call_times["batch:DescribeJobs"]),
        "jobs": len(aws.batch.jobs),
        "unfinished": sum(not job.ended for job in aws.batch.jobs.values()),
        "definitions": sum(map(len, aws.batch.definitions.values())),
        "objects": sum(len(bucket.objects) for bucket in aws.s3.buckets.values()),
    }


def ends(aws: FakeAws) -> dict[str, float]:
    """Return when each job ended, in seconds since the epoch, by its name."""
    ended = (job for job in aws.batch.jobs.values() if job.ended and job.stopped_at)
    return {job.name: job.stopped_at or 0.0 for job in ended}


def _set(aws: FakeAws, values: dict[str, float]) -> None:
    for name, value in values.items():
        setattr(aws.batch if name in ("job_seconds", "queue_seconds") else aws, name, value)
