"""The files that pip has installed: found, compiled and put in place."""

from __future__ import annotations

import compileall
import contextlib
import csv
import importlib.util
import os
import py_compile
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

METADATA = (".dist-info", ".egg-info")

# Processes that compile at once. A host has many more processors than a job may use.
COMPILERS = 4

# Folders of metadata, one for each version of a distribution that is installed.
Distributions = frozenset[Path]


def distributions() -> Distributions:
    """Return the metadata folders of all that is installed, without reading any."""
    found: set[Path] = set()
    for folder in filter(None, sys.path):
        # Entries of the path may be archives, missing, or not for this user.
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            found.update(Path(e.path) for e in entries if e.name.endswith(METADATA))
    return frozenset(found)


def files_of(metadata: Path) -> Iterator[Path]:
    """Yield the files of a distribution, from the record that its installer wrote."""
    with (metadata / "RECORD").open(encoding="utf-8", newline="") as file:
        for row in csv.reader(file):
            if row:
                yield Path(os.path.normpath(metadata.parent / row[0]))


def compile_all(files: Iterable[Path]) -> list[Path]:
    """Compile modules on all processors; return the files that hold the results.

    The results do not depend on the modules' times of modification, which archives round. Tests,
    of which some packages consist to a half, are left as they are: a task hardly imports them.
    """
    # Imported here because a task without shared packages has no use for it.
    from concurrent.futures import ProcessPoolExecutor

    modules = [path for path in files if path.suffix == ".py" and "tests" not in path.parts]
    with ProcessPoolExecutor(min(COMPILERS, os.cpu_count() or 1)) as processes:
        list(processes.map(_compile, modules, chunksize=32))
    results = (Path(importlib.util.cache_from_source(str(module))) for module in modules)
    return [path for path in results if path.is_file()]


def _compile(module: Path) -> None:
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    # Some packages carry files that are no valid modules: templates, or tests of bad syntax.
    compileall.compile_file(str(module), quiet=2, invalidation_mode=mode)


def move_into(source: Path, target: Path) -> None:
    """Move what is in a folder into another, whole folders where there are none of their names."""
    entries = sorted(source.iterdir(), key=lambda entry: entry.name.endswith(".dist-info"))
    for entry in entries:
        place = target / entry.name
        if place.is_dir() and entry.is_dir():
            move_into(entry, place)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            entry.replace(place)
