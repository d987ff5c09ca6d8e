"""The lock of the development environment: whole, of this project, and of no machine."""

from __future__ import annotations

import re

import pytest
import toml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.pythons import CLAIMED, ROOT

PROJECT = toml.load(ROOT / "pyproject.toml")["project"]
LOCK = (ROOT / "requirements-dev.txt").read_text("utf-8")

# A package's line and its indented hashes; comments are indented too.
ENTRY = re.compile(r"^(?P<line>\S.*==.*?) \\\n(?P<rest>(?: {4}.*\n)+)", re.MULTILINE)
ENTRIES = [(Requirement(entry["line"]), entry["rest"]) for entry in ENTRY.finditer(LOCK)]


def required() -> list[str]:
    """Return what the project requires, by itself and with every extra."""
    lists = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    return [text for texts in lists for text in texts if not text.startswith(PROJECT["name"])]


def pins(python: str) -> dict[str, str]:
    """Return the locked release of every package, on a minor version of Python."""
    environment = {
        **default_environment(),
        "python_version": python,
        "python_full_version": f"{python}.99",
    }
    chosen = [pin for pin, _ in ENTRIES if not pin.marker or pin.marker.evaluate(environment)]
    names = [canonicalize_name(pin.name) for pin in chosen]
    assert len(names) == len(set(names)), "two releases of a package on one Python"
    return {
        name: str(pin.specifier).removeprefix("==")
        for name, pin in zip(names, chosen, strict=True)
    }


@pytest.mark.parametrize("python", CLAIMED)
@pytest.mark.parametrize("text", required())
def test_it_has_what_the_project_requires(text: str, python: str) -> None:
    requirement = Requirement(text)
    pinned = pins(python).get(canonicalize_name(requirement.name))
    assert pinned is not None, "run make lock"
    assert requirement.specifier.contains(pinned, prereleases=True), "run make lock"


def test_every_package_has_hashes() -> None:
    assert len(ENTRIES) == len(re.findall(r"^\w", LOCK, re.MULTILINE))
    assert [pin for pin, rest in ENTRIES if "--hash=sha256:" not in rest] == []


def test_it_names_no_index_and_no_path() -> None:
    foreign = re.compile(
        r"^\s*-(?!-hash=)|://| @ |(?<!covalent-awsbatch-plugin )\(.*/", re.MULTILINE
    )
    assert foreign.findall(LOCK) == []
