"""What a deployment shows: its changes, and its progress by resource."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..shared.screen import console, table
from .plan import Plan
from .stack import Resource, StackState

if TYPE_CHECKING:
    from rich.table import Table


def show_changes(plan: Plan) -> None:
    """Print what a plan does, resource by resource."""
    shown = table("Change", "Resource", "Type")
    colours = {"Add": "green", "Remove": "red"}
    for change in plan.changes:
        what = "Replace" if change.replacement == "True" else change.action
        colour = colours.get(what, "yellow")
        shown.add_row(f"[{colour}]{what}[/]", change.resource, change.kind.removeprefix("AWS::"))
    console().print(shown)


class Progress:
    """Live progress by resource on a terminal; a line for each change elsewhere."""

    def __init__(self, title: str) -> None:
        self.title = title
        self._console = console()
        self._seen: dict[str, str] = {}
        self._live: Any = None

    def __enter__(self) -> Progress:
        """Start showing."""
        if self._console.is_terminal:
            from rich.live import Live

            self._live = Live(console=self._console, refresh_per_second=8)
            self._live.start()
        else:
            self._console.print(self.title)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop showing; what was last shown stays."""
        if self._live:
            self._live.stop()

    def update(self, state: StackState, resources: Sequence[Resource]) -> None:
        """Show how far the stack and its resources are."""
        if self._live:
            self._live.update(self._table(state, resources))
            return
        for resource in resources:
            if self._seen.get(resource.name) != resource.status:
                self._seen[resource.name] = resource.status
                line = f"  {resource.status:<20} {resource.name} {resource.reason}".rstrip()
                self._console.print(line, markup=False)

    def _table(self, state: StackState, resources: Sequence[Resource]) -> Table:
        shown = table("Resource", "Type", "Status", title=f"{self.title}: {state.status}")
        for resource in resources:
            shown.add_row(
                resource.name,
                resource.kind.removeprefix("AWS::"),
                f"[{_colour(resource.status)}]{resource.status}[/]",
            )
        return shown


def _colour(status: str) -> str:
    if status.endswith("FAILED") or "ROLLBACK" in status:
        return "red"
    return "green" if status.endswith("_COMPLETE") else "yellow"
