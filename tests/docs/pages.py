"""The examples of the documentation, as they stand in its pages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
CAPTION = re.compile(r"^:caption: (?P<name>\S+)\n+", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: its kind (``python``, ``pycon``), file name, if any, and content."""

    kind: str
    name: str
    content: str


def pages() -> list[Path]:
    """Return every page, the README among them."""
    return [ROOT / "README.md", *sorted(p for p in DOCS.rglob("*.md") if "_build" not in p.parts)]


def name_of(page: Path) -> str:
    """Return a page's name, for a test's."""
    return str(page.relative_to(ROOT))


def blocks(page: Path, kind: str) -> list[Block]:
    """Return a page's blocks of one kind, in order."""
    found = [_block(match) for match in FENCE.finditer(page.read_text("utf-8"))]
    return [block for block in found if block.kind == kind]


def _block(match: re.Match[str]) -> Block:
    kind, body = match["info"].replace("{code-block}", "").strip(), match["body"]
    caption = CAPTION.match(body)
    if caption is None:
        return Block(kind, "", body)
    return Block(kind, caption["name"], body[caption.end() :])


def program(page: Path) -> str:
    """Return a page's examples as one program; files of their own are not part of it."""
    return "\n".join(block.content for block in blocks(page, "python") if not block.name)


def sessions(page: Path) -> list[tuple[str, str]]:
    """Return the commands of a page's consoles, each with what it is to print."""
    shown = [*blocks(page, "console"), *blocks(page, "text")]
    found = []
    for block in shown:
        if block.content.startswith("$ "):
            for part in block.content.removeprefix("$ ").split("\n$ "):
                command, _, expected = part.partition("\n")
                found.append((command, expected))
    return found
