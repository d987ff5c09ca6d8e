"""Words that the project does without: the field's own take their place (pyproject.toml)."""

from __future__ import annotations

import re
import subprocess

import pytest
import toml

from tests.pythons import ROOT

SETTINGS = toml.load(ROOT / "pyproject.toml")["tool"]["words"]
RETIRED = re.compile(rf"\b({'|'.join(SETTINGS['retired'])})\b", re.IGNORECASE)

# Files that are text, as far as their names go.
TEXT = (".cfg", ".css", ".ipynb", ".md", ".py", ".tf", ".toml", ".txt", ".yaml", ".yml")
NAMES = ("Dockerfile", "Makefile", "run")


def findings(name: str, text: str) -> list[str]:
    """Return the retired words of a file, each with its place."""
    allowed = {word.lower() for word in SETTINGS["exceptions"].get(name, ())}
    return [
        f"{name}:{number}: {match[0]}"
        for number, line in enumerate(text.splitlines(), 1)
        for match in RETIRED.finditer(line)
        if match[0].lower() not in allowed
    ]


def tracked() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True
    ).stdout.split("\0")
    chosen = (n for n in listed if n.endswith(TEXT) or n.rpartition("/")[2] in NAMES)
    return [n for n in chosen if n not in SETTINGS["unchecked"] and (ROOT / n).is_file()]


def test_retired_words_stay_away() -> None:
    names = tracked()
    if not names:
        pytest.skip("This is not a clone.")
    found = [f for n in names for f in findings(n, (ROOT / n).read_text("utf-8"))]
    assert not found, "\n".join(found)


def test_every_exception_is_needed() -> None:
    for name, words in SETTINGS["exceptions"].items():
        text = (ROOT / name).read_text("utf-8").lower()
        assert all(word.lower() in text for word in words), name


@pytest.mark.parametrize("word", SETTINGS["examples"])
def test_a_retired_word_is_found(word: str) -> None:
    assert findings("a.py", f"# It {word}.\n") == [f"a.py:1: {word}"]
