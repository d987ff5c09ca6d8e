"""Run the tests that other versions can break: other Pythons, the newest packages, the oldest.

    python -m tests.versions pythons
    python -m tests.versions latest
    python -m tests.versions oldest

It runs in the locked environment; the others it makes are .venv-3.12, .venv-latest and so on.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.pythons import CLAIMED, ROOT, find

# Unit tests, conformance over the fake, and three workflows through a Covalent server: results,
# nested dispatches, and what a user sees of an exception.
WORKFLOWS = "tests/end_to_end/test_workflows.py"
TESTS = (
    "tests/unit",
    "tests/conformance",
    f"{WORKFLOWS}::test_one_batch_electron_and_one_local_one",
    f"{WORKFLOWS}::test_sublattice_whose_electrons_are_jobs",
    f"{WORKFLOWS}::test_raising_task_shows_its_output_and_traceback",
    "-m",
    "not emulator",
)
# They take about two minutes on two cores.
LONGEST_SECONDS = 1800
SECONDS_TO_END = 60


@dataclass(frozen=True)
class Environment:
    """A virtual environment."""

    folder: Path

    @property
    def python(self) -> str:
        return str(self.folder / "bin" / "python")

    def packages(self) -> dict[str, str]:
        """Return the installed packages and their releases."""
        listed = subprocess.run(
            [self.python, "-m", "pip", "list", "--format=json"],
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        return {package["name"].lower(): package["version"] for package in json.loads(listed)}

    def test(self, *arguments: str) -> int:
        """Run the tests; return pytest's exit code."""
        return bounded([self.python, "-m", "pytest", *TESTS, *arguments])


LOCKED = Environment(ROOT / ".venv")


def bounded(command: Sequence[str]) -> int:
    """Run a command that may hang; interrupted, pytest ends what its tests started."""
    with subprocess.Popen(command, cwd=ROOT) as process:
        for seconds, ending in (
            (LONGEST_SECONDS, signal.SIGINT),
            (SECONDS_TO_END, signal.SIGKILL),
        ):
            try:
                return process.wait(seconds)
            except subprocess.TimeoutExpired:
                print(f"Not finished within {seconds} s: {' '.join(command)}", flush=True)
                process.send_signal(ending)
        return process.wait()


def locked(name: str, python: str, lock: str = "requirements-dev.txt") -> Environment:
    """Make an environment as the Makefile does, with another Python or from another lock."""
    folder = f".venv-{name}"
    subprocess.run(
        ["make", "--no-print-directory", "environment"]
        + [f"VENV={folder}", f"PYTHON={python}", f"LOCK={lock}"],
        cwd=ROOT,
        check=True,
    )
    return Environment(ROOT / folder)


def pythons(minors: Sequence[str]) -> int:
    """Run the tests on each Python that the project claims; one that is missing is a failure."""
    outcomes = {minor: on_python(minor) for minor in minors}
    report("pythons", "; ".join(f"{minor} {outcome}" for minor, outcome in outcomes.items()))
    return 0 if set(outcomes.values()) == {"passed"} else 1


def on_python(minor: str) -> str:
    found = find(minor)
    if found is None:
        return "not found on this machine"
    print(f"Python {found.version}, {found.program}", flush=True)
    try:
        environment = locked(minor, str(found.program))
    except subprocess.CalledProcessError:
        return "could not be installed"
    return "passed" if environment.test() == 0 else "failed"


def oldest() -> int:
    """Run the tests with the oldest releases that pyproject.toml allows, on the oldest Python."""
    found = find(CLAIMED[0])
    python = str(found.program) if found else sys.executable
    lock = ROOT / "build" / "oldest.txt"
    lock.parent.mkdir(exist_ok=True)
    uv = [str(LOCKED.folder / "bin" / "uv"), "pip", "compile", "--quiet", "--generate-hashes"]
    wanted = ["--resolution=lowest-direct", "--extra=test", f"--python={python}"]
    subprocess.run([*uv, *wanted, f"--output-file={lock}", "pyproject.toml"], cwd=ROOT, check=True)
    code = locked("oldest", python, str(lock.relative_to(ROOT))).test()
    report("oldest", "failed" if code else "passed")
    return code


def latest() -> int:
    """Run the tests with the newest releases within our bounds.

    A test that fails with them and passes with the lock fails for a release of another project:
    it is reported. One that fails with the lock too is ours.
    """
    newest = Environment(ROOT / ".venv-latest")
    if not install_newest(newest):
        report("latest", "the newest releases could not be installed together; see pip's message")
        return 0
    cache = newest.folder / "pytest-cache"
    code = newest.test("-o", f"cache_dir={cache}")
    print_differences(newest)
    if code == 0:
        report("latest", "passed")
        return 0
    failing = failed_tests(cache)
    print("The same tests with the lock:", flush=True)
    if LOCKED.test("--last-failed", "-o", f"cache_dir={cache}") != 0:
        report("latest", "failed, and so it does with the lock: the cause is ours")
        return 1
    for test in failing:
        print(f"  {test}")
    if not failing:
        report("latest", f"pytest ends with {code} with newer releases and passes with the lock")
        return 0
    verbs = ("test fails", "passes") if len(failing) == 1 else ("tests fail", "pass")
    report("latest", f"{len(failing)} {verbs[0]} with newer releases and {verbs[1]} with the lock")
    return 0


def install_newest(environment: Environment) -> bool:
    """Install as users do: whatever pip takes today."""
    install = [environment.python, "-m", "pip", "install", "--quiet", "--upgrade"]
    print(f"Installing the newest releases into {environment.folder.name} ...", flush=True)
    subprocess.run(
        [sys.executable, "-m", "venv", "--clear", str(environment.folder)], cwd=ROOT, check=True
    )
    quiet = {**os.environ, "PYTHONWARNINGS": "ignore"}
    return all(
        subprocess.run([*install, *what], cwd=ROOT, env=quiet).returncode == 0
        for what in (["pip", "setuptools"], ["--editable", ".[test]"])
    )


def print_differences(environment: Environment) -> None:
    """Print which packages are of other releases than those of the lock."""
    locked, here = LOCKED.packages(), environment.packages()
    other = sorted(name for name in here if here[name] != locked.get(name))
    lines = [f"{name} {locked.get(name, '(none)')} -> {here[name]}" for name in other]
    print("Packages that differ from the lock:", *(lines or ["none"]), sep="\n  ", flush=True)


def failed_tests(cache: Path) -> list[str]:
    """Return the tests that pytest noted as failed."""
    noted = cache / "v" / "cache" / "lastfailed"
    return sorted(json.loads(noted.read_text("utf-8"))) if noted.exists() else []


def report(command: str, outcome: str) -> None:
    print(f"test-{command}: {outcome}", flush=True)


def main(command: str, *minors: str) -> int:
    if command == "pythons":
        return pythons(minors or CLAIMED)
    return {"latest": latest, "oldest": oldest}[command]()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
