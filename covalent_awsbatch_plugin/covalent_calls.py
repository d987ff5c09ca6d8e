"""Between what Covalent hands to an executor and the parts of an envelope.

Nothing is unpickled here. Large contents are cut, encoded and decoded in pieces: a payload of a
hundred megabytes must not be in memory three times.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from .protocol import messages

PIECE = 4 * 1024 * 1024

# Characters of a function's source that travel with its task.
SOURCE_LIMIT = 64 * 1024

Write = Callable[[BinaryIO], None]


class Places(Protocol):
    """A task's names, and where its objects lie in the bucket."""

    @property
    def dispatch_id(self) -> Any:
        """Covalent's id of the dispatch."""

    @property
    def node_id(self) -> Any:
        """Covalent's number of the node."""

    @property
    def blobs_prefix(self) -> str:
        """The prefix of large inputs."""

    @property
    def outcome_prefix(self) -> str:
        """The prefix of outcomes."""


@dataclass
class Packed:
    """A call in parts, and what writes those that are objects of their own, by key."""

    blobs_prefix: str
    inline_limit: int = messages.INLINE_LIMIT
    large: dict[str, Write] = field(default_factory=dict)

    def transportable(self, transportable: Any) -> messages.Part:
        """Pack a TransportableObject. Its string form is left out: no worker reads it."""
        text = transportable.get_serialized()
        return self._part("transportable", text, transportable.header)

    def pickle(self, content: bytes) -> messages.Part:
        """Pack a pickle."""
        return self._part("pickle", content, {})

    def _part(self, kind: str, content: str | bytes, header: dict[str, Any]) -> messages.Part:
        size = len(content)
        if size <= self.inline_limit:
            data = content.encode("ascii") if isinstance(content, str) else content
            return messages.Part(kind, data=data, size=size, header=header)
        key = self.blobs_prefix + _digest(content)
        self.large[key] = partial(_write, content)
        return messages.Part(kind, key=key, size=size, header=header)


def _pieces(content: str | bytes) -> Iterator[bytes]:
    for start in range(0, len(content), PIECE):
        piece = content[start : start + PIECE]
        yield piece.encode("ascii") if isinstance(piece, str) else piece


def _digest(content: str | bytes) -> str:
    digest = hashlib.sha256()
    for piece in _pieces(content):
        digest.update(piece)
    return digest.hexdigest()


def _write(content: str | bytes, file: BinaryIO) -> None:
    file.writelines(_pieces(content))


def is_covalent_call(function: Callable[..., Any]) -> bool:
    """Return whether this is the call that Covalent's server makes of an electron."""
    return (
        isinstance(function, partial)
        and len(function.args) == 3
        and getattr(function.func, "__name__", "") == "wrapper_fn"
        and getattr(function.func, "__module__", "") == "covalent.executor.utils.wrappers"
    )


def is_large(function: Callable[..., Any], args: list[Any], kwargs: Mapping[str, Any]) -> bool:
    """Return whether packing the call takes long enough to need a thread."""
    if not is_covalent_call(function):
        return True
    objects = (function.args[0], *args, *kwargs.values())  # type: ignore[attr-defined]
    return sum(len(o.get_serialized()) for o in objects) > messages.INLINE_LIMIT


def pack(
    function: Callable[..., Any],
    args: list[Any],
    kwargs: Mapping[str, Any],
    places: Places,
) -> tuple[messages.Task, dict[str, Write]]:
    """Return a node's call as a message, and what writes its large parts, by key."""
    packed = Packed(places.blobs_prefix)
    call = (_pack_covalent if is_covalent_call(function) else _pack_any)(
        packed, function, args, kwargs
    )
    task = messages.Task(
        name=function_name(function),
        python=python_version(function),
        call=call,
        outcome_prefix=places.outcome_prefix,
        dispatch_id=places.dispatch_id,
        node_id=places.node_id,
    )
    return task, packed.large


def pack_inline(
    function: Callable[..., Any],
    args: list[Any],
    kwargs: Mapping[str, Any],
    metadata: Mapping[str, Any],
) -> messages.Task:
    """Return Covalent's call of an electron as a message with every part in it."""
    return messages.Task(
        name=function_name(function),
        python=python_version(function),
        call=_pack_covalent(Packed("", sys.maxsize), function, args, kwargs),
        outcome_prefix="",
        dispatch_id=metadata["dispatch_id"],
        node_id=metadata["node_id"],
    )


def _pack_covalent(
    packed: Packed, function: Any, args: list[Any], kwargs: Mapping[str, Any]
) -> messages.Call:
    user_function, before, after = function.args
    return messages.Call(
        function=packed.transportable(user_function),
        args=tuple(packed.transportable(arg) for arg in args),
        kwargs={name: packed.transportable(arg) for name, arg in kwargs.items()},
        before=tuple(_hook(packed, hook) for hook in before),
        after=tuple(_hook(packed, hook) for hook in after),
    )


def _hook(packed: Packed, hook: Any) -> messages.Hook:
    function, args, kwargs, keyword = hook
    return (
        packed.transportable(function),
        packed.transportable(args),
        packed.transportable(kwargs),
        keyword,
    )


def _pack_any(
    packed: Packed, function: Any, args: list[Any], kwargs: Mapping[str, Any]
) -> messages.Call:
    import cloudpickle

    return messages.Call(packed.pickle(cloudpickle.dumps((function, list(args), dict(kwargs)))))


def read_source(metadata: Mapping[str, Any]) -> str:
    """Return the source of an electron's function; an empty text where it is not known.

    The client sends it with the workflow, and Covalent's server keeps it in a file, a few
    kilobytes long, which it hands to no executor. Unpickled functions have no source of their own.
    """
    if not (folder := metadata.get("results_dir")):
        return ""
    node = f"{metadata['dispatch_id']}/node_{metadata['node_id']}"
    path = Path(folder, node, "function_string.txt")
    try:
        with path.open(encoding="utf-8") as file:
            source = file.read(SOURCE_LIMIT)
    except (OSError, ValueError):
        return ""
    # What Covalent writes in the place of a source that it could not find is a comment.
    return "" if source.startswith("# ") and source.rstrip().endswith("inspectable") else source


def function_name(function: Callable[..., Any]) -> str:
    """Return the name of the user's function."""
    if is_covalent_call(function):
        return str(function.args[0].header["attrs"]["name"])  # type: ignore[attr-defined]
    return str(getattr(function, "__name__", type(function).__name__))


def python_version(function: Callable[..., Any]) -> str:
    """Return the version of the Python that pickled the user's function."""
    if is_covalent_call(function):
        return str(function.args[0].header["py_version"])  # type: ignore[attr-defined]
    return sys.version.split()[0]
