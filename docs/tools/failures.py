"""Makes the page ``docs/failures.md``: every kind of failure with the text that it produces.

Each text is what ``diagnosis.diagnose`` makes of a representative case, or ``aws_errors`` of a
response of AWS: every rule of the diagnosis brings its own.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import promises
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from covalent_awsbatch_plugin import errors
from covalent_awsbatch_plugin.aws.calls.aws_errors import classify
from covalent_awsbatch_plugin.aws.calls.translation import translate
from covalent_awsbatch_plugin.aws.jobs.logs import console_link
from covalent_awsbatch_plugin.aws.model.description import Attempt, JobDescription
from covalent_awsbatch_plugin.aws.objects.cache_folder import unusable
from covalent_awsbatch_plugin.errors import BatchTaskError
from covalent_awsbatch_plugin.failures.diagnosis import diagnose
from covalent_awsbatch_plugin.failures.evidence import Case
from covalent_awsbatch_plugin.failures.rules import DECIDED, OUT_OF_MEMORY, RULES, Rule
from covalent_awsbatch_plugin.failures.unfetched import not_fetched
from covalent_awsbatch_plugin.options import resolution
from covalent_awsbatch_plugin.options.table import BY_NAME
from covalent_awsbatch_plugin.protocol import exit_codes, messages, s3_keys
from covalent_awsbatch_plugin.protocol.messages import Outcome

JOB = "5f0c6a53-2f0b-4f8e-9d8a-3a4f6c1f2b7d"
BUCKET = BY_NAME["s3_bucket_name"].default
GROUP = BY_NAME["batch_job_log_group_name"].default
STREAM = "covalent-batch/default/1b9d0a7c4e2f4f0f9e6b2d3c4a5b6c7d"
LINK = console_link("us-east-1", GROUP, STREAM, "aws")
ESSENTIAL = "Essential container in task exited"

INTRODUCTION = r"""
# Failures

A task that fails ends as FAILED in Covalent. Its stdout has everything that it had printed; its
stderr has what it wrote there, its traceback where it raised, and then one of the texts below:
what happened, what to do about it, and the evidence. Each is an exception of the module
`covalent_awsbatch_plugin.errors`, and all of them are `BatchTaskError`; `run()` raises it as
Covalent's `TaskRuntimeError` too. Covalent itself keeps only the output of a failed task, not the
exception's text, and its user interface shows neither. `covalent-awsbatch show` prints both, and
Python has the node's stderr:

```python
import covalent as ct


@ct.electron(executor=ct.executor.AWSBatchExecutor(retry_attempts=1))
def divide(number):
    return number / 0


@ct.lattice
def workflow(number):
    return divide(number)


result = ct.get_result(ct.dispatch(workflow)(6), wait=True)
node = result.get_node_result(0)
assert "ZeroDivisionError: division by zero\n" in node["stderr"], node
print(node["stderr"])
```

This page is made from the code by `python docs/tools/write.py`: each promise stands with the tests
that prove it, and the texts are those of the plugin, for a job that asked for 3.75 GB and 300
seconds. AWS's words in them are as AWS documents them, or as users have reported them.

## What is retried

Throttling, server errors, lost connections, expired credentials and a wrong clock do not end a
task. Its calls are retried with backoff, and that is logged once in the Covalent server's log with
what to do, and again when it is over:

{retried}

Batch attempts a job up to `retry_attempts` times in all, whatever an attempt failed of, unless
`retry_on="infrastructure"` excludes it. A wrong Python version, a part of the task that cannot be
unpickled, a result that cannot be pickled or stored, a missing permission and a time limit that
is exceeded are never attempted again.

## What is kept

{kept}

## What a task may leave behind

The outcome of a function (its result, or its exception) is settled when it returns or raises. What
happens to its process after that changes nothing about it, and takes a bounded time:

- Threads that still run, and exit handlers, have 10 seconds, as they would keep a script from
  ending. Then the process is killed.
- Processes that the task started have one second to end by themselves, and are then killed.
- A task that is asked to end (SIGTERM: it is cancelled, its time is up, its host is reclaimed) has
  20 seconds to do so. If it returns, its result counts.

