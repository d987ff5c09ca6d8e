"""What server and job send each other: a task, and the outcome of each attempt."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# Parts below this stay inside the envelope: one request then moves the whole task. Above it a
# part is worth an object of its own, which a hundred electrons can share.
INLINE_LIMIT = 256 * 1024

# What is kept of each output stream; the middle of anything longer is left out.
OUTPUT_LIMIT = 4 * 1024 * 1024

# Covalent's function that builds a sublattice; its result is a text, a tarball in base64.
SUBLATTICE_BUILDER = "_build_sublattice_graph"

# How a task ended, as an outcome names it.
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
        kind: ``transportable`` (the base64 text of a Covalent TransportableObject) or ``pickle``
            (the bytes of a cloudpickle).
        header: The TransportableObject's header; empty for other kinds.
        string: The TransportableObject's string form; empty where it is not read.
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


# A call before or after the function: function, args, kwargs, and the keyword under which the
# function gets what it returns. Covalent takes any JSON value for that; None and "" mean none.
Hook = tuple[Part, Part, Part, Any]


@dataclass(frozen=True)
class Call:
    """What a job is to run: Covalent's wrapper with its parts, or any pickled call.

    Attributes:
        function: The user's function; for a ``pickle`` part the tuple (function, args, kwargs).
        args: Positional arguments.
        kwargs: Keyword arguments.
        before: Calls made before.
        after: Calls made after.
    """

    function: Part
    args: tuple[Part, ...] = ()
    kwargs: dict[str, Part] = field(default_factory=dict)
    before: tuple[Hook, ...] = ()
    after: tuple[Hook, ...] = ()


@dataclass(frozen=True)
class Task:
    """A task's envelope.

    Attributes:
        name: The function's name, for people.
        python: The Python version of the client that pickled the function, such as ``3.11.7``.
        call: What to run.
        outcome_prefix: Where outcomes go, up to the job's id.
        dispatch_id: Covalent's id of the dispatch, for ``ct.get_context``.
        node_id: Covalent's number of the node, for the same.
        environment: The key of the archive of what DepsPip installs, where electrons share it.
        shared_prefix: The prefix of what tasks of all dispatches share; empty for none.
        wheelhouse: The key of the server's packages for user code that imports Covalent; empty
            for none.
        source: The source of the electron's function, for tracebacks; empty if not known.
    """

    name: str
    python: str
    call: Call
    outcome_prefix: str
    dispatch_id: Any = None
    node_id: Any = None
    environment: str = ""
    shared_prefix: str = ""
    wheelhouse: str = ""
    source: str = ""


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
        out_of_memory: Whether the kernel killed the task because memory ran out.
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
    out_of_memory: bool = False
    result: Part | None = None
    stdout: str = ""
    stderr: str = ""


def minor(version: str) -> str:
    """Return ``3.11`` of ``3.11.7``."""
    return ".".join(version.split(".")[:2])
