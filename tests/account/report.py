"""What the walk found, as Markdown to send back: without account ids, names and secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .facts import FACTS

AS_EXPECTED, DIFFERS, NOT_RUN = "as expected", "DIFFERS", "not run"
NOT_MEASURED = "not measured"

MASKS = (
    (r"(?:AKIA|ASIA|AIDA|AROA)[A-Z0-9]{8,}", "KEY"),
    (r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "ID"),
    (r"\b[0-9a-f]{32,64}\b", "ID"),
    (r"(?<![0-9])[0-9]{12}(?![0-9])", "ACCOUNT"),
    (r"\b(i|vpc|subnet|sg|lt|vol|eni|ami|rtb)-[0-9a-f]{8,17}\b", r"\1-ID"),
    (r"\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b", "ADDRESS"),
    (r"[\w.+-]+@[\w-]+\.[\w.-]+", "MAIL"),
    (r"(arn:[\w-]+:(?:iam|sts)::[^:\s]*:(?:user|assumed-role))/[^\s'\"]+", r"\1/NAME"),
)


def masked(text: str, hidden: Iterable[str] = ()) -> str:
    """Return ``text`` without what identifies an account, its users and this machine.

    Args:
        text: What is to be shown.
        hidden: Further words, such as the name of a profile.
    """
    for word in sorted({str(Path.home()), *hidden}, key=len, reverse=True):
        if len(word) > 2:
            text = text.replace(word, "HIDDEN")
    for pattern, replacement in MASKS:
        text = re.sub(pattern, replacement, text)
    return text


@dataclass(frozen=True)
class Row:
    """One thing that was tried."""

    what: str
    outcome: str
    seconds: float
    note: str = ""


@dataclass(frozen=True)
class Words:
    """How AWS reported the end of a job."""

    what: str
    status: str
    exit_code: str
    status_reason: str
    reason: str


@dataclass
class Report:
    """What the walk found.

    Attributes:
        title: Where and when.
        rows: What was tried.
        words: How AWS reported the ends of jobs.
        facts: What was measured, by the fact's key.
        hidden: Words that are masked.
    """

    title: str = ""
    rows: list[Row] = field(default_factory=list)
    words: list[Words] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()

    def add(self, what: str, good: bool, seconds: float, note: str = "") -> None:
        """Add what was tried, and print it."""
        self._add(Row(what, AS_EXPECTED if good else DIFFERS, seconds, note))

    def skip(self, what: str, why: str) -> None:
        """Add what was not tried, and print it."""
        self._add(Row(what, NOT_RUN, 0.0, why))

    def _add(self, row: Row) -> None:
        self.rows.append(row)
        note = f"  {self._masked(row.note)}" if row.note else ""
        print(f"  {row.outcome:<12} {row.seconds:6.1f} s  {row.what}{note}", flush=True)

    @property
    def good(self) -> bool:
        """Whether nothing differed."""
        return all(row.outcome != DIFFERS for row in self.rows)

    def markdown(self) -> str:
        """Return the report."""
        rows = [(r.what, r.outcome, f"{r.seconds:.1f}", r.note) for r in self.rows]
        words = [(w.what, w.status, w.exit_code, w.status_reason, w.reason) for w in self.words]
        facts = [
            (
                fact.key,
                fact.text,
                self.facts.get(fact.key)
                or NOT_MEASURED + (f" (add {fact.needs})" if fact.needs else ""),
            )
            for fact in FACTS
        ]
        return self._masked(
            f"# {self.title}\n\n"
            f"## What was tried\n\n{table(('What', 'Outcome', 'Seconds', 'Note'), rows)}\n"
            "## AWS's words for jobs that ended\n\n"
            f"{table(('Job', 'Status', 'Exit code', 'Status reason', 'Reason'), words)}\n"
            f"## Facts\n\n{table(('Fact', 'Expected', 'Measured'), facts)}"
        )

    def _masked(self, text: str) -> str:
        return masked(text, self.hidden)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join("| " + " | ".join(map(_cell, line)) + " |\n" for line in lines)


def _cell(text: str) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")
