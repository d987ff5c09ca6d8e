"""Build the distributions, check them, and run the example of the demo from the wheel.

    python -m tests.distribution
    python -m tests.distribution 3.11 3.12

It runs in the locked environment. The wheel is built from the sdist, and installed with the newest
releases that pip finds, as users do, into an empty environment of each supported Python.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from zipfile import ZipFile

import toml
from packaging.metadata import ExceptionGroup, Metadata

from tests.pythons import CLAIMED, ROOT, find

DIST = ROOT / "dist"
PACKAGE = "covalent_awsbatch_plugin"
PROJECT = toml.load(ROOT / "pyproject.toml")["project"]
EXAMPLE = "svm.py"

# Whatever a distribution has beside these, it has by mistake.
SDIST_FILES = {"LICENSE", "PKG-INFO", "README.md", "pyproject.toml", "setup.cfg"}
METADATA_FILES = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "top_level.txt", "LICENSE"}

# Links and pictures of Markdown, and of HTML in it.
LINKS = re.compile(r"\]\(\s*([^)\s]+)|^\[[^\]]+\]:\s*(\S+)|(?:href|src)=\"([^\"]+)", re.MULTILINE)

INSTALL_SECONDS = 1200
EXAMPLE_SECONDS = 600


def build() -> tuple[Path, Path]:
    """Build sdist and wheel with the locked setuptools; return them."""
    shutil.rmtree(DIST, ignore_errors=True)
    uv = str(Path(sys.executable).with_name("uv"))
    with tempfile.TemporaryDirectory(prefix="covalent-awsbatch-build-") as folder:
        copy = checked_out(Path(folder))
        command = [uv, "build", "--quiet", "--no-build-isolation", f"--python={sys.executable}"]
        subprocess.run([*command, f"--out-dir={DIST}", str(copy)], cwd=copy, check=True)
    (sdist,), (wheel,) = DIST.glob("*.tar.gz"), DIST.glob("*.whl")
    return sdist, wheel


def checked_out(folder: Path) -> Path:
    """Copy the tracked files, so that nothing else can get into a distribution."""
    for name in tracked():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)
    return folder


def tracked(*below: str) -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", *below], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def problems(sdist: Path, wheel: Path) -> Iterator[str]:
    """Yield what is wrong with the distributions."""
    package = {name for name in tracked(PACKAGE) if not Path(name).name.startswith(".")}
    with ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        text = archive.read(metadata).decode("utf-8")
    infos = {name for name in names if ".dist-info/" in name}
    yield from differences("wheel", names - infos, package)
    yield from differences("wheel's metadata", {Path(n).name for n in infos}, METADATA_FILES)
    with tarfile.open(sdist) as archive:
        files = {member.name.partition("/")[2] for member in archive if member.isfile()}
    ours = {name for name in files if ".egg-info/" not in name}
    yield from differences("sdist", ours, package | SDIST_FILES)
    yield from metadata_problems(text)


def differences(what: str, found: set[str], wanted: set[str]) -> Iterator[str]:
    yield from (f"The {what} lacks {name}." for name in sorted(wanted - found))
    yield from (f"The {what} should not have {name}." for name in sorted(found - wanted))


def metadata_problems(text: str) -> Iterator[str]:
    """Yield what an index refuses, or shows wrongly, in a METADATA file."""
    try:
        metadata = Metadata.from_email(text, validate=True)
    except ExceptionGroup as group:
        yield from (f"Metadata: {error}" for error in group.exceptions)
        return
    if str(metadata.version) != PROJECT["version"]:
        yield f"The version is {metadata.version}, not {PROJECT['version']}."
    if (metadata.description_content_type or "").partition(";")[0] != "text/markdown":
        yield f"The long description is of the type {metadata.description_content_type}."
    for link in links(metadata.description or ""):
        if not link.startswith(("https://", "#")):
            yield f"The long description links to {link}, which is dead on an index's page."


def links(markdown: str) -> list[str]:
    """Return what a text in Markdown links to; code is no link."""
    prose = re.sub(r"^```.*?^```$|`[^`\n]+`", "", markdown, flags=re.DOTALL | re.MULTILINE)
    return [next(filter(None, match)) for match in LINKS.findall(prose)]


def on_python(minor: str, wheel: Path) -> str:
    """Install the wheel into an empty environment and run the example; return the outcome."""
    found = find(minor)
    if found is None:
        return "not found on this machine"
    print(f"Python {found.version}: installing {wheel.name} ...", flush=True)
    with tempfile.TemporaryDirectory(prefix="covalent-awsbatch-wheel-") as name:
        folder = Path(name)
        examples = shutil.copytree(ROOT / "examples", folder / "examples")
        subprocess.run([str(found.program), "-m", "venv", str(folder / "venv")], check=True)
        python = str(folder / "venv" / "bin" / "python")
        steps: tuple[tuple[str, Sequence[str], int], ...] = (
            ("pip install", ["-m", "pip", "install", "-qq", extras(wheel)], INSTALL_SECONDS),
            ("pip check", ["-m", "pip", "check"], 60),
            ("covalent-awsbatch", ["-m", f"{PACKAGE}.cli", "--version"], 60),
            (
                "the example",
                [str(examples / "demo.py"), str(examples / EXAMPLE)],
                EXAMPLE_SECONDS,
            ),
        )
        for step, arguments, seconds in steps:
            if not succeeds([python, *arguments], folder, seconds):
                return f"{step} failed"
    return "passed"


def extras(wheel: Path) -> str:
    return f"{PROJECT['name']}[local,examples] @ {wheel.as_uri()}"


def succeeds(command: Sequence[str], folder: Path, seconds: int) -> bool:
    """Run a command outside the repository, with no package of this environment."""
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    try:
        done = subprocess.run(command, cwd=folder, env=clean, timeout=seconds)
    except subprocess.TimeoutExpired:
        print(f"Not finished within {seconds} s: {' '.join(command)}", flush=True)
        return False
    return done.returncode == 0


def main(*minors: str) -> int:
    sdist, wheel = build()
    found = list(problems(sdist, wheel))
    print(*found, sep="\n", flush=True)
    if found:
        return 1
    outcomes = {minor: on_python(minor, wheel) for minor in minors or CLAIMED}
    print("dist:", "; ".join(f"{minor} {outcome}" for minor, outcome in outcomes.items()))
    for path in (sdist, wheel):
        print(f"  {path.relative_to(ROOT)}")
    missing = [minor for minor, outcome in outcomes.items() if outcome.startswith("not found")]
    failed = [m for m, outcome in outcomes.items() if outcome != "passed" and m not in missing]
    return 1 if failed or len(missing) == len(outcomes) else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
