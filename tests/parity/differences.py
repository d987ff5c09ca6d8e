"""Where the executor differs from Covalent's local one on purpose, each with its reason.

The page *Like Covalent's local executor* of the documentation shows this table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from .case import Case
from .observation import Node, Observation, differences

# Before the name of a field of the dispatch, in entries; other fields are those of its nodes.
OF_DISPATCH = "dispatch."


def _without_the_fields(node: Node) -> Node:
    empty = {"status": "", "output": "", "string": "", "stdout": "", "stderr": "", "raised": ()}
    return replace(node, **empty)


@dataclass(frozen=True)
class Difference:
    """Something that differs, and why.

    Attributes:
        local: What Covalent's local executor does.
        ours: What ours does.
        reason: Why.
        without: Takes what differs out of a node: whole fields, or a part of them. A case names
            the fields in which it differs.
        shown_by: A test outside the catalogue that shows it, as file and function, or why there
            is none. Empty where cases of the catalogue show it.
    """

    local: str
    ours: str
    reason: str
    without: Callable[[Node], Node] = _without_the_fields
    shown_by: str = ""


@dataclass(frozen=True)
class Entry:
    """That a case differs in a field, for a reason of the table."""

    key: str
    field: str


def entries(case: Case) -> list[Entry]:
    """Return the entries of a case, one for each field that must differ."""
    return [Entry(key, field) for key, named in case.differs.items() for field in named]


def without(taken: Iterable[Entry], seen: Observation) -> Observation:
    """Return an observation without what differs according to entries."""
    for entry in taken:
        seen = _without_entry(entry, seen)
    return seen


def stale(case: Case, ours: Observation, local: Observation) -> list[Entry]:
    """Return the entries of a case without which nothing would differ."""
    named = entries(case)
    others = {entry: [other for other in named if other != entry] for entry in named}
    return [
        entry
        for entry, rest in others.items()
        if not differences(without(rest, ours), without(rest, local))
    ]


def _without_entry(entry: Entry, seen: Observation) -> Observation:
    if entry.field.startswith(OF_DISPATCH):
        return replace(seen, **{entry.field.removeprefix(OF_DISPATCH): ""})
    return replace(seen, nodes=tuple(_without_in_node(entry, node) for node in seen.nodes))


def _without_in_node(entry: Entry, node: Node) -> Node:
    taken = DIFFERENCES[entry.key].without(node)
    node = replace(node, **{entry.field: getattr(taken, entry.field)})
    if node.sublattice is not None:
        node = replace(node, sublattice=_without_entry(entry, node.sublattice))
    return node


def _without_packing(node: Node) -> Node:
    if not node.name.startswith(":sublattice:"):
        return node
    lines = re.sub("^Packing staging directory for server-side import\n", "", node.stdout)
    return replace(node, stdout=lines)


def _without_long_strings(node: Node) -> Node:
    return replace(node, string=node.string[: 64 * 1024])


def _without_the_middle(node: Node) -> Node:
    return replace(node, stdout=node.stdout[:1_000_000] + node.stdout[-1_000_000:])


def _without_command(node: Node) -> Node:
    wrote = "The command wrote:"
    end = node.raised.index(wrote) if wrote in node.raised else len(node.raised)
    return replace(node, raised=node.raised[:end])


DIFFERENCES: dict[str, Difference] = {
    "explanation": Difference(
        local="stderr of a task that failed ends with the traceback",
        ours="the traceback leaves out Covalent's and our own frames, names the user's files and "
        "lines, and is followed by what happened, what to do and the job",
        reason="The job is elsewhere: its log and AWS's reasons belong to the evidence.",
        shown_by="none: the comparison leaves both out; tests/unit/test_diagnosis.py has the text",
    ),
    "packages": Difference(
        local="a task finds every package and module of the Covalent server",
        ours="it finds those of its image, and what deps_pip and deps_module bring along",
        reason="The job runs in a container. A ModuleNotFoundError explains what to do.",
        shown_by="none: jobs that are processes share the server's packages; "
        "tests/unit/test_diagnosis.py has the text",
    ),
    "pip": Difference(
        local="DepsPip installs into the environment of the Covalent server, for good",
        ours="it installs into the job's container",
        reason="No other task, and not the server, is to change by it.",
        shown_by="tests/containers/test_workflows.py, "
        "test_pip_dependencies_where_the_user_is_not_root",
    ),
    "files": Difference(
        local="a task reads and writes the disk of the Covalent server",
        ours="it has the disk of its container; file transfers by path need a shared volume",
        reason="The job runs on another host. S3 and HTTP transfers work as they are.",
        shown_by="tests/containers/test_workflows.py, test_it_is_a_container",
    ),
    "environment": Difference(
        local="a task has the environment variables of the Covalent server, and some of its own",
        ours="it has those of its image, and environment=",
        reason="The job runs elsewhere. ct.get_context() has the dispatch and the node.",
    ),
    "server": Difference(
        local="ct.dispatch in a task finds the Covalent server by itself",
        ours="it needs dispatcher_addr=, an address that the job can reach",
        reason="The container has no Covalent configuration; the server is seldom reachable.",
        shown_by="none: jobs that are processes find the configuration of the host",
    ),
    "log files": Difference(
        local="log_stdout and log_stderr name no files that are written",
        ours="the files get the task's output, as with Covalent's other remote executors",
        reason="Covalent writes them for every executor that it calls by run().",
        shown_by="test_running_dispatches.py, test_log_files_have_the_task_s_output",
    ),
    "native output": Difference(
        local="stdout and stderr have what Python's print writes",
        ours="they have everything that is written, by native code and subprocesses too",
        reason="The job's streams are caught at file-descriptor level.",
    ),
    "much output": Difference(
        local="keeps all that a task writes",
        ours="keeps the first and the last 2 MiB of a stream; the job's log has all of it",
        reason="A task may write without end, and the server holds its output in memory.",
        without=_without_the_middle,
    ),
    "exit": Difference(
        local="an electron that calls sys.exit, or is interrupted, loses its output",
        ours="its output and the reason are kept",
        reason="Covalent's worker catches nothing but Exception.",
    ),
    "not Unicode": Difference(
        local="an electron loses its output when its exception's text is not Unicode",
        ours="what cannot be encoded is shown as escapes",
        reason="A file name that is not UTF-8 is enough for it.",
    ),
    "failed command": Difference(
        local="what a failed command of DepsBash or DepsPip wrote is lost",
        ours="it stands below the traceback",
        reason="Without it, the reason of the failure is missing.",
        without=_without_command,
    ),
    "names": Difference(
        local="fails for a keyword argument called function, call_before or call_after",
        ours="they are arguments like any other",
        reason="Covalent's wrapper passes the task's arguments on beside its own.",
    ),
    "string form": Difference(
        local="keeps the whole string form of a result",
        ours="keeps its first 64 KiB",
        reason="Of bytes it is four times as long as they are, and Covalent shows none of it.",
        without=_without_long_strings,
    ),
    "sublattice": Difference(
        local="a sublattice's builder submits it to the server itself",
        ours="it returns the sublattice, which the server submits; its stdout has one line more",
        reason="A job on AWS has no way to the Covalent server.",
        without=_without_packing,
    ),
}
