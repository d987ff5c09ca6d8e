"""Pages about parity with Covalent's local executor, made from the tests' catalogue and table."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.parity import catalogue  # noqa: E402
from tests.parity.case import CATALOGUE  # noqa: E402
from tests.parity.differences import DIFFERENCES  # noqa: E402
from tests.parity.documented import CHANGES, FEATURES, rows  # noqa: E402

PAGE = """# Like Covalent's local executor

What Covalent's own `local` executor does with a task, this one does too: result and its type,
string form, status, stdout, stderr, hooks, context, sublattices, built-in nodes. A catalogue of
Covalent's features is run through one Covalent server on both and compared, value by value; it is
in `tests/parity`. Where the two must differ, it is on this list.

| | `local` | `awsbatch` | Why |
| --- | --- | --- | --- |
{rows}

## Seen in Covalent, with every executor

- `ct.stop_triggers` blocks the Covalent server while a `DirTrigger` starts a redispatch and waits
  for it. Stop triggers when no dispatch of theirs is under way.
- `@ct.leptons.bash` without `deps_pip` runs `pip install` without a package, which fails. Give it
  a package that the image has.
- A file transfer of a folder from S3 fails: Covalent asks for its objects with the folder's
  prefix twice. Transfer the files one by one, or the whole bucket (`s3://bucket/`).
- Hooks and file transfers of an electron whose result is unpacked run again for each item.
- `multiprocessing.Pool.terminate`, also at the end of `with Pool() as pool`, may wait for ever in
  a task on `local`: its processes have the server's handler of SIGTERM. A job's do not.
- A task on `local` that dispatches another workflow on `local` and waits for it needs two of its
  processes; Covalent has one for each CPU.
- Covalent refuses task packing; `COVALENT_ENABLE_TASK_PACKING` is not to be set.
- `executor=["awsbatch", {{...}}]` is not accepted. Give an `AWSBatchExecutor` instead.
- A sublattice that names an executor without options inherits the options of its lattice. They
  are ignored where they are another class's.
- The user interface of Covalent 0.240 shows no stdout, stderr, error or source of any node. They
  are in `result.get_node_result(node_id)`, and `covalent-awsbatch show` prints them for a job.
"""

README = """# The catalogue of Covalent's features

Each is a small workflow, run through one Covalent server on Covalent's `local` executor and on
ours: with Covalent's built-in nodes on the server's host, and where a case asks for it also on
Batch. Jobs are processes of the local AWS; `tests/containers/test_parity.py` runs a selection
in containers. Status, result and its type, string forms, stdout, stderr, traceback, errors,
sublattices and the files that a workflow left are compared. `differences.py` has what must differ,
each with its reason; the documentation shows that table.

| Feature | Case | Differs |
| --- | --- | --- |
{rows}

What needs a workflow that goes on while it is looked at is in `test_running_dispatches.py`.

## What must differ

An entry is for a case and a field of what is compared; an entry that differs no longer fails.

| Difference | Shown by |
| --- | --- |
{differences}

## What Covalent's documentation describes

| Feature | Tests | Why none, or not more |
| --- | --- | --- |
{features}

## What Covalent's changelog reports

By release, up to 0.240. What only concerns the server, its database, the user interface or the
releases themselves is left out.

| Feature | Tests | Why none, or not more |
| --- | --- | --- |
{changes}
"""


def _rows() -> Iterator[str]:
    for name, difference in DIFFERENCES.items():
        yield f"| {name} | {difference.local} | {difference.ours} | {difference.reason} |"


def page() -> str:
    """Return the documentation's page."""
    return PAGE.format(rows="\n".join(_rows()))


def _cases() -> Iterator[str]:
    for case in CATALOGUE.values():
        module = case.build.__module__.removeprefix(f"{catalogue.__name__}.")
        batch = ", also on Batch" if case.on_batch else ""
        differs = ", ".join(case.differs)
        yield f"| {case.feature} | `{module}.{case.name}`{batch} | {differs} |"


def readme() -> str:
    """Return the README of the catalogue."""
    return README.format(
        rows="\n".join(_cases()),
        differences="\n".join(_shown()),
        features="\n".join(rows(FEATURES)),
        changes="\n".join(rows(CHANGES)),
    )


def _shown() -> Iterator[str]:
    for name, difference in DIFFERENCES.items():
        cases = [case.name for case in CATALOGUE.values() if name in case.differs]
        assert bool(cases) != bool(difference.shown_by), name
        yield f"| {name} | {', '.join(f'`{case}`' for case in cases) or difference.shown_by} |"
