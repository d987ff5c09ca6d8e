"""Covalent from the server's wheelhouse: an archive of what the server has installed.

A distribution that the image has stays, where it fits the others. One whose wheel is for another
platform comes from the package index, in exactly that version, so that pip resolves nothing.
"""

from __future__ import annotations

import importlib
import json
import platform
import re
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..protocol import wheelhouse
from . import archives, installed_files
from .archives import Unusable
from .bucket import Bucket
from .environments import folder_beside, site_packages

# The versions of glibc that the first names of platforms stood for.
LEGACY = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}

# Where pip has a library that knows which versions fit.
SPECIFIERS = ("pip._vendor.packaging.specifiers", "packaging.specifiers")

# What is in place last: whoever finds it finds the others too.
LAST = "covalent"


def install(bucket: Bucket, key: str, pip_install: Callable[[list[str]], object]) -> None:
    """Install Covalent and what it needs.

    Args:
        bucket: The task's bucket.
        key: The archive's key.
        pip_install: Installs with pip, given its arguments.

    Raises:
        Unusable: The archive does not fit here; nothing of it was installed.
        Exception: It could not be fetched, unpacked or completed.
    """
    packages = site_packages()
    with folder_beside(packages) as folder:
        file = folder / "archive"
        bucket.download(key, file)
        with zipfile.ZipFile(file) as archive:
            absent = _absent(json.loads(archive.read(wheelhouse.MANIFEST)))
            taken = {name for name, each in absent.items() if fits(each["platforms"])}
            members = [m for m in archive.infolist() if m.filename.partition("/")[0] in taken]
            archives.extract(archive, members, folder / "files")
        missing = [f"{name}=={absent[name]['version']}" for name in sorted(set(absent) - taken)]
        if missing:
            pip_install(["--no-deps", *missing])
        for name in sorted(taken, key=lambda name: (name == LAST, name)):
            installed_files.move_into(folder / "files" / name, packages)
    importlib.invalidate_caches()


def _absent(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the distributions that the image lacks.

    Raises:
        Unusable: It is of another Python, or the image has one that does not fit the others.
    """
    if manifest["python"] != wheelhouse.python():
        raise Unusable(f"it was made for {manifest['python']}")
    distributions: dict[str, dict[str, Any]] = manifest["distributions"]
    here = dict(map(_name_and_version, installed_files.distributions()))
    for name in distributions.keys() & here.keys():
        wanted = distributions[name]
        if here[name] != wanted["version"] and not satisfies(here[name], wanted["bounds"]):
            raise Unusable(f"the image has {name} {here[name]}")
    return {name: each for name, each in distributions.items() if name not in here}


def _name_and_version(metadata: Path) -> tuple[str, str]:
    name, _, version = metadata.stem.partition("-")
    return re.sub(r"[-_.]+", "-", name).lower(), version.partition("-")[0]


def satisfies(version: str, bounds: str) -> bool:
    """Return whether a version is within bounds; where that is unknown, it is not."""
    for module in SPECIFIERS:
        try:
            specifiers: Any = importlib.import_module(module)
        except ImportError:
            continue
        return bool(specifiers.SpecifierSet(bounds).contains(version, prereleases=True))
    return False


def fits(platforms: list[str]) -> bool:
    """Return whether a wheel for any of these platforms is for this one."""
    machine = re.sub(r"[-.]", "_", sysconfig.get_platform().partition("-")[2])
    kind, release = platform.libc_ver()
    libc = tuple(map(int, re.findall(r"\d+", release)[:2])) if kind == "glibc" else (0, 0)
    return any(_fits(name, machine, libc) for name in platforms)


def _fits(name: str, machine: str, libc: tuple[int, ...]) -> bool:
    if name == "any":
        return True
    found = re.fullmatch(r"(manylinux(?:_(\d+)_(\d+)|\d+))_(\w+)", name)
    if found is None or found[4] != machine:
        return False
    least = (int(found[2]), int(found[3])) if found[2] else LEGACY.get(found[1])
    return least is not None and libc >= least
