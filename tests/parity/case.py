"""A case of the catalogue: a feature of Covalent as a small workflow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

COMPLETED = "COMPLETED"
FAILED = "FAILED"


@dataclass(frozen=True)
class Setting:
    """What a workflow may use.

    Attributes:
        place: A folder of this run's own, on the machine of server and jobs.
        executor: The executor of this run, for a workflow that names it itself.
        server: The URL of the Covalent server.
        aws: Environment variables with which boto3 finds the local AWS.
    """

    place: Path
    executor: Any
    server: str
    aws: Mapping[str, str]

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave the executor out for functions that take this along: jobs lack its class."""
        return type(self), (self.place, None, self.server, dict(self.aws))


@dataclass(frozen=True)
class Workflow:
    """A workflow: its function and its arguments."""

    function: Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """A feature and its workflow.

    Attributes:
        feature: The feature, as Covalent's documentation names it.
        name: The case's name.
        build: Makes the workflow.
        ends: The status with which its dispatch ends, on both: what fails alike is no feature.
        on_batch: Whether it is also run with Covalent's built-in nodes on Batch.
        differs: What must differ from ``local``: by key of the table of differences, the fields.
        pending: Why it is expected to fail until a fault is fixed.
    """

    feature: str
    name: str
    build: Callable[[Setting], Workflow]
    ends: str = COMPLETED
    on_batch: bool = False
    differs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pending: str = ""


CATALOGUE: dict[str, Case] = {}


def case(
    feature: str,
    *,
    ends: str = COMPLETED,
    on_batch: bool = False,
    differs: Mapping[str, tuple[str, ...]] | None = None,
    pending: str = "",
) -> Callable[[Callable[[Setting], Workflow]], Callable[[Setting], Workflow]]:
    """Add a case to the catalogue; its name is the decorated function's."""

    def add(build: Callable[[Setting], Workflow]) -> Callable[[Setting], Workflow]:
        assert build.__name__ not in CATALOGUE, build.__name__
        CATALOGUE[build.__name__] = Case(
            feature, build.__name__, build, ends, on_batch, differs or {}, pending
        )
        return build

    return add