The task's stderr names what was killed. If a task writes more than 4 MiB to a stream, the middle
is left out of what Covalent gets; the job's log has all of it.
"""


@dataclass(frozen=True)
class Example:
    """One failure.

    Attributes:
        title: What it is, in a few words.
        error: The error that the user gets.
        remark: What else there is to know about it.
    """

    title: str
    error: BatchTaskError
    remark: str = ""


# ---- Jobs that ended


def _job(**known: Any) -> JobDescription:
    """Return a failed job of one attempt, as Batch describes it."""
    described = JobDescription(
        job_id=JOB,
        status="FAILED",
        status_reason=ESSENTIAL,
        log_stream=STREAM,
        log_group=GROUP,
        image="public.ecr.aws/docker/library/python:3.11-slim",
    )
    described = replace(described, **known)
    attempt = Attempt(
        described.exit_code, described.reason, described.status_reason, described.log_stream
    )
    return replace(described, attempts=known.get("attempts", (attempt,)))


def _diagnosed(
    job: JobDescription | None,
    outcome: Outcome | None = None,
    log: tuple[str, ...] = (),
    **more: Any,
) -> BatchTaskError:
    streams = {a.log_stream for a in job.attempts if a.log_stream} if job else set()
    case = Case(
        job_id=JOB,
        job=job,
        outcome=outcome,
        time_limit=BY_NAME["time_limit"].default,
        memory=BY_NAME["memory"].default,
        python="3.11",
        bucket=BUCKET,
        region="us-east-1",
        logs={stream: list(log) for stream in streams},
        links=dict.fromkeys(streams, LINK),
    )
    error = diagnose(replace(case, **more))
    assert error is not None
    return error


def _of_the_task() -> Iterator[Example]:
    yield Example(
        "The task raised",
        _diagnosed(
            _job(exit_code=exit_codes.EXIT_RAISED),
            Outcome(messages.RAISED, error="ZeroDivisionError: division by zero"),
        ),
        "The traceback stands before it.",
    )
    yield Example(
        "The job lacks a package",
        _diagnosed(
            _job(exit_code=exit_codes.EXIT_RAISED),
            Outcome(messages.RAISED, error="ModuleNotFoundError: No module named 'sklearn'"),
        ),
        "Here the function itself imports it.",
    )
    yield Example(
        "The job lacks a module of the workflow's",
        _diagnosed(
            _job(exit_code=exit_codes.EXIT_CANNOT_UNPICKLE),
            Outcome(
                messages.RAISED,
                exit_code=exit_codes.EXIT_CANNOT_UNPICKLE,
                error="ModuleNotFoundError: No module named 'model' (while argument 1 of the task "
                "was being unpickled)",
            ),
        ),
        "What cannot be unpickled is named: the function, an argument, or a call before or after "
        "it, of which pip and bash dependencies are the first.",
    )
    yield Example(
        "The result cannot be pickled",
        _diagnosed(
            _job(exit_code=exit_codes.EXIT_NOT_SERIALIZABLE),
            Outcome(
                messages.NOT_SERIALIZABLE,
                error="TypeError: cannot pickle '_thread.lock' object",
            ),
        ),
    )
    yield Example(
        "The task's process died",
        _diagnosed(
            _job(exit_code=139),
            Outcome(messages.KILLED, exit_code=139, error="It was ended by SIGSEGV"),
        ),
    )
    killed = Outcome(messages.KILLED, exit_code=137, error="It was ended by SIGKILL")
    yield Example(
        "The task's process was killed",
        _diagnosed(_job(exit_code=137), replace(killed, peak_memory=2**28)),
        "Only a peak near the limit, or AWS's word, makes it a lack of memory.",
    )
    yield _of_rule(OUT_OF_MEMORY)
    yield from (_of_rule(rule) for rule in DECIDED if rule.error is errors.TimeLimitExceeded)


def _of_rule(rule: Rule) -> Example:
    """Return the example that a rule brings along."""
    status_reason, reason = rule.example
    waits = rule.status == "RUNNABLE"
    logged = bool(rule.exit_codes)
    job = _job(
        status=rule.status,
        status_reason=status_reason,
        reason=reason,
        exit_code=rule.exit_codes[0] if rule.exit_codes else None,
        log_stream=STREAM if logged else "",
        **({"attempts": ()} if waits else {}),
    )
    log = (rule.example_log,) if rule.example_log else ()
    return Example(rule.title, _diagnosed(job, log=log), REMARKS.get(rule.title, ""))


REMARKS = {
    "Host lost": "Also when spot capacity is taken back. No attempt has an exit code then.",
    "The job can never start: its resources": "The plugin ends the job when AWS Batch has "
    "reported this for `misconfiguration_timeout` seconds without a break: it would wait for "
    "ever, and hold up those behind it.",
}


def _of_the_job() -> Iterator[Example]:
    shown_above = (OUT_OF_MEMORY.title, "Time limit")
    yield from (_of_rule(rule) for rule in RULES if rule.title not in shown_above)
    yield Example(
        "A person or a program ended the job",
        _diagnosed(_job(status_reason="Stopped by the night watch", terminated=True)),
        "A job that Covalent cancelled makes its node CANCELLED, without an error.",
    )
    yield Example(
        "Words that the plugin does not know",
        _diagnosed(_job(status_reason="A reason that is new", exit_code=3)),
    )
    yield Example(
        "The outcome object is unreadable",
        _diagnosed(_job(exit_code=0), unreadable="it has no valid header"),
    )
    yield Example("Batch has forgotten the job", _diagnosed(None))


# ---- What AWS refused


def _answered(
    service: str, method: str, code: str, message: str, status: int = 400, **params: Any
) -> BatchTaskError:
    answer = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return _translated(ClientError(answer, method), service, method, params)


def _translated(
    error: Exception, service: str, method: str, params: dict[str, Any]
) -> BatchTaskError:
    return translate(error, classify(error), service, method, params)


def _of_aws() -> Iterator[Example]:
    yield Example(
        "No credentials",
        _translated(NoCredentialsError(), "sts", "get_caller_identity", {}),
    )
    yield Example(
        "Credentials that AWS does not accept",
        _answered(
            "sts",
            "get_caller_identity",
            "InvalidClientTokenId",
            "The security token included in the request is invalid.",
            403,
        ),
    )
    yield Example(
        "Permission denied",
        _answered(
            "batch",
            "submit_job",
            "AccessDeniedException",
            "User: arn:aws:iam::123456789012:user/ada is not authorized to perform: "
            "batch:SubmitJob on resource: arn:aws:batch:us-east-1:123456789012:job-queue/"
            "covalent-batch-queue",
            403,
        ),
    )
    yield Example(
        "The bucket does not exist",
        _answered(
            "s3",
            "put_object",
            "NoSuchBucket",
            "The specified bucket does not exist",
            404,
            Bucket="my-bucket",
        ),
    )
    yield Example(
        "The queue does not exist",
        _answered(
            "batch",
            "submit_job",
            "ClientException",
            "JobQueue arn:aws:batch:us-east-1:123456789012:job-queue/my-queue not found",
        ),
    )
    yield Example(
        "Anything else that AWS refuses",
        _answered(
            "batch",
            "submit_job",
            "ClientException",
            "The job queue covalent-batch-queue is disabled and accepts no jobs.",
        ),
    )
    yield Example(
        "AWS cannot be reached",
        _translated(
            EndpointConnectionError(endpoint_url="https://batch.us-east-1.amazonaws.com/"),
            "batch",
            "describe_jobs",
            {},
        ),
        "After an hour, while tasks run; after 20 seconds, when nothing has succeeded yet.",
    )


def _of_options() -> Iterator[Example]:
    try:
        resolution.resolve(
            {"time_limit": 30, "retry_attempts": 11, "s3_bucket_name": "My_Bucket"}, {}
        )
    except errors.InvalidOptions as error:
        yield Example("Options out of bounds", error, "All that are wrong, in one message.")
    yield Example(
        "Temporary files cannot be written",
        unusable("/tmp/covalent", OSError(errno.ENOSPC, "No space left on device")),
        "It is checked before a job is submitted.",
    )


def _of_the_server() -> Iterator[Example]:
    node = {"dispatch_id": "2b6d4c9e-6a3f-4b0e-9f0c-6d1c2a7e8f53", "node_id": 4}
    folder = f"s3://{BUCKET}/{s3_keys.node_prefix(*node.values())}"
    task_key = s3_keys.task_key(*node.values(), run="9c1f2a7b")
    result = messages.Part("transportable", None, s3_keys.result_key(task_key, JOB, 1), 734003200)
    error = OSError(errno.ENOSPC, "No space left on device")
    yield Example(
        "The result could not be fetched",
        not_fetched(node, JOB, folder, result, error),
        "The task has returned, and its objects stay in the bucket.",
    )


# ---- The page

SECTIONS = (
    ("What the task did", _of_the_task),
    ("What happened to its job", _of_the_job),
    ("What happened on the Covalent server", _of_the_server),
    ("What AWS answered", _of_aws),
    ("Before anything is sent", _of_options),
)


def examples() -> list[Example]:
    """Return every example."""
    return [example for _, make in SECTIONS for example in make()]


def page() -> str:
    """Return the page."""
    introduction = INTRODUCTION.lstrip()
    introduction = introduction.replace("{retried}", promises.listed(promises.RETRIED))
    parts = [introduction.replace("{kept}", promises.listed(promises.KEPT))]
    for title, make in SECTIONS:
        parts.append(f"## {title}\n")
        parts += map(_shown, make())
    return "\n".join(parts)


def _shown(example: Example) -> str:
    name = type(example.error).__name__
    remark = f" {example.remark}" if example.remark else ""
    return f"### {example.title}\n\n`{name}`.{remark}\n\n```text\n{example.error.text}\n```\n"
