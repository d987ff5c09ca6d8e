"""The first page shows what ``covalent-awsbatch local`` prints."""

from __future__ import annotations

import re

from .local_aws import LAST
from .pages import DOCS, blocks


def plain(text: str) -> str:
    """Return a text without what differs from machine to machine: port and home."""
    return re.sub(r"[^\s\"=]*/credentials", "FILE", re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", text))


def test_the_local_aws_prints_how_to_use_it(printed: str) -> None:
    shown = [b.content for b in blocks(DOCS / "quickstart-local.md", "text") if LAST in b.content]
    assert [plain(text) for text in shown] == [plain(printed)]
