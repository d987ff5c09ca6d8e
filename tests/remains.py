"""What is left of a process that was ended by a signal: processes, files and mounts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def temporary_files() -> Iterator[Path]:
    """A folder for a process's temporary files, with a path as short as /tmp's usually are."""
    folder = Path(tempfile.mkdtemp(prefix="t-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def start(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start a Python whose temporary files are in a folder, by which its processes are found."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {}), "TMPDIR": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )


def processes(folder: Path) -> dict[int, str]:
    """Return the command lines of running processes whose environment names a folder."""
    return {pid: command(pid) for pid in pids() if os.fsencode(folder) in read(pid, "environ")}


def command(pid: int) -> str:
    return read(pid, "cmdline").replace(b"\0", b" ").decode()


def pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]


def read(pid: int, name: str) -> bytes:
    """Read what the system knows of a process; nothing of one that has ended."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def mounts(folder: Path) -> list[str]:
    lines = Path("/proc/mounts").read_text().splitlines()
    return [line for line in lines if f" {folder}/" in line]


def remains(folder: Path) -> list[object]:
    """Return what is left: processes, mounts and the folder's files."""
    return [*processes(folder).items(), *mounts(folder), *folder.iterdir()]
