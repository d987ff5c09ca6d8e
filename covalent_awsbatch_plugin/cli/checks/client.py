"""The client's machine: Python, packages, configuration."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any

from ...errors import InvalidOptions
from ...options import resolution
from ...options.table import BY_NAME, INHERITED
from ..shared.configuration import configuration_path
from .finding import Finding, ok, problem, warning

DISTRIBUTION = "covalent-awsbatch-plugin"
PACKAGES = ("covalent", "fastapi")


def check_client() -> Iterator[Finding]:
    """Check the Python and the packages that Covalent and the plugin need."""
    from packaging.specifiers import SpecifierSet

    bounds = _bounds()
    python = sys.version.split()[0]
    # Pre-releases are of their minor version here.
    if SpecifierSet(bounds["python"]).contains(python, prereleases=True):
        yield ok("client", "python", f"Python {python}.")
    else:
        yield problem(
            "client",
            "python",
            f"Python {python}; Covalent works with {bounds['python']}.",
            "run Covalent with such a Python.",
        )
    for package in PACKAGES:
        yield _check_package(package, bounds[package])


def _check_package(package: str, bound: str) -> Finding:
    from packaging.specifiers import SpecifierSet

    try:
        found = version(package)
    except PackageNotFoundError:
        found = "none"
    if found != "none" and SpecifierSet(bound).contains(found, prereleases=True):
        return ok("client", package, f"{package} {found}.")
    return problem(
        "client",
        package,
        f"{package} {found} is installed; what works is {package}{bound}.",
        f"pip install '{package}{bound}'",
    )


def _bounds() -> dict[str, str]:
    """Return our own bounds, from this package's metadata, by package; and ``python``."""
    from importlib.metadata import metadata

    from packaging.requirements import Requirement

    parsed = [Requirement(line) for line in requires(DISTRIBUTION) or ()]
    bounds = {r.name: str(r.specifier) for r in parsed if r.marker is None}
    return {**bounds, "python": metadata(DISTRIBUTION)["Requires-Python"]}


def check_configuration(configured: Mapping[str, Any]) -> Iterator[Finding]:
    """Check the keys of the section of Covalent's configuration and their values."""
    wrong = [*_unknown_keys(configured), *_bad_values(configured)]
    where = f"[{resolution.SECTION}] in {configuration_path()}"
    yield from wrong
    if not wrong:
        yield ok("configuration", "keys", f"{len(configured)} keys in {where}.")


def _unknown_keys(configured: Mapping[str, Any]) -> Iterator[Finding]:
    for key in configured:
        if key not in BY_NAME and key not in INHERITED:
            nearest = resolution.nearest(key)
            yield warning(
                "configuration",
                key,
                f"The key {key!r} is unknown, and ignored.",
                f"rename it to {nearest!r}." if nearest else "remove it.",
            )


def _bad_values(configured: Mapping[str, Any]) -> Iterator[Finding]:
    for key in bad_keys(configured):
        try:
            resolution.resolve({}, {key: configured[key]})
        except InvalidOptions as error:
            yield problem("configuration", key, error.detail, _bound(key))


def bad_keys(configured: Mapping[str, Any]) -> list[str]:
    """Return the keys whose values the executor would refuse."""
    return [key for key in configured if key in BY_NAME and _is_bad(key, configured[key])]


def _is_bad(key: str, value: Any) -> bool:
    try:
        resolution.resolve({}, {key: value})
    except InvalidOptions:
        return True
    return False


def _bound(key: str) -> str:
    option = BY_NAME[key]
    allowed = f" ({option.bounds})" if option.bounds else ""
    return f"correct {key}{allowed}, or remove it: then it is {option.default!r}."
