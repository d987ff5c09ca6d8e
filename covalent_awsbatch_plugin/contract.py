"""What the dispatcher and the worker agree on: S3 keys, environment names, exit codes, envelopes.

Both sides import this module, and the worker's copy travels with the task, so it uses the
standard library only.

Layout of the bucket, all under one prefix so that a policy and a lifecycle rule can name it::

    covalent/<dispatch>/blobs/<sha256>                 large inputs, and the worker; shared
    covalent/<dispatch>/<node>/task                    the task's envelope
    covalent/<dispatch>/<node>/<job id>/outcome-<n>    how attempt n ended, written once
    covalent/<dispatch>/<node>/<job id>/result-<n>     its result, where that is large

An envelope (of a task or an outcome) is one object: eight bytes of magic, the header's length as
four bytes, a JSON header, and the small parts one after the other. A part in the header either
says where it lies in the envelope or names the object that holds it.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any

FORMAT = 1
MAGIC = b"cvltaws\x01"
PREFIX = "covalent"

# Parts below this stay inside the envelope: one request then moves the whole task. Above it a
# part is worth an object of its own, which a hundred electrons can share.
INLINE_LIMIT = 256 * 1024

# What is kept of each output stream; the middle of anything longer is left out.
OUTPUT_LIMIT = 4 * 1024 * 1024

# The largest header that is believed: a corrupt length must not make us allocate gigabytes.
HEADER_LIMIT = 64 * 1024 * 1024

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


class BadEnvelope(ValueError):
    """These bytes are not an envelope of this format."""


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


class _Packer:
    """Collects the small parts of an envelope and says where each lies."""

    def __init__(self) -> None:
        self.body: list[bytes] = []
        self.length = 0

    def pack(self, part: Part) -> dict[str, Any]:
        packed: dict[str, Any] = {"kind": part.kind, "size": part.size}
        if part.header:
            packed["header"] = part.header
        if part.string:
            packed["string"] = part.string
        if part.data is None:
            packed["key"] = part.key
            return packed
        packed.update(at=self.length, size=len(part.data))
        self.body.append(part.data)
        self.length += len(part.data)
        return packed

    def join(self, header: dict[str, Any]) -> bytes:
        encoded = json.dumps(header, separators=(",", ":")).encode("utf-8")
        return b"".join((MAGIC, len(encoded).to_bytes(4, "big"), encoded, *self.body))


def encode_task(task: Task) -> bytes:
    """Return the bytes of a task's envelope."""
    packer = _Packer()
    call = task.call
    header = {
        "format": FORMAT,
        "type": "task",
        "name": task.name,
        "python": task.python,
        "outcome_prefix": task.outcome_prefix,
        "function": packer.pack(call.function),
        "args": [packer.pack(part) for part in call.args],
        "kwargs": {key: packer.pack(part) for key, part in call.kwargs.items()},
        "before": [[*map(packer.pack, hook[:3]), hook[3]] for hook in call.before],
        "after": [[*map(packer.pack, hook[:3]), hook[3]] for hook in call.after],
    }
    return packer.join(header)


def encode_outcome(outcome: Outcome) -> bytes:
    """Return the bytes of an outcome's envelope."""
    packer = _Packer()
    header = {
        "format": FORMAT,
        "type": "outcome",
        "status": outcome.status,
        "attempt": outcome.attempt,
        "exit_code": outcome.exit_code,
        "error": outcome.error,
        "traceback": outcome.traceback,
        "started": outcome.started,
        "ended": outcome.ended,
        "peak_memory": outcome.peak_memory,
        "python": outcome.python,
        "result": packer.pack(outcome.result) if outcome.result else None,
        "stdout": packer.pack(text_part(outcome.stdout)),
        "stderr": packer.pack(text_part(outcome.stderr)),
    }
    return packer.join(header)


def text_part(text: str) -> Part:
    """Return a part that holds ``text``; lone surrogates become question marks."""
    return Part("text", data=text.encode("utf-8", "replace"))


