"""The fake AWS as a whole: the services, their state, and the thread that serves them."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from aiohttp import web

from covalent_awsbatch_plugin.local.tracking.resource_tracker import temporary_folder
from covalent_awsbatch_plugin.protocol import s3_keys
from tests.fake_aws import http, scripts
from tests.fake_aws.batch import Batch
from tests.fake_aws.errors import ApiError, CutError
from tests.fake_aws.jobs import Job
from tests.fake_aws.logs import Logs
from tests.fake_aws.rates import DEFAULT_RATES, TokenBucket
from tests.fake_aws.s3 import S3

# Below the range from which systems take ports for outgoing connections.
PORTS = range(20_000, 32_000)
ACCOUNT = "123456789012"
ACCESS_KEY, SECRET_KEY = "AKIAFAKEFAKEFAKEFAKE", "not-a-secret"
BUCKET = "covalent-fake-bucket"
QUEUE = "covalent-fake-queue"
DEFINITION = "covalent-fake-jobs"
LOG_GROUP = "covalent-fake-logs"


class FakeAws:
    """S3, STS, Batch and CloudWatch Logs on 127.0.0.1, for as long as the context lasts.

    Args:
        latency: Seconds that every call takes.
        job_seconds: How long an attempt runs; ``math.inf`` for ever.
        queue_seconds: How long a job waits in RUNNABLE; ``math.inf`` for ever.
        definition_delay: Seconds until a registered job definition is visible.
        rates: Calls allowed a second by ``service:Operation``; AWS's own by default.
        script: How a job ends whose time is over; see ``scripts``.
        region: The region that serves.
        port: The port to listen on; a free one by default.

    Attributes:
        calls: Every call made, by ``service:Operation``; refused ones count too.
        refused: The calls refused for their rate, likewise.
        bytes_up, bytes_down: Bytes of bodies moved, by ``service:Operation``.
        call_times: When the latest calls came (``time.monotonic``), by ``service:Operation``.
        expired_keys: Access keys that have run out.
        expired_calls: The number of calls refused for their expired key.
        result_size: Bytes of the result that the default script stores; 0 for None.
        s3, batch, logs: The services with their state.
    """

    def __init__(
        self,
        *,
        latency: float = 0.0,
        job_seconds: float = 0.0,
        queue_seconds: float = 0.0,
        definition_delay: float = 0.0,
        rates: Mapping[str, float] = DEFAULT_RATES,
        script: scripts.Script = scripts.played,
        region: str = "us-east-1",
        port: int | None = None,
    ) -> None:
        self.latency = latency
        self.script = script
        self.region = region
        self.account = ACCOUNT
        self.expired_keys: set[str] = set()
        self.expired_calls = 0
        self.result_size = 0
        self.buckets = {name: TokenBucket(rate) for name, rate in rates.items()}
        self.faults: defaultdict[str, deque[ApiError | CutError]] = defaultdict(deque)
        self.forget_calls()
        self._make_services(job_seconds, queue_seconds, definition_delay)
        self._port = port
        self._files = ExitStack()
        self._directory = self._files.enter_context(temporary_folder("fake-aws-"))

    def _make_services(self, job_seconds: float, queue_seconds: float, delay: float) -> None:
        self.s3, self.logs = S3(), Logs()
        self.batch = Batch(self.region, ACCOUNT, lambda job: self.script(job, self))
        self.batch.job_seconds = job_seconds
        self.batch.queue_seconds = queue_seconds
        self.batch.definition_delay = delay
        self.batch.on_log = lambda job, lines: self.logs.write(
            job.log_group, job.log_stream or "unknown", lines
        )
        self.s3.add_bucket(BUCKET, ACCOUNT, self.region)
        self.batch.add_queue(QUEUE)
        self.logs.add_group(LOG_GROUP)

    def forget_calls(self) -> None:
        """Set every counter to zero."""
        self.calls: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.bytes_up: Counter[str] = Counter()
        self.bytes_down: Counter[str] = Counter()
        self.call_times: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=5000))

    def fail(self, operation: str, fault: ApiError | CutError, times: int = 1) -> None:
        """Answer the next calls of an operation (``batch:SubmitJob``) with a fault."""
        self.faults[operation].extend([fault] * times)

    def count(self, operation: str) -> None:
        """Note a call.

        Raises:
            ApiError: It is beyond the operation's rate, or is set to fail.
            CutError: Its connection is set to break.
        """
        self.calls[operation] += 1
        self.call_times[operation].append(time.monotonic())
        bucket = self.buckets.get(operation)
        if bucket is not None and not bucket.admit():
            self.refused[operation] += 1
            raise http.too_many(operation)
        if self.faults[operation]:
            raise self.faults[operation].popleft()

    def objects(self, bucket: str = BUCKET) -> dict[str, Any]:
        """Return a bucket's objects, but for those that servers keep there for all dispatches."""
        every = self.s3.buckets[bucket].objects
        return {key: every[key] for key in every if not key.startswith(s3_keys.SHARED)}

    def executor_options(self) -> dict[str, Any]:
        """Return the executor's options for these resources."""
        return {
            "credentials": str(self.credentials_file),
            "profile": "default",
            "region": self.region,
            "endpoint_url": self.endpoint_url,
            "s3_bucket_name": BUCKET,
            "batch_queue": QUEUE,
            "batch_job_definition_name": DEFINITION,
            "batch_execution_role_name": "fakeExecutionRole",
            "batch_job_role_name": "fakeJobRole",
            "batch_job_log_group_name": LOG_GROUP,
        }

    @property
    def credentials_file(self) -> Path:
        """A credentials file that the fake accepts."""
        path = self._directory / "credentials"
        if not path.exists():
            keys = f"aws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
            path.write_text(f"[default]\n{keys}")
        return path

    def credentials_of(self, job: Job) -> dict[str, str]:
        """Return the variable by which a job finds the credentials of its role, if it has one."""
        if "jobRoleArn" not in job.container:
            return {}
        return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{self.endpoint_url}{http.TASKS}{job.id}"}

    def task_credentials(self, job_id: str) -> dict[str, str] | None:
        """Return the credentials of a job's role; None where there is no such job."""
        job = self.batch.jobs.get(job_id)
        if job is None:
            return None
        return {
            "RoleArn": str(job.container["jobRoleArn"]),
            "AccessKeyId": ACCESS_KEY,
            "SecretAccessKey": SECRET_KEY,
            "Token": "fake",
            "Expiration": "2999-01-01T00:00:00Z",
        }

    def __repr__(self) -> str:
        return f"<FakeAws {self.endpoint_url} {sum(self.calls.values())} calls>"

    # Serving

    def __enter__(self) -> FakeAws:
        self._socket = _listen(self._port)
        self.endpoint_url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._ready, self._loop = threading.Event(), asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="fake-aws", daemon=True)
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._files.close()

    def _serve(self) -> None:
        loop = self._loop
        runner = loop.run_until_complete(self._start())
        loop.call_soon(self._ready.set)
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.run_until_complete(_cancel_all())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    async def _start(self) -> web.ServerRunner:
        server = web.Server(http.handler(self), access_log=None, auto_decompress=False)
        runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await runner.setup()
        await web.SockSite(runner, self._socket).start()
        return runner


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _listen(port: int | None) -> socket.socket:
    """Return a listening socket on 127.0.0.1, by default on a free port."""
    for candidate in [port] if port else random.sample(PORTS, 50):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", candidate))
        except OSError:
            listener.close()
            continue
        listener.listen(1024)
        return listener
    raise OSError("no free port found")
