"""A fake of S3, STS, Batch and CloudWatch Logs over HTTP, as strict as AWS and cheap.

In a test's own process, with direct access to its state::

    with FakeAws(job_seconds=0.05) as aws:
        executor = AWSBatchExecutor(**aws.executor_options())
        ...
        assert aws.calls["batch:SubmitJob"] == 300

or as a process of its own, for benchmarks: ``python -m tests.fake_aws --latency 0.03``.

Jobs are not run but *scripted*: when a job's time is over, its script decides how it ended and
does what its container would have done to S3 and the logs (see ``scripts``).
"""

from tests.fake_aws.aws import FakeAws
from tests.fake_aws.errors import ApiError, CutError
from tests.fake_aws.jobs import Job, JobEnd

__all__ = ["ApiError", "CutError", "FakeAws", "Job", "JobEnd"]
