"""A runner that plays the worker in a thread, so that hundreds of jobs cost seconds."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

import boto3
import cloudpickle
from botocore.config import Config
from botocore.exceptions import ClientError

from covalent_awsbatch_plugin.local.loopback import open_directly
from covalent_awsbatch_plugin.local.runners.runner import AttemptExit, AttemptSpec
from covalent_awsbatch_plugin.protocol import env_names, envelope, messages, s3_keys

STOPPED = AttemptExit(143)


class PlayedAttempt:
    """An attempt that fetches its task, calls it in a thread, and stores the outcome."""

    def __init__(self, spec: AttemptSpec, runs: list[str]) -> None:
        self._spec = spec
        self._runs = runs
        self._stopped = threading.Event()
        self._exit = STOPPED
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        environment = self._spec.environment
        with open_directly(environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"], timeout=60) as read:
            keys = json.load(read)
        client = boto3.client(
            "s3",
            endpoint_url=environment["AWS_ENDPOINT_URL"],
            region_name=environment["AWS_DEFAULT_REGION"],
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["Token"],
            config=Config(retries={"mode": "standard", "max_attempts": 10}),
        )
        bucket = environment[env_names.ENV_BUCKET]
        body = client.get_object(Bucket=bucket, Key=environment[env_names.ENV_TASK])["Body"]
        task = envelope.decode_task(body.read())
        function, args, kwargs = cloudpickle.loads(task.call.function.data)
        # Until here a stop means that the task did not run.
        if self._stopped.wait(0.05):
            return
        self._runs.append(self._spec.job_id)
        content = cloudpickle.dumps(function(*args, **kwargs))
        outcome = messages.Outcome(
            messages.RETURNED,
            attempt=self._spec.attempt,
            result=messages.Part("pickle", data=content, size=len(content)),
        )
        key = s3_keys.outcome_key(task.outcome_prefix, self._spec.job_id, self._spec.attempt)
        try:
            client.put_object(
                Bucket=bucket, Key=key, Body=envelope.encode_outcome(outcome), IfNoneMatch="*"
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "PreconditionFailed":
                raise
        self._exit = AttemptExit(0)

    def wait(self) -> AttemptExit:
        self._thread.join()
        return self._exit

    def stop(self, grace: float) -> None:
        self._stopped.set()

    kill = close = lambda self: self._stopped.set()


class PlayedRunner:
    """Plays every attempt; ``runs`` has the job's id for every time a task really ran."""

    name = "played"

    def __init__(self) -> None:
        self.runs: list[str] = []

    def start(self, spec: AttemptSpec, on_line: Callable[[bytes], None]) -> PlayedAttempt:
        return PlayedAttempt(spec, self.runs)

    def close(self) -> None:
        pass
