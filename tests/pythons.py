"""The Pythons that the project claims to run on, and those of this machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import toml

ROOT = Path(__file__).parents[1]
OURS = f"{sys.version_info.major}.{sys.version_info.minor}"

# In the order in which they were published.
CLAIMED = tuple(
    name.removeprefix("Programming Language :: Python :: ")
    for name in toml.load(ROOT / "pyproject.toml")["project"]["classifiers"]
    if name.startswith("Programming Language :: Python :: 3.")
)

ASK = """
import json, sys, sysconfig
print(json.dumps({
    "version": sys.version.split()[0], "program": sys.executable, "prefix": sys.base_prefix,
    "stdlib": sysconfig.get_path("stdlib"), "library": sysconfig.get_config_var("LDLIBRARY"),
    "library_folder": sysconfig.get_config_var("LIBDIR"),
}))
"""


@dataclass(frozen=True)
class Python:
    """An installed Python, not one of a virtual environment."""

    version: str
    program: Path
    prefix: Path
    stdlib: Path
    library: str
    library_folder: str

    @property
    def minor(self) -> str:
        return ".".join(self.version.split(".")[:2])


@lru_cache
def find(minor: str) -> Python | None:
    """Return an installed Python of a minor version such as 3.11."""
    for program in candidates(minor):
        found = ask(program)
        if found and found.minor == minor:
            return found
    return None


def candidates(minor: str) -> Iterator[str]:
    """Yield where such a Python may be: this one, then PATH, pyenv's and uv's folders."""
    name = f"python{minor}"
    if minor == OURS:
        yield str(Path(sys.base_prefix, "bin", name))
    if on_path := shutil.which(name):
        yield on_path
    pyenv = Path(output("pyenv", "root") or Path.home() / ".pyenv")
    yield from map(str, sorted(pyenv.glob(f"versions/{minor}.*/bin/{name}")))
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or Path.home() / ".local/share/uv/python")
    yield from map(str, sorted(uv.glob(f"cpython-{minor}.*/bin/{name}")))


def ask(program: str) -> Python | None:
    """Ask a Python for where it is installed."""
    answer = output(program, "-I", "-c", ASK)
    if not answer:
        return None
    reported = json.loads(answer)
    paths = {name: Path(reported.pop(name)) for name in ("program", "prefix", "stdlib")}
    return Python(**paths, **reported)


def output(*command: str) -> str:
    """Return what a command prints; nothing where it fails or is not there."""
    environment = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