def _open(envelope: bytes, wanted: str) -> tuple[dict[str, Any], memoryview]:
    if not envelope.startswith(MAGIC):
        raise BadEnvelope("it does not start as an envelope does")
    start = len(MAGIC) + 4
    length = int.from_bytes(envelope[len(MAGIC) : start], "big")
    if length > HEADER_LIMIT or start + length > len(envelope):
        raise BadEnvelope("its header is cut short")
    try:
        header = json.loads(envelope[start : start + length].decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadEnvelope("its header is not JSON") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise BadEnvelope("it is of another format")
    if header.get("type") != wanted:
        raise BadEnvelope(f"it holds no {wanted}")
    return header, memoryview(envelope)[start + length :]


def _unpack(packed: Any, body: memoryview) -> Part:
    if packed["kind"] not in ("transportable", "pickle", "text"):
        raise BadEnvelope("it has a part of an unknown kind")
    size, key = packed["size"], packed.get("key")
    header, string = packed.get("header", {}), packed.get("string", "")
    if not (isinstance(header, dict) and isinstance(string, str) and _is_count(size)):
        raise BadEnvelope("a part's description is of the wrong type")
    if key is not None:
        if not isinstance(key, str):
            raise BadEnvelope("a part's key is no text")
        return Part(packed["kind"], key=key, size=size, header=header, string=string)
    at = packed["at"]
    if not _is_count(at) or at + size > len(body):
        raise BadEnvelope("a part lies outside of it")
    data = bytes(body[at : at + size])
    return Part(packed["kind"], data=data, size=size, header=header, string=string)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _typed(header: dict[str, Any], **types: Any) -> dict[str, Any]:
    for name, kind in types.items():
        if not isinstance(header[name], kind) or isinstance(header[name], bool):
            raise BadEnvelope(f"its {name} is of the wrong type")
    return {name: header[name] for name in types}


def _hooks(packed: Any, body: memoryview) -> tuple[tuple[Part, Part, Part, str], ...]:
    return tuple(
        (_unpack(f, body), _unpack(a, body), _unpack(k, body), str(retval))
        for f, a, k, retval in packed
    )


def decode_task(envelope: bytes) -> Task:
    """Read a task's envelope.

    Raises:
        BadEnvelope: The bytes are not a task's envelope.
    """
    header, body = _open(envelope, "task")
    try:
        call = Call(
            function=_unpack(header["function"], body),
            args=tuple(_unpack(part, body) for part in header["args"]),
            kwargs={str(key): _unpack(part, body) for key, part in header["kwargs"].items()},
            before=_hooks(header["before"], body),
            after=_hooks(header["after"], body),
        )
        return Task(call=call, **_typed(header, name=str, python=str, outcome_prefix=str))
    except BadEnvelope:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadEnvelope(f"its header lacks what a task has ({error})") from error


def decode_outcome(envelope: bytes) -> Outcome:
    """Read an outcome's envelope. Nothing in it is unpickled.

    Raises:
        BadEnvelope: The bytes are not an outcome's envelope.
    """
    header, body = _open(envelope, "outcome")
    number = (int, float)
    try:
        if header["status"] not in STATUSES:
            raise BadEnvelope("its status is unknown")
        result = header["result"]
        return Outcome(
            result=None if result is None else _unpack(result, body),
            stdout=_text(header["stdout"], body),
            stderr=_text(header["stderr"], body),
            **_typed(
                header,
                status=str,
                attempt=int,
                exit_code=int,
                error=str,
                traceback=str,
                started=number,
                ended=number,
                peak_memory=int,
                python=str,
            ),
        )
    except BadEnvelope:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadEnvelope(f"its header lacks what an outcome has ({error})") from error


def _text(packed: Any, body: memoryview) -> str:
    part = _unpack(packed, body)
    if part.data is None:
        raise BadEnvelope("an output stream is not inside it")
    return part.data.decode("utf-8", "replace")
