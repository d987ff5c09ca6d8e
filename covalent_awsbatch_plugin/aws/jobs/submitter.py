"""SubmitJob at the account's rate, each job exactly once.

SubmitJob has no client token, so a response that is lost on its way leaves an unknown job behind.
Each run therefore has a job name of its own, and before a second try the queue is searched for it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from ...errors import AWSUnavailable, BatchTaskError
from ..calls.patience import PATIENCE
from ..calls.rate_limits import backoff
from ..calls.session import FateUnknown, Session, Wait, just_wait
from ..model.submission import JobSpec, submit_request

log = logging.getLogger("covalent_awsbatch_plugin")

# A definition that was just registered may not be found for some seconds.
DEFINITION_PATIENCE = 20.0

# A job that was just submitted may not be listed for some seconds.
LISTING_PATIENCE = 3.0


class Submitter:
    """Submits jobs."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.submitted = 0
        self._visible: set[str] = set()

    def __repr__(self) -> str:
        return f"<Submitter {self.submitted} submitted>"

    async def submit(self, spec: JobSpec, definition_arn: str, wait: Wait = just_wait) -> str:
        """Submit a job; return its id.

        Args:
            spec: The job.
            definition_arn: Its definition's ARN.
            wait: How to wait for a slot; it may give up, and then there is no job.

        Raises:
            ResourceMissing: The queue or the definition does not exist.
            AWSError: AWS refused it.
        """
        loop = asyncio.get_running_loop()
        request, start, failures = submit_request(spec, definition_arn), loop.time(), 0
        while True:
            try:
                job_id = await self._submit_once(request, wait)
                self.submitted += 1
                self._visible.add(definition_arn)
                return job_id
            except FateUnknown as error:
                if found := await self.find(spec):
                    return found
                if loop.time() - start > PATIENCE:
                    raise AWSUnavailable(
                        f"batch:SubmitJob had no response ({error}).",
                        advice="check the network, then dispatch again.",
                    ) from error
                log.warning("AWS Batch: SubmitJob had no response (%s); trying again", error)
            except BatchTaskError as error:
                # One that a job was submitted with is gone; another may not be visible yet.
                late = loop.time() - start > DEFINITION_PATIENCE
                if not lacks_definition(error) or definition_arn in self._visible or late:
                    raise
            failures += 1
            await wait(asyncio.sleep(backoff(failures)))

    async def _submit_once(self, request: dict[str, Any], wait: Wait) -> str:
        response = await self._session.call("batch", "submit_job", once=True, wait=wait, **request)
        if "jobId" not in response:
            # It did not come from Batch, but perhaps from a proxy on the way.
            raise FateUnknown("batch:SubmitJob: a response without a job")
        return str(response["jobId"])

    async def find(self, spec: JobSpec) -> str | None:
        """Return the id of a job whose submission had no response, or None if there is none.

        Raises:
            AWSError: AWS refused it.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + LISTING_PATIENCE
        while True:
            listed = await self._session.call(
                "batch",
                "list_jobs",
                jobQueue=spec.queue,
                filters=[{"name": "JOB_NAME", "values": [spec.name]}],
            )
            for job in listed.get("jobSummaryList", ()):
                if job["jobName"] == spec.name:
                    return str(job["jobId"])
            if loop.time() > until:
                return None
            await asyncio.sleep(1.0)


def lacks_definition(error: BatchTaskError) -> bool:
    """Return whether a submission was refused because its job definition is not known (yet)."""
    text = error.detail.lower()
    return "jobdefinition" in text.replace(" ", "") and "not" in text
