"""The plugin's share of ``import covalent``, and a worker's start."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

from benchmarks import places, runs

PACKAGE = "covalent_awsbatch_plugin"
# A Python that does nothing.
BARE = "import time; print(time.time())"

# A search for garbage in all that Covalent has loaded takes 50 ms and comes in any case, with
# the plugin or without it; it would be put down to the module that it happens to interrupt.
IMPORT = "import gc; gc.disable(); import covalent"


def import_share(release: str, times: int) -> dict[str, float]:
    """Return the median seconds of ``import covalent`` in all and of the plugin's part in it."""
    python = str(places.old_python()) if release == runs.OLD else sys.executable
    with tempfile.TemporaryDirectory(prefix="benchmark-") as home:
        measured = [_import_once(python, home) for _ in range(times + 1)]
    # The first import of all writes Covalent's configuration.
    shares, wholes = zip(*measured[1:], strict=True)
    return {"plugin": statistics.median(shares), "covalent": statistics.median(wholes)}


def _import_once(python: str, home: str) -> tuple[float, float]:
    done = subprocess.run(
        [python, "-X", "importtime", "-c", IMPORT],
        env=places.environment(home),
        cwd=home,
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    )
    modules = list(_cumulative(done.stderr))
    whole = next(seconds for name, depth, seconds in modules if name == "covalent")
    return _outermost(modules), whole


def _cumulative(report: str) -> Iterator[tuple[str, int, float]]:
    """Yield (module, depth, seconds with all it imports) in the order of the report."""
    for line in report.splitlines():
        fields = line.removeprefix("import time:").split("|")
        if len(fields) == 3 and fields[1].strip().isdecimal():
            depth = len(fields[2]) - len(fields[2].lstrip())
            yield fields[2].strip(), depth, int(fields[1]) / 1e6


def _outermost(modules: list[tuple[str, int, float]]) -> float:
    """Add up the plugin's modules, those imported by another of them left out."""
    total, inside = 0.0, None
    # A module stands after what it imports, so backwards it comes first.
    for name, depth, seconds in reversed(modules):
        if inside is not None and depth > inside:
            continue
        inside = None
        if name.partition(".")[0] == PACKAGE:
            inside = depth
            total += seconds
    return total


def worker(times: int) -> dict[str, float]:
    """Return the median seconds until a worker reaches the function, and of a bare Python."""
    workers, pythons = [], []
    for _ in range(times):
        # In turn, so that whatever else the machine does meets both.
        workers += runs.worker_seconds(3)[1:]
        pythons += [_bare_python() for _ in range(2)]
    return {"worker": statistics.median(workers), "python": statistics.median(pythons)}


def _bare_python() -> float:
    with tempfile.TemporaryDirectory(prefix="benchmark-") as home:
        environment = places.environment(home)
        environment["PATH"] = os.pathsep.join(
            [os.path.dirname(sys.executable), os.environ["PATH"]]
        )
        started = time.time()
        done = subprocess.run(
            ["python", "-c", BARE], env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
    return float(done.stdout) - started
