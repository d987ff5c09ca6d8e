"""What the dispatcher and the worker agree on: S3 keys, environment names, exit codes, data.

Both sides import this module, and the worker's copy travels with the task, so it uses the
standard library only.

Layout of the bucket, all under one prefix so that a policy and a lifecycle rule can name it::

    covalent/<dispatch>/blobs/<sha256>                 large inputs, and the worker; shared
    covalent/<dispatch>/<node>/task                    the task's envelope
    covalent/<dispatch>/<node>/<job id>/outcome-<n>    how attempt n ended, written once
    covalent/<dispatch>/<node>/<job id>/result-<n>     its result, where that is large
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any

PREFIX = "covalent"

# Parts below this stay inside the envelope: one request then moves the whole task. Above it a
# part is worth an object of its own, which a hundred electrons can share.
INLINE_LIMIT = 256 * 1024

# What is kept of each output stream; the middle of anything longer is left out.
OUTPUT_LIMIT = 4 * 1024 * 1024


ENV_BUCKET = "COVALENT_AWSBATCH_BUCKET"
ENV_OWNER = "COVALENT_AWSBATCH_BUCKET_OWNER"
ENV_TASK = "COVALENT_AWSBATCH_TASK"
ENV_WORKER = "COVALENT_AWSBATCH_WORKER"
ENV_PYTHON = "COVALENT_AWSBATCH_PYTHON"
ENV_REQUIREMENTS = "COVALENT_AWSBATCH_REQUIREMENTS"
ENV_BOUNDS = "COVALENT_AWSBATCH_BOUNDS"
ENV_JOB_ID = "AWS_BATCH_JOB_ID"
ENV_ATTEMPT = "AWS_BATCH_JOB_ATTEMPT"

TAG_DISPATCH = "covalent-awsbatch:dispatch"
TAG_NODE = "covalent-awsbatch:node"
TAG_FUNCTION = "covalent-awsbatch:function"
TAG_SERVER = "covalent-awsbatch:server"
TAG_PROPERTIES = "covalent-awsbatch:properties"

# Exit codes of the worker. 210 to 219 mean that another attempt cannot do better; retry
# strategies match them with NEVER_RETRIED.
EXIT_RETURNED = 0
EXIT_RAISED = 1
EXIT_START_FAILED = 200
EXIT_PYTHON_MISMATCH = 210
EXIT_NOT_SERIALIZABLE = 211
EXIT_NO_PERMISSION = 212
EXIT_BAD_TASK = 213
EXIT_NO_PYTHON = 214
NEVER_RETRIED = "21*"

# How an outcome says that the task ended.
RETURNED = "returned"
RAISED = "raised"
NOT_SERIALIZABLE = "not serializable"
START_FAILED = "start failed"
KILLED = "killed"
STATUSES = (RETURNED, RAISED, NOT_SERIALIZABLE, START_FAILED, KILLED)


@dataclass(frozen=True)
class Part:
    """One piece of a task or outcome.

    Attributes:
        kind: ``transportable`` (the base64 text of a Covalent TransportableObject), ``pickle``
            (the bytes of a cloudpickle) or ``text`` (UTF-8).
        header: The TransportableObject's header; empty for other kinds.
        string: The TransportableObject's string form; empty where nobody reads it.
        data: The content, where it is inside the envelope.
        key: The S3 key of the object that holds the content, where it is not.
        size: The content's size in bytes.
    """

    kind: str
    data: bytes | None = None
    key: str | None = None
    size: int = 0
    header: dict[str, Any] = field(default_factory=dict)
    string: str = ""


@dataclass(frozen=True)
class Call:
    """What a job is to run: Covalent's wrapper with its parts, or any pickled call.

    Attributes:
        function: The user's function; for a ``pickle`` part the tuple (function, args, kwargs).
        args: Positional arguments.
        kwargs: Keyword arguments.
        before: Calls made before (function, args, kwargs, key of the returned value).
        after: Calls made after, in the same form.
    """

    function: Part
    args: tuple[Part, ...] = ()
    kwargs: dict[str, Part] = field(default_factory=dict)
    before: tuple[tuple[Part, Part, Part, str], ...] = ()
    after: tuple[tuple[Part, Part, Part, str], ...] = ()


@dataclass(frozen=True)
class Task:
    """A task's envelope.

    Attributes:
        name: The function's name, for people.
        python: The Python version of the client that pickled the function, such as ``3.11.7``.
        call: What to run.
        outcome_prefix: Where outcomes go, up to the job's id.
    """

    name: str
    python: str
    call: Call
    outcome_prefix: str


@dataclass(frozen=True)
class Outcome:
    """How one attempt ended, as its worker saw it.

    Attributes:
        status: One of STATUSES.
        attempt: The attempt's number, from 1.
        exit_code: The exit code the worker ends with.
        error: One line: the exception's type and message, or what else went wrong.
        traceback: The formatted traceback of the task's exception.
        started: Seconds since the epoch when the worker started.
        ended: Seconds since the epoch when the task had ended.
        peak_memory: The task's peak resident memory in bytes.
        python: The worker's Python version.
        result: The result, where there is one.
        stdout: What the task wrote to standard output.
        stderr: What the task wrote to standard error.
    """

    status: str
    attempt: int = 1
    exit_code: int = 0
    error: str = ""
    traceback: str = ""
    started: float = 0.0
    ended: float = 0.0
    peak_memory: int = 0
    python: str = ""
    result: Part | None = None
    stdout: str = ""
    stderr: str = ""


def safe_name(name: object) -> str:
    """Return ``name`` where it is harmless in keys, names and tags, else a digest of it."""
    text = str(name)
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", text):
        return text
    return "x" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:31]


def dispatch_prefix(dispatch_id: object) -> str:
    """Return the prefix of everything that belongs to a dispatch."""
    return f"{PREFIX}/{safe_name(dispatch_id)}/"


def node_prefix(dispatch_id: object, node_id: object) -> str:
    """Return the prefix of everything that belongs to one node."""
    return f"{dispatch_prefix(dispatch_id)}{safe_name(node_id)}/"


def blob_key(dispatch_id: object, digest: str) -> str:
    """Return the key of a large input by its SHA-256."""
    return f"{dispatch_prefix(dispatch_id)}blobs/{digest}"


def task_key(dispatch_id: object, node_id: object) -> str:
    """Return the key of a task's envelope."""
    return f"{node_prefix(dispatch_id, node_id)}task"


def outcome_key(outcome_prefix: str, job_id: str, attempt: int) -> str:
    """Return the key of the outcome of one attempt."""
    return f"{outcome_prefix}{safe_name(job_id)}/outcome-{int(attempt)}"


def result_key(outcome_prefix: str, job_id: str, attempt: int) -> str:
    """Return the key of a result too large for the outcome."""
    return f"{outcome_prefix}{safe_name(job_id)}/result-{int(attempt)}"


def minor(version: str) -> str:
    """Return ``3.11`` of ``3.11.7``."""
    return ".".join(version.split(".")[:2])
