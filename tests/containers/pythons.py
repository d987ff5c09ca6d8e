"""The Pythons of this machine, of which images are made."""

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

VERSIONS = ("3.10", "3.11", "3.12")
OURS = f"{sys.version_info.major}.{sys.version_info.minor}"

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
    """Yield where such a Python may be: this one, then PATH, pyenv and uv."""
    name = f"python{minor}"
    if minor == OURS:
        yield str(Path(sys.base_prefix, "bin", name))
    if on_path := shutil.which(name):
        yield on_path
    if root := output("pyenv", "root"):
        yield from map(str, sorted(Path(root, "versions").glob(f"{minor}.*/bin/{name}")))
    if found := output("uv", "python", "find", "--no-python-downloads", minor):
        yield found


def ask(program: str) -> Python | None:
    """Ask a Python for where it is installed."""
    answer = output(program, "-I", "-c", ASK)
    if not answer:
        return None
    told = json.loads(answer)
    paths = {name: Path(told.pop(name)) for name in ("program", "prefix", "stdlib")}
    return Python(**paths, **told)


def output(*command: str) -> str:
    """Return what a command prints; nothing where it fails or is not there."""
    environment = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
