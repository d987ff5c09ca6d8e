"""Root file systems from scratch, of what this machine has: no registry is asked.

They are laid out as the official images are: Python under /usr/local, found on PATH.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from functools import lru_cache
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

from tests.pythons import Python

# Of glibc and the compilers' runtimes whatever a wheel may link to.
RUNTIME = re.compile(
    r"(libc|libm|libdl|librt|libutil|libpthread|libresolv|libnss_(files|dns)|libgcc_s|libstdc\+\+)"
    r"\.so\.\d+$"
)
PROGRAMS = ("sh", "cat", "env", "head", "id", "ls", "mkdir", "sleep", "tr", "useradd")
LEFT_OUT = shutil.ignore_patterns(
    "test", "site-packages", "idlelib", "tkinter", "turtledemo", "config-*", "*.opt-?.pyc",
    "_tkinter*", "lib2to3", "__phello__",
)  # fmt: skip
PIP = '#!/bin/sh\nexec python -m pip "$@"\n'


def lay_base(root: Path) -> None:
    """Lay out a system without a Python: a shell, a few programs, users, folders."""
    for name in ("usr/bin", "usr/lib", "usr/lib64", "usr/sbin", "usr/local/bin", "usr/local/lib"):
        (root / name).mkdir(parents=True)
    for name in ("bin", "lib", "lib64", "sbin"):
        (root / name).symlink_to(f"usr/{name}")
    for name in ("etc", "root", "home", "dev", "proc", "sys", "var/tmp", "tmp", "run"):
        (root / name).mkdir(parents=True)
    for name in ("tmp", "var/tmp"):
        (root / name).chmod(0o1777)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    (root / "etc/nsswitch.conf").write_text("hosts: files dns\n")
    for name in PROGRAMS:
        add_program(root, name)
    add_libraries(root, runtime_libraries())


def add_program(root: Path, name: str) -> None:
    """Add a program of this machine and the libraries it is linked to."""
    found = shutil.which(name, path=f"{os.defpath}:/usr/sbin:/sbin")
    assert found, f"this machine has no {name}"
    folder = "sbin" if name == "useradd" else "bin"
    program = root / "usr" / folder / name
    shutil.copy(Path(found).resolve(), program)
    add_libraries(root, linked(program))


def lay_python(
    root: Path, python: Python, home: str = "usr/local", pip_program: bool = True
) -> None:
    """Add a Python with its standard library, and pip.

    Args:
        root: The root file system.
        python: The Python.
        home: The folder that has it.
        pip_program: Whether pip is a program, too, and not only a package.
    """
    local = root / home
    (local / "bin").mkdir(parents=True, exist_ok=True)
    name = f"python{python.minor}"
    stdlib = local / "lib" / name
    shutil.copytree(python.stdlib, stdlib, symlinks=True, ignore=LEFT_OUT)
    shutil.copy(python.program.resolve(), local / "bin" / name)
    for alias in ("python", "python3"):
        (local / "bin" / alias).symlink_to(name)
    library = Path(python.library_folder, python.library)
    if library.suffix != ".a" and library.exists():
        real = library.resolve()
        shutil.copy(real, root / "usr/local/lib" / real.name)
    extensions = list((stdlib / "lib-dynload").glob("*.so"))
    add_libraries(root, linked(python.program.resolve(), *extensions))
    site = stdlib / "site-packages"
    site.mkdir()
    copy_distribution("pip", site)
    if pip_program:
        script = local / "bin/pip"
        script.write_text(PIP)
        script.chmod(0o755)


def add_libraries(root: Path, paths: Iterable[Path]) -> None:
    """Add shared libraries where the loader looks for them, unless they are there."""
    for path in paths:
        target = root / str(path).lstrip("/")
        # Beyond /usr (such as a library of a Python under /opt) they go where all can be found.
        if not str(path).startswith(("/lib", "/usr/lib")):
            target = root / "usr/local/lib" / path.name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path.resolve(), target)


def finish(root: Path) -> None:
    """Make the loader's cache, as a package manager would."""
    folders = sorted({f"/{p.parent.relative_to(root)}" for p in (root / "usr").rglob("lib*.so.*")})
    (root / "etc/ld.so.conf").write_text("\n".join(["/usr/local/lib", *folders, ""]))
    program = shutil.which("ldconfig", path=f"{os.defpath}:/usr/sbin:/sbin") or "ldconfig"
    subprocess.run([program, "-r", str(root)], check=True)


def linked(*programs: Path) -> list[Path]:
    """Return the libraries that programs are linked to."""
    done = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True)
    found = re.findall(r"(?:=> )?(/\S+) \(0x", done.stdout)
    return sorted(map(Path, set(found)))


@lru_cache
def runtime_libraries() -> tuple[Path, ...]:
    """Return this machine's glibc and compilers' runtimes, of the architecture of the shell."""
    folders = {path.parent for path in linked(Path(shutil.which("sh") or "/bin/sh").resolve())}
    return tuple(p for folder in folders for p in folder.iterdir() if RUNTIME.match(p.name))


def copy_distribution(name: str, site: Path) -> None:
    """Copy an installed distribution's packages and metadata."""
    found = distribution(name)
    for file in found.files or ():
        source = Path(str(found.locate_file(file)))
        # Scripts and data lie outside of site-packages.
        if ".." not in file.parts and source.is_file():
            target = site / file
            target.parent.mkdir(parents=True, exist_ok=True)
            # With its time, without which what was compiled does not count.
            shutil.copy2(source, target)


def closure(wanted: Iterable[str]) -> list[str]:
    """Return distributions, such as ``dask[distributed]``, with all they require here."""
    found: set[tuple[str, str]] = set()
    waiting = [each for line in wanted for each in with_extras(Requirement(line))]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in found:
            continue
        found.add((name, extra))
        for line in distribution(name).requires or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                waiting += with_extras(requirement)
    return sorted({name for name, _ in found})


def with_extras(requirement: Requirement) -> list[tuple[str, str]]:
    name = re.sub(r"[-_.]+", "-", requirement.name).lower()
    return [(name, extra) for extra in ("", *requirement.extras)]
