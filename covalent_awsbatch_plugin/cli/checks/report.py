"""How findings are shown: what is wrong first, each line whole so that commands can be pasted."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..shared.formats import count
from ..shared.screen import console
from .finding import OK, PROBLEM, UNKNOWN, WARNING, Finding

if TYPE_CHECKING:
    from rich.console import Console

COLOURS = {PROBLEM: "red", WARNING: "yellow", UNKNOWN: "dim", OK: "green"}


def show_findings(findings: Sequence[Finding], *, verbose: bool) -> None:
    """Print problems, then warnings, then what was not checked; with ``verbose``, also the rest.

    Args:
        findings: What was found.
        verbose: Whether what is right has a line too.
    """
    screen = console()
    statuses = [PROBLEM, WARNING, UNKNOWN, *([OK] if verbose else [])]
    for status in statuses:
        for finding in findings:
            if finding.status == status:
                screen.print(f"{status}: {finding.area}, {finding.check}", style=COLOURS[status])
                screen.print(_indented(finding.found, screen), markup=False)
                if finding.fix:
                    screen.print(f"  Fix: {finding.fix}", markup=False)
    if any(finding.status in statuses for finding in findings):
        screen.print()
    _show_counts(findings, verbose=verbose)


def _indented(sentence: str, screen: Console) -> str:
    """Return a sentence, on a terminal broken between words; a fix stays whole, to be pasted."""
    if not screen.is_terminal:
        return f"  {sentence}"
    return textwrap.fill(
        sentence,
        screen.width,
        initial_indent="  ",
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _show_counts(findings: Sequence[Finding], *, verbose: bool) -> None:
    screen = console()
    number = {status: sum(f.status == status for f in findings) for status in COLOURS}
    hint = "" if verbose else "; --verbose lists them"
    screen.print(f"{number[OK]} of {count(len(findings), 'check')} are ok{hint}.")
    if number[UNKNOWN]:
        screen.print(f"{count(number[UNKNOWN], 'check')} could not be made.")
    if number[WARNING]:
        screen.print(f"[yellow]{count(number[WARNING], 'warning')}.[/]")
    if number[PROBLEM]:
        screen.print(f"[red]{count(number[PROBLEM], 'problem')}.[/]")
    else:
        screen.print("[green]Nothing prevents tasks from running.[/]")
