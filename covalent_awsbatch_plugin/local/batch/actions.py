"""Batch's operations on jobs, instead of moto's."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping

from ..services import moto_backend
from ..services.moto_backend import Region
from . import descriptions, limits
from .errors import ClientError
from .records import FAILED, RUNNING, STATUSES, Job, Json
from .resolve import container_of
from .scheduler import Scheduler

TOO_MANY_TAGS = f"Job and job definition together have more than {limits.MOST_TAGS} tags"


class Jobs:
    """The jobs of all accounts and regions, and what can be done with them."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._jobs: dict[str, Job] = {}
        self.actions: Mapping[str, Callable[[Region, Json], Json]] = {
            "SubmitJob": self.submit,
            "DescribeJobs": self.describe,
            "ListJobs": self.list,
            "TerminateJob": self.terminate,
            "TerminateJobs": self.terminate_many,
            "CancelJob": self.cancel,
        }

    def look_again(self) -> None:
        """Look again at the jobs that could not start, after queues or environments changed."""
        self._scheduler.look_again()

    def submit(self, region: Region, request: Json) -> Json:
        """Handle SubmitJob."""
        limits.check_submission(request)
        job = self._new_job(region, request)
        tags = _tags(job, request)
        moto_backend.tag(region, job.arn, request.get("tags") or {})
        with self._scheduler.lock:
            self._jobs[job.job_id] = job
            if len(tags) > limits.MOST_TAGS:
                job.settle(FAILED, TOO_MANY_TAGS)
            else:
                self._scheduler.submit(job)
        return {"jobArn": job.arn, "jobName": job.name, "jobId": job.job_id}

    def _new_job(self, region: Region, request: Json) -> Job:
        queue = moto_backend.queue(region, request["jobQueue"])
        if queue is None:
            raise ClientError(f"JobQueue {request['jobQueue']} not found.")
        if not queue.enabled:
            raise ClientError(f"JobQueue {queue.arn} is not in ENABLED state")
        definition = moto_backend.definition(region, request["jobDefinition"])
        if definition is None:
            raise ClientError(f"JobDefinition {request['jobDefinition']} not found")
        limits.check_share(queue.fair_share, request, definition)
        parameters = {**(definition.get("parameters") or {}), **(request.get("parameters") or {})}
        strategy = request.get("retryStrategy") or definition.get("retryStrategy") or {}
        timeout = request.get("timeout") or definition.get("timeout") or {}
        return Job(
            region=region,
            job_id=str(uuid.uuid4()),
            name=request["jobName"],
            queue_name=queue.name,
            queue_arn=queue.arn,
            definition=definition,
            container=container_of(
                definition["containerProperties"],
                request.get("containerOverrides") or {},
                parameters,
            ),
            parameters=parameters,
            attempts_allowed=int(strategy.get("attempts", 1)),
            rules=list(strategy.get("evaluateOnExit") or ()),
            timeout=int(timeout.get("attemptDurationSeconds", 0)),
            depends_on=[self._dependency(region, each) for each in request.get("dependsOn") or ()],
            propagate_tags=bool(
                request.get("propagateTags", definition.get("propagateTags") or False)
            ),
            share_identifier=request.get("shareIdentifier") or "",
            scheduling_priority=request.get(
                "schedulingPriorityOverride", definition.get("schedulingPriority")
            ),
        )

    def _dependency(self, region: Region, dependency: Json) -> Job:
        job = self._find(region, dependency.get("jobId", ""))
        if job is None:
            raise ClientError(f"Dependency {dependency.get('jobId')} not found")
        return job

    def describe(self, region: Region, request: Json) -> Json:
        """Handle DescribeJobs; a job that is not there is left out."""
        wanted = limits.check_ids(request.get("jobs"))
        with self._scheduler.lock:
            found = [self._find(region, each) for each in wanted]
            return {"jobs": [_described(job) for job in found if job]}

    def list(self, region: Region, request: Json) -> Json:
        """Handle ListJobs: the newest first, in pages; a filter by name groups by names."""
        limits.check_filters(request.get("filters") or ())
        if not request.get("jobQueue"):
            raise ClientError("jobQueue, arrayJobId or multiNodeJobId must be specified")
        queue = moto_backend.queue(region, request["jobQueue"])
        if queue is None:
            raise ClientError(f"JobQueue {request['jobQueue']} not found.")
        with self._scheduler.lock:
            jobs = [
                descriptions.summary(job)
                for job in reversed(self._jobs.values())
                if job.queue_arn == queue.arn and not job.vanished and _is_listed(job, request)
            ]
        if [each["name"] for each in request.get("filters") or ()] == ["JOB_NAME"]:
            jobs.sort(key=lambda job: str(job["jobName"]))
        return _page(jobs, request)

    def terminate(self, region: Region, request: Json) -> Json:
        """Handle TerminateJob; a job that is not there, or has ended, is no error."""
        return self._end(region, request, cancel=False)

    def terminate_many(self, region: Region, request: Json) -> Json:
        """Handle TerminateJobs: each of fifty jobs as TerminateJob does."""
        wanted = limits.check_ids(request.get("jobs"), limits.MOST_TERMINATED)
        for job_id in wanted:
            self.terminate(region, {"jobId": job_id, "reason": request.get("reason")})
        return {"successful": wanted, "errors": []}

    def cancel(self, region: Region, request: Json) -> Json:
        """Handle CancelJob."""
        return self._end(region, request, cancel=True)

    def _end(self, region: Region, request: Json, cancel: bool) -> Json:
        reason = limits.check_reason(request.get("reason"))
        job = self._find(region, request.get("jobId") or "")
        if job is not None:
            self._scheduler.terminate(job, reason, cancel)
        return {}

    def _find(self, region: Region, reference: str) -> Job | None:
        """Return a job by its id or ARN."""
        job = self._jobs.get(reference.rpartition("job/")[2])
        return job if job and job.region == region and not job.vanished else None


