"""What moto's queues and compute environments lack: the snapshot, and updates that are kept."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from .clients import own_client

FRONT = 100


def install() -> None:
    """Teach moto's Batch both; once, before its server starts."""
    from moto.batch import urls
    from moto.batch.models import BatchBackend
    from moto.batch.responses import BatchResponse

    urls.url_paths["{0}/v1/getjobqueuesnapshot$"] = BatchResponse.dispatch
    BatchResponse.getjobqueuesnapshot = _snapshot
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
