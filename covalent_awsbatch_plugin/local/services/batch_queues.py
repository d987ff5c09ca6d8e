"""What moto's queues and environments lack: snapshot, time limits, updates that are kept."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from .clients import own_client

FRONT = 100

# Where moto's queues keep their time limits for jobs that wait.
TIME_LIMITS = "job_state_time_limit_actions"


def install() -> None:
    """Teach moto's Batch all of it; once, before its server starts."""
    from moto.batch import urls
    from moto.batch.models import BatchBackend, JobQueue
    from moto.batch.responses import BatchResponse

    urls.url_paths["{0}/v1/getjobqueuesnapshot$"] = BatchResponse.dispatch
    BatchResponse.getjobqueuesnapshot = _snapshot
    BatchResponse.createjobqueue = _with_time_limits(BatchResponse.createjobqueue)
    BatchResponse.updatejobqueue = _with_time_limits(BatchResponse.updatejobqueue)
    JobQueue.describe = _describing_time_limits(JobQueue.describe)
    BatchBackend.update_compute_environment = _keeping(BatchBackend.update_compute_environment)


def _snapshot(response: Any) -> str:
    """Answer with the jobs that are RUNNABLE, the oldest first, as AWS does for the first 100."""
    queue = response._get_param("jobQueue")
    batch = own_client(response)("batch")
    pages = batch.get_paginator("list_jobs").paginate(jobQueue=queue, jobStatus="RUNNABLE")
    waiting = [job for page in pages for job in page["jobSummaryList"]]
    waiting.sort(key=lambda job: job["createdAt"])
    now = int(time.time() * 1000)
    front = [
        {"jobArn": job["jobArn"], "earliestTimeAtPosition": job["createdAt"]}
        for job in waiting[:FRONT]
    ]
    return json.dumps({"frontOfQueue": {"jobs": front, "lastUpdatedAt": now}})


def _with_time_limits(change: Any) -> Any:
    """Return moto's answer to a request that makes or changes a queue, its time limits kept."""

    def changed(response: Any) -> str:
        answer: str = change(response)
        limits = response._get_param("jobStateTimeLimitActions")
        if limits is not None:
            queue = response.batch_backend.get_job_queue(json.loads(answer)["jobQueueArn"])
            setattr(queue, TIME_LIMITS, limits)
        return answer

    return changed


def _describing_time_limits(describe: Any) -> Any:
    def described(queue: Any) -> dict[str, Any]:
        return {**describe(queue), "jobStateTimeLimitActions": getattr(queue, TIME_LIMITS, [])}

    return described


def _keeping(update: Any) -> Any:
    """Return moto's update of a compute environment, which forgets the compute resources."""

    def updated(
        backend: Any,
        compute_environment_name: str,
        state: str | None,
        compute_resources: Mapping[str, Any] | None,
        service_role: str | None,
    ) -> Any:
        answer = update(backend, compute_environment_name, state, compute_resources, service_role)
        environment = backend.get_compute_environment(compute_environment_name)
        environment.compute_resources.update(compute_resources or {})
        return answer

    return updated