def _tags(job: Job, request: Json) -> dict[str, str]:
    inherited = job.definition.get("tags") or {} if job.propagate_tags else {}
    return {**inherited, **(request.get("tags") or {})}


def _described(job: Job) -> Json:
    return descriptions.describe(job, moto_backend.tags(job.region, job.arn))


def _is_listed(job: Job, request: Json) -> bool:
    filters = request.get("filters")
    if filters:
        return all(_passes(job, each["name"], each["values"]) for each in filters)
    status = request.get("jobStatus") or RUNNING
    if status not in STATUSES:
        raise ClientError(f"jobStatus must be one of {', '.join(STATUSES)}")
    return bool(job.status == status)


def _passes(job: Job, name: str, values: Iterable[str]) -> bool:
    if name == "JOB_NAME":
        return any(_matches(value, job.name) for value in values)
    if name == "JOB_DEFINITION":
        arn = job.definition["jobDefinitionArn"]
        return any(v == arn or _matches(v, arn.rpartition("/")[2]) for v in values)
    if name == "SHARE_IDENTIFIER":
        return job.share_identifier in values
    if name == "BEFORE_CREATED_AT":
        return any(job.created < int(value) for value in values)
    if name == "AFTER_CREATED_AT":
        return any(job.created > int(value) for value in values)
    raise ClientError(f"Unknown filter: {name}")


def _matches(pattern: str, text: str) -> bool:
    """Compare as ListJobs does: without case, with an asterisk at the end for anything."""
    pattern, text = pattern.lower(), text.lower()
    if pattern.endswith("*"):
        return text.startswith(pattern[:-1])
    return pattern == text


def _page(items: list[Json], request: Json) -> Json:
    size = request.get("maxResults", limits.PAGE)
    if not 1 <= size <= limits.PAGE:
        raise ClientError(f"maxResults must be between 1 and {limits.PAGE}")
    token = request.get("nextToken") or "0"
    if not token.isdecimal():
        raise ClientError(f"nextToken is not valid: {token!r}")
    start = int(token)
    page: Json = {"jobSummaryList": items[start : start + size]}
    if start + size < len(items):
        page["nextToken"] = str(start + size)
    return page
