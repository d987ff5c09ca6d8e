"""AWS Batch: definitions, jobs and their lives."""

from __future__ import annotations

import asyncio
import inspect
import math
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from tests.fake_aws.errors import client_error
from tests.fake_aws.jobs import Definition, Job, JobEnd
from tests.fake_aws.listing import listed, selected
from tests.fake_aws.validation import check_definition, check_share, check_submission

REASON_LIMIT = 255
DESCRIBE_LIMIT = 100
TERMINATE_LIMIT = 50
NO_TYPE = (
    "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - The job resource requirement (vCPU/memory/GPU) "
    "is higher than that can be met by the CE(s) attached to the job queue."
)
TOO_MANY_VCPUS = (
    "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - CE(s) associated with the job queue "
    "cannot meet the CPU requirement of the job."
)

Play = Callable[[Job], "JobEnd | Awaitable[JobEnd | None] | None"]


class Batch:
    """The service's state, and one method for each operation.

    Attributes:
        play: Decides how an attempt ends, once its time is over; None means it goes on running.
        queue_seconds: How long a job waits in RUNNABLE; ``math.inf`` for ever.
        job_seconds: How long an attempt runs.
        definition_delay: Seconds until a new definition can be submitted and described.
        max_vcpus, max_memory, max_gpus: What the largest job may ask for, memory in MiB.
        scaling_seconds: How long a job is reported as one that can never start, while its compute
            environment scales up from zero.
        missing_roles: ARNs of roles that ECS cannot assume.
        protected: Ids of jobs that TerminateJobs may not end.
        ends_with_container: Whether a running job that is terminated ends when its script does.
    """

    def __init__(self, region: str, account: str, play: Play) -> None:
        self.play = play
        self.queue_seconds = 0.0
        self.job_seconds = 0.0
        self.definition_delay = 0.0
        self.max_vcpus, self.max_memory, self.max_gpus = 256, 1024 * 1024, 0
        self.scaling_seconds = 0.0
        self.missing_roles: set[str] = set()
        self.fair_share: set[str] = set()
        self.protected: set[str] = set()
        self.ends_with_container = False
        self.jobs: dict[str, Job] = {}
        self.definitions: dict[str, list[Definition]] = {}
        self.queues: dict[str, str] = {}
        self.on_log: Callable[[Job, tuple[str, ...]], None] = lambda job, lines: None
        self._arn = f"arn:aws:batch:{region}:{account}"
        self._pages: dict[str, list[Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def add_queue(self, name: str, state: str = "ENABLED", fair_share: bool = False) -> None:
        """Create a job queue."""
        self.queues[name] = state
        if fair_share:
            self.fair_share.add(name)

    # Job definitions

    def register_job_definition(self, params: dict[str, Any]) -> dict[str, Any]:
        name = params["jobDefinitionName"]
        check_definition(params)
        revisions = self.definitions.setdefault(name, [])
        number = len(revisions) + 1
        definition = Definition(
            arn=f"{self._arn}:job-definition/{name}:{number}",
            name=name,
            revision=number,
            request=params,
            visible_at=time.monotonic() + self.definition_delay,
        )
        revisions.append(definition)
        return {
            "jobDefinitionName": name,
            "jobDefinitionArn": definition.arn,
            "revision": number,
        }

    def deregister_job_definition(self, params: dict[str, Any]) -> dict[str, Any]:
        definition = self._definition(params["jobDefinition"])
        revisions = self.definitions[definition.name]
        revisions[definition.revision - 1] = replace(definition, status="INACTIVE")
        return {}

    def describe_job_definitions(self, params: dict[str, Any]) -> dict[str, Any]:
        found = [d for d in self._visible() if selected(d, params)]
        found.sort(key=lambda definition: -definition.revision)
        page, token = self._page(found, params)
        return _with_token("jobDefinitions", [item.describe() for item in page], token)

    def _visible(self) -> list[Definition]:
        now = time.monotonic()
        return [d for each in self.definitions.values() for d in each if d.visible_at <= now]

    def _definition(self, reference: str) -> Definition:
        """Find a definition by name, ``name:revision`` or ARN."""
        short = reference.rpartition("job-definition/")[2]
        name, _, revision = short.partition(":")
        now = time.monotonic()
        for item in reversed(self.definitions.get(name, ())):
            wanted = not revision or item.revision == int(revision)
            if wanted and item.status == "ACTIVE" and item.visible_at <= now:
                return item
        raise client_error(f"JobDefinition {reference} not found")

    # Jobs

    def submit_job(self, params: dict[str, Any]) -> dict[str, Any]:
        check_submission(params)
        queue = self._queue(params["jobQueue"])
        job_id = str(uuid.uuid4())
        definition = self._definition(params["jobDefinition"])
        check_share(queue in self.fair_share, params, definition.request)
        job = Job(
            id=job_id,
            arn=f"{self._arn}:job/{job_id}",
            request=params,
            definition=definition,
            queue_arn=f"{self._arn}:job-queue/{queue}",
        )
        self.jobs[job.id] = job
        tags = {**definition.request.get("tags", {}), **params.get("tags", {})}
        if params.get("propagateTags") and len(tags) > 50:
            job.settle("FAILED", "Job and job definition together have more than 50 tags")
        else:
            self._live(job)
        return {"jobArn": job.arn, "jobName": job.name, "jobId": job.id}

    def describe_jobs(self, params: dict[str, Any]) -> dict[str, Any]:
        ids = params["jobs"]
        if not ids or len(ids) > DESCRIBE_LIMIT:
            raise client_error(f"jobs must hold 1 to {DESCRIBE_LIMIT} ids, not {len(ids)}")
        found = (self.jobs.get(each.rpartition("job/")[2]) for each in ids)
        return {"jobs": [job.describe() for job in found if job and not job.vanished]}

    def list_jobs(self, params: dict[str, Any]) -> dict[str, Any]:
        queue = self._queue(params.get("jobQueue", ""))
        if len(params.get("filters", ())) > 1:
            raise client_error("Only one filter can be used at a time")
        present = [job for job in self.jobs.values() if not job.vanished]
        found = [j for j in present if j.queue_arn.endswith(f"/{queue}") and listed(j, params)]
        # The newest come first, but a filter by name groups by names.
        found.sort(key=lambda job: -job.created_at)
        if any(each["name"] == "JOB_NAME" for each in params.get("filters", ())):
            found.sort(key=lambda job: job.name)
        page, token = self._page(found, params)
        return _with_token("jobSummaryList", [job.summary() for job in page], token)

    def terminate_job(self, params: dict[str, Any]) -> dict[str, Any]:
        job = self._ending(params)
        if job is not None:
            self._terminate(job, params["reason"])
        return {}

    def terminate_jobs(self, params: dict[str, Any]) -> dict[str, Any]:
        """End fifty jobs at most; those that are not known count as ended."""
        if not 1 <= len(params["jobs"]) <= TERMINATE_LIMIT:
            raise client_error(f"jobs must hold 1 to {TERMINATE_LIMIT} ids")
        errors = [
            {"job": job_id, "code": "AccessDenied", "message": "not authorized"}
            for job_id in params["jobs"]
            if job_id in self.protected
        ]
        ended = [job_id for job_id in params["jobs"] if job_id not in self.protected]
        for job_id in ended:
            if job_id in self.jobs:
                self.terminate_job({"jobId": job_id, "reason": params["reason"]})
        return {"successful": ended, "errors": errors}

    def cancel_job(self, params: dict[str, Any]) -> dict[str, Any]:
        job = self._ending(params)
        if job is not None and job.status in ("SUBMITTED", "PENDING", "RUNNABLE"):
            self._terminate(job, params["reason"])
        return {}

    def describe_job_queues(self, params: dict[str, Any]) -> dict[str, Any]:
        wanted = [each.rpartition("/")[2] for each in params.get("jobQueues", self.queues)]
        return {"jobQueues": [self._queue_detail(name) for name in wanted if name in self.queues]}

    def _queue_detail(self, name: str) -> dict[str, Any]:
        return {
            "jobQueueName": name,
            "jobQueueArn": f"{self._arn}:job-queue/{name}",
            "state": self.queues[name],
            "status": "VALID",
            "statusReason": "JobQueue Healthy",
            "priority": 1,
            "computeEnvironmentOrder": [],
            **(
                {"schedulingPolicyArn": f"{self._arn}:scheduling-policy/fair"}
                if name in self.fair_share
                else {}
            ),
        }

    def _queue(self, reference: str) -> str:
        name = reference.rpartition("job-queue/")[2]
        if name not in self.queues:
            raise client_error(f"JobQueue {reference} not found.")
        if self.queues[name] != "ENABLED":
            raise client_error(f"JobQueue {reference} is not in ENABLED state")
        return name

    def _ending(self, params: dict[str, Any]) -> Job | None:
        """Return the job to end; None where there is nothing left to end."""
        if not params["reason"] or len(params["reason"]) > REASON_LIMIT:
            raise client_error(f"reason must have 1 to {REASON_LIMIT} characters")
        job = self.jobs.get(params["jobId"])
        if job is None:
            raise client_error(f"Job {params['jobId']} not found")
        return None if job.ended else job

    def _terminate(self, job: Job, reason: str) -> None:
        job.termination = reason
        if job.status == "RUNNING":
            if self.ends_with_container:
                return
            job.finish_attempt(JobEnd(exit_code=143, status_reason=reason))
        job.settle("FAILED", reason)

    # A job's life

    def _live(self, job: Job) -> None:
        job.status = "RUNNABLE"
        job.status_reason = self._misfit(job)
        if job.status_reason is not None:
            return
        wait = self.queue_seconds
        if self.scaling_seconds:
            job.status_reason = NO_TYPE
            wait = max(wait, self.scaling_seconds)
        if wait < math.inf:
            asyncio.get_running_loop().call_later(wait, self._start, job)

    def _misfit(self, job: Job) -> str | None:
        """Return why no compute environment can ever run a job."""
        asked = {r["type"]: int(r["value"]) for r in job.container["resourceRequirements"]}
        if asked["MEMORY"] > self.max_memory or asked.get("GPU", 0) > self.max_gpus:
            return NO_TYPE
        return TOO_MANY_VCPUS if asked["VCPU"] > self.max_vcpus else None

    def _start(self, job: Job) -> None:
        if job.ended:
            return
        properties = job.container
        for role in (properties.get("executionRoleArn"), properties.get("jobRoleArn")):
            if role in self.missing_roles:
                reason = f"ECS was unable to assume the role '{role}' that was provided"
                self._ended(job, job.attempt, JobEnd(None, status_reason=reason))
                return
        job.start()
        self.on_log(job, ())
        if self.job_seconds < math.inf:
            loop = asyncio.get_running_loop()
            loop.call_later(self.job_seconds, self._time_is_over, job, job.attempt)

    def _time_is_over(self, job: Job, attempt: int) -> None:
        if job.ended or job.attempt != attempt:
            return
        task = asyncio.ensure_future(self._play(job, attempt))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _play(self, job: Job, attempt: int) -> None:
        try:
            end = self.play(job)
            if inspect.isawaitable(end):
                end = await end
        except Exception as error:
            # A job that a faulty script leaves running would only be seen as a hanging test.
            end = JobEnd(None, status_reason=f"The fake's script failed: {error!r}")
            self._ended(job, attempt, end)
            raise
        self._ended(job, attempt, end)

    def _ended(self, job: Job, attempt: int, end: JobEnd | None) -> None:
        if end is None or job.ended or job.attempt != attempt:
            return
        self.on_log(job, end.log)
        job.vanished = end.vanish
        job.finish_attempt(end)
        if job.wants_retry(end):
            self._live(job)
        else:
            job.settle("SUCCEEDED" if end.succeeded else "FAILED", job.termination)

    # Pages

    def _page(self, items: list[Any], params: dict[str, Any]) -> tuple[list[Any], str | None]:
        """Return one page and the token for the rest; a token is good once."""
        if "nextToken" in params:
            items = self._pages.pop(params["nextToken"], [])
        size = params.get("maxResults", DESCRIBE_LIMIT)
        if not 1 <= size <= DESCRIBE_LIMIT:
            raise client_error(f"maxResults must be 1 to {DESCRIBE_LIMIT}")
        if len(items) <= size:
            return items, None
        token = uuid.uuid4().hex
        self._pages[token] = items[size:]
        return items[:size], token


def _with_token(name: str, items: list[Any], token: str | None) -> dict[str, Any]:
    return {name: items, "nextToken": token} if token else {name: items}
