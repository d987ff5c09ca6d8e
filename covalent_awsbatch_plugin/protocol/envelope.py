"""Envelopes: the bytes of a task or an outcome, written on one side and read on the other.

An envelope is one object: eight bytes of magic, the header's length as four bytes, a JSON header,
and the body. A part in the header gives its place in the body or names the object that holds it.
Whatever may be long, such as output and tracebacks, is in the body.

Nothing is unpickled here, and any bytes that are not an envelope raise BadEnvelope. Lone
surrogates, which no database or stream takes, leave an outcome's texts as backslash escapes; what
a task's header has comes back as it was. The worker's copy travels with the task, so only the
standard library is used.
"""

from __future__ import annotations

import json
from typing import Any

from .messages import STATUSES, Call, Hook, Outcome, Part, Task

FORMAT = 2
MAGIC = b"cvltaws\x01"

# The largest headers that are read, by type. A task's, which the server has made, describes every
# argument; an outcome's is read on the server's event loop, and the job could have made any.
HEADER_LIMITS = {"task": 64 * 1024 * 1024, "outcome": 1024 * 1024}

# Texts of an outcome, all in the body.
TEXTS = ("error", "traceback", "python", "stdout", "stderr")


class BadEnvelope(ValueError):
    """These bytes are not an envelope of this format."""


class _Packer:
    """Collects the body of an envelope and gives the place of each piece in it."""

    def __init__(self) -> None:
        self.body: list[bytes] = []
        self.length = 0

    def place(self, content: bytes) -> list[int]:
        """Put bytes into the body; return where they start, and how many they are."""
        start = self.length
        self.body.append(content)
        self.length += len(content)
        return [start, len(content)]

    def text(self, text: str) -> list[int]:
        """Put a text into the body, as UTF-8 whatever is in it."""
        return self.place(text.encode("utf-8", "backslashreplace"))

    def pack(self, part: Part) -> dict[str, Any]:
        """Return a part's description."""
        packed: dict[str, Any] = {"kind": part.kind, "size": part.size}
        if part.header:
            packed["header"] = part.header
        if part.string:
            packed["string"] = self.text(part.string)
        if part.data is None:
            packed["key"] = part.key
        else:
            packed["at"], packed["size"] = self.place(part.data)
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
        "dispatch_id": task.dispatch_id,
        "node_id": task.node_id,
        "environment": task.environment,
        "shared_prefix": task.shared_prefix,
        "wheelhouse": task.wheelhouse,
        "source": packer.text(task.source),
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
        "started": outcome.started,
        "ended": outcome.ended,
        "peak_memory": outcome.peak_memory,
        "out_of_memory": outcome.out_of_memory,
        "result": packer.pack(outcome.result) if outcome.result else None,
        **{name: packer.text(getattr(outcome, name)) for name in TEXTS},
    }
    return packer.join(header)


def _open(envelope: bytes, wanted: str) -> tuple[dict[str, Any], memoryview]:
    if not envelope.startswith(MAGIC):
        raise BadEnvelope("it does not start as an envelope does")
    start = len(MAGIC) + 4
    length = int.from_bytes(envelope[len(MAGIC) : start], "big")
    if length > HEADER_LIMITS[wanted] or start + length > len(envelope):
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
    if packed["kind"] not in ("transportable", "pickle"):
        raise BadEnvelope("it has a part of an unknown kind")
    size, key, header = packed["size"], packed.get("key"), packed.get("header", {})
    string = _text(packed["string"], body) if "string" in packed else ""
    if not (isinstance(header, dict) and _is_count(size)):
        raise BadEnvelope("a part's description is of the wrong type")
    if key is not None:
        if not isinstance(key, str):
            raise BadEnvelope("a part's key is no text")
        return Part(packed["kind"], key=key, size=size, header=header, string=string)
    data = _piece((packed["at"], size), body)
    return Part(packed["kind"], data=data, size=size, header=header, string=string)


def _piece(place: Any, body: memoryview) -> bytes:
    start, size = place
    if not (_is_count(start) and _is_count(size) and start + size <= len(body)):
        raise BadEnvelope("a part lies outside of it")
    return bytes(body[start : start + size])


def _text(place: Any, body: memoryview) -> str:
    return _piece(place, body).decode("utf-8", "replace")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _typed(header: dict[str, Any], **types: Any) -> dict[str, Any]:
    for name, kind in types.items():
        if not isinstance(header[name], kind) or isinstance(header[name], bool):
            raise BadEnvelope(f"its {name} is of the wrong type")
    return {name: header[name] for name in types}


def _hooks(packed: Any, body: memoryview) -> tuple[Hook, ...]:
    return tuple(
        (_unpack(f, body), _unpack(a, body), _unpack(k, body), keyword)
        for f, a, k, keyword in packed
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
        return Task(
            call=call,
            dispatch_id=header["dispatch_id"],
            node_id=header["node_id"],
            source=_text(header["source"], body),
            **_typed(
                header,
                name=str,
                python=str,
                outcome_prefix=str,
                environment=str,
                shared_prefix=str,
                wheelhouse=str,
            ),
        )
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
        texts: dict[str, Any] = {name: _text(header[name], body) for name in TEXTS}
        if header["status"] not in STATUSES:
            raise BadEnvelope("its status is unknown")
        result = header["result"]
        return Outcome(
            result=None if result is None else _unpack(result, body),
            out_of_memory=header["out_of_memory"] is True,
            **texts,
            **_typed(
                header,
                status=str,
                attempt=int,
                exit_code=int,
                started=number,
                ended=number,
                peak_memory=int,
            ),
        )
    except BadEnvelope:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadEnvelope(f"its header lacks what an outcome has ({error})") from error
