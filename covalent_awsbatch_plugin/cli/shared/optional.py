"""Parts of a report that only complete it: where AWS does not give them, a note says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import click

from .errors import refusal_for


@dataclass
class Notes:
    """What could not be shown, and why."""

    lines: list[str] = field(default_factory=list)

    @contextmanager
    def optional(self, what: str) -> Iterator[None]:
        """Note instead of raising whatever AWS, its SDK or an odd response raises."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        # An emulator's response may lack what AWS promises, or not be JSON.
        except (ClientError, BotoCoreError, LookupError, TypeError, ValueError) as error:
            refusal = refusal_for(error)
            reason = refusal.message if refusal else repr(error)
            self.add(f"Not shown: {what}. {reason}")

    def add(self, line: str) -> None:
        """Add a line, once."""
        if line not in self.lines:
            self.lines.append(line)

    def show(self) -> None:
        """Write the notes to standard error, below the report."""
        for line in self.lines:
            click.secho(line, err=True, dim=True)
