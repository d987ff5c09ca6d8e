"""What the commands show: the console and tables."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def console(*, stderr: bool = False, soft_wrap: bool = True) -> Console:
    """Return the console on standard output, or standard error, as it is now."""
    from rich.console import Console

    terminal = False if in_notebook() else None
    return Console(
        highlight=False, emoji=False, soft_wrap=soft_wrap, stderr=stderr, force_terminal=terminal
    )


def print_prose(text: str) -> None:
    """Print sentences, on a terminal broken between words; in a file each line stays whole."""
    screen = console()
    screen.print(text, soft_wrap=not screen.is_terminal)


def styled(text: str, **style: Any) -> str:
    """Return ``text`` in a colour or weight of click's, unless the user wants none."""
    import click

    plain = os.environ.get("NO_COLOR") or in_notebook()
    return text if plain else click.style(text, **style)


def in_notebook() -> bool:
    """Return whether this is a command of a notebook's cell.

    It has a terminal there, of which the notebook shows every control character.
    """
    return "JPY_PARENT_PID" in os.environ and os.environ.get("TERM") == "xterm-color"


def table(*columns: str, title: str | None = None) -> Table:
    """Return an empty table in the commands' look."""
    from rich.box import ROUNDED
    from rich.table import Table

    made = Table(title=title, box=ROUNDED, title_justify="left")
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def harmless(line: str) -> str:
    """Return a line without terminal escapes and other control characters."""
    return "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in line.rstrip("\r\n"))
