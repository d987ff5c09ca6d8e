"""What is compared of a dispatch: everything that Covalent shows of it, made comparable."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

# Frames of these files are not shown: the code of Covalent and of executors.
WRAPPERS = ("covalent/", "covalent_awsbatch")
# Functions of Covalent that are pickled by value: the local executor knows no file of theirs.
PICKLED = ("get_item", "get_attr", "func_for_op", "callable")

_FRAME = re.compile(r'  File "(?P<file>[^"]*)", line \d+, in (?P<function>.*)')


@dataclass(frozen=True)
class Node:
    """A node of a dispatch.

    Attributes:
        name: Its name.
        status: Its status.
        output: Type and representation of its output.
        string: The string form of its output, as Covalent keeps it.
        stdout: What it wrote to standard output.
        stderr: What it wrote to standard error, without a traceback.
        raised: Of the traceback: the functions that it went through, and its last lines.
        error: Covalent's error.
        sublattice: The dispatch of a sublattice.
    """

    name: str
    status: str
    output: str
    string: str
    stdout: str
    stderr: str
    raised: tuple[str, ...]
    error: str
    sublattice: Observation | None


@dataclass(frozen=True)
class Observation:
    """A dispatch that has ended.

    Attributes:
        status: Its status.
        result: Type and representation of its result.
        string: The string form of its result.
        error: Its error.
        nodes: Its nodes, by number.
        files: Names and contents of the files that it left in its place.
    """

    status: str
    result: str
    string: str
    error: str
    nodes: tuple[Node, ...]
    files: tuple[tuple[str, str], ...] = ()


def observe(result: Any, place: Path) -> Observation:
    """Return what is compared of a result, without what differs from run to run."""
    plain = _Plain(place, result.dispatch_id)
    encoded = result.encoded_result
    return Observation(
        status=_status(result.status),
        result=plain(_shown(encoded)),
        string=plain(_string(encoded)),
        error=plain(str(result.error)),
        nodes=tuple(_node(node, plain, place) for node in result.get_all_node_results()),
        files=_files(place, plain),
    )


class _Plain:
    """Replaces what is of one run only: its folder, its dispatch, addresses in memory."""

    def __init__(self, place: Path, dispatch_id: str) -> None:
        self._names = {str(place): "<place>", dispatch_id: "<dispatch>"}

    def __call__(self, text: str) -> str:
        for name, shown in self._names.items():
            text = text.replace(name, shown)
        text = re.sub(r"\b0x[0-9a-f]{6,}\b", "0x", text)
        text = re.sub(r"/\S*/(?=covalent/)", "", text)
        text = re.sub(r"/[^\s']*/tmp[a-z0-9_]{8}\b", "<temporary>", text)
        return re.sub(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<uuid>", text)


# The parameter with which Covalent hands the parent's executors to a sublattice.
EXECUTORS = ':parameter:{"executor": '


def _node(node: dict[str, Any], plain: _Plain, place: Path) -> Node:
    if node["node_name"].startswith(EXECUTORS):
        return Node(EXECUTORS, _status(node["status"]), "", "", "", "", (), "", None)
    stderr, raised = split_traceback(plain(node["stderr"] or ""))
    inner = node["sublattice_result"]
    return Node(
        name=plain(node["node_name"]),
        status=_status(node["status"]),
        output=plain(_shown(node["output"])),
        string=plain(_string(node["output"])),
        stdout=plain(node["stdout"] or ""),
        stderr=stderr,
        raised=raised,
        error=plain(node["error"] or ""),
        sublattice=observe(inner, place) if inner else None,
    )


def _status(status: Any) -> str:
    return str(getattr(status, "value", status))


def _shown(encoded: Any) -> str:
    if encoded is None:
        return "nothing"
    try:
        value = encoded.get_deserialized()
    except Exception as error:  # noqa: BLE001 - compared like any value
        return f"cannot be unpickled: {error!r}"
    try:
        return f"{type(value).__module__}.{type(value).__qualname__}: {value!r}"
    except Exception as error:  # noqa: BLE001 - such values are cases
        return f"{type(value).__qualname__}: cannot be shown: {type(error).__name__}"


def _string(encoded: Any) -> str:
    return "" if encoded is None else encoded.object_string


def _files(place: Path, plain: _Plain) -> tuple[tuple[str, str], ...]:
    found = sorted(path for path in place.rglob("*") if path.is_file())
    return tuple(
        (str(path.relative_to(place)), plain(path.read_text("utf-8", "replace")))
        for path in found
        if "ignored" not in path.parts
    )


def split_traceback(stderr: str) -> tuple[str, tuple[str, ...]]:
    """Return what a task wrote itself, and what its traceback shows.

    Of a traceback count the functions that belong neither to an executor nor to Covalent's
    wrapper, and the lines about the exception. The explanation that we add is left out.
    """
    # Python shows a warning once in a process, and Covalent's local workers make many calls.
    stderr = re.sub(r"(?m)^.*(Runtime|User)Warning: .*\n(  .*\n)?", "", stderr)
    stderr = re.split(r"\nThe task |\nThe result |\nCovalent", stderr)[0]
    head, found, trace = stderr.partition("Traceback (most recent call last):\n")
    if not found:
        return stderr.rstrip("\n"), ()
    return head, tuple(_frames_and_lines(trace))


def _frames_and_lines(trace: str) -> list[str]:
    shown, skipping = [], False
    for line in trace.splitlines():
        frame = _FRAME.fullmatch(line)
        if frame:
            skipping = True
            own = any(part in frame["file"] for part in WRAPPERS)
            if not own and frame["function"] not in PICKLED:
                shown.append(f"in {frame['function']}")
        elif not (skipping and line.startswith("    ")) and line.strip():
            skipping = False
            shown.append(line)
    return shown


def differences(ours: Any, local: Any, where: str = "") -> list[str]:
    """Return the fields in which two observations differ, each with both values."""
    if isinstance(ours, (Observation, Node)) and type(ours) is type(local):
        named = [
            (field.name, getattr(ours, field.name), getattr(local, field.name))
            for field in fields(ours)
        ]
        return [line for name, a, b in named for line in differences(a, b, f"{where}.{name}")]
    if _are_nodes(ours) and _are_nodes(local) and len(ours) == len(local):
        pairs = enumerate(zip(ours, local, strict=True))
        return [
            line for number, (a, b) in pairs for line in differences(a, b, f"{where}[{number}]")
        ]
    return [] if ours == local else [f"{where}: {ours!r}\n    local: {local!r}"]


def _are_nodes(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and isinstance(value[0], Node)
