"""What a job finds installed: what the worker needs, and nothing else of this machine's.

An image on AWS does not have the packages of the machine that dispatches. Where jobs are
processes, they see a folder of links to Covalent, boto3, cloudpickle, pip and what these require,
so that a task that forgets its DepsPip fails here as it would there.
"""

from __future__ import annotations

from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

INSTALLED = ("covalent", "boto3", "cloudpickle", "pip")


def link_packages(folder: Path) -> Path:
    """Fill a new folder with links to the packages; return it."""
    folder.mkdir()
    for package in required(INSTALLED):
        for name in top_level(package):
            link = folder / name
            if not link.exists():
                link.symlink_to(Path(str(package.locate_file(name))).resolve())
    return folder


def required(names: tuple[str, ...]) -> list[Distribution]:
    """Return distributions and all that they require, as far as it is installed."""
    found: dict[str, Distribution] = {}
    wanted = [Requirement(name) for name in names]
    while wanted:
        requirement = wanted.pop()
        key = str(requirement).split(";", 1)[0]
        if key in found:
            continue
        try:
            package = found[key] = distribution(requirement.name)
        except PackageNotFoundError:
            continue
        lines = map(Requirement, package.requires or ())
        wanted += [line for line in lines if _applies(line, requirement.extras)]
    return list({package.metadata["Name"]: package for package in found.values()}.values())


def _applies(requirement: Requirement, extras: set[str]) -> bool:
    if requirement.marker is None:
        return True
    return any(requirement.marker.evaluate({"extra": extra}) for extra in (extras or {""}))


def top_level(package: Distribution) -> set[str]:
    """Return the names of a distribution's files and folders beside each other."""
    names = {file.parts[0] for file in package.files or ()}
    return names - {"..", "__pycache__"}
