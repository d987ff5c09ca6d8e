"""The layout that the page on the architecture shows is that of the package."""

from __future__ import annotations

import re

from .pages import DOCS, ROOT, blocks

PACKAGE = ROOT / "covalent_awsbatch_plugin"


def layout() -> list[str]:
    """Return the paths that the page names, folders with a slash at their end."""
    (block,) = blocks(DOCS / "architecture.md", "text")
    folder, paths = "", []
    for line in block.content.splitlines()[1:]:
        indent = len(line) - len(line.lstrip())
        names = re.findall(r"[\w.]+(?:/|\.py)(?=,|\s|$)", line)
        first = names[0]
        if indent == 2:
            folder = first if first.endswith("/") else ""
            paths.append(first)
        else:
            alone = line.strip().startswith(f"{first},")
            paths += [folder + name for name in (names if alone else names[:1])]
    return paths


def test_what_the_layout_names_exists() -> None:
    assert not [path for path in layout() if not (PACKAGE / path).exists()]


def test_the_layout_names_every_room() -> None:
    named = {path for path in layout() if path.count("/") <= path.endswith("/")}
    rooms = {f"{p.name}/" for p in PACKAGE.iterdir() if p.is_dir() and p.name != "__pycache__"}
    modules = {p.name for p in PACKAGE.glob("*.py")} - {"__init__.py"}
    assert rooms | modules == named
