"""Parts of a report that only complete it: where AWS does not give them, a note reports it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import click

from .errors import Refusal, refusal_for
from .screen import styled


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
        except Refusal as refusal:
            self.add(f"Not shown: {what}. {refusal.message}")
        # An emulator's response may lack what AWS promises, or not be JSON.
        except (ClientError, BotoCoreError, LookupError, TypeError, ValueError) as error:
            refused = refusal_for(error)
            reason = refused.message if refused else repr(error)
            self.add(f"Not shown: {what}. {reason}")

    def add(self, line: str) -> None:
        """Add a line, once."""
        if line not in self.lines:
            self.lines.append(line)

    def show_once(self, line: str) -> None:
        """Write a line to standard error, unless it was written before."""
        if line not in self.lines:
            self.add(line)
            click.echo(styled(line, dim=True), err=True)

    def show(self) -> None:
        """Write the notes to standard error, below the report."""
        for line in self.lines:
            click.echo(styled(line, dim=True), err=True)
