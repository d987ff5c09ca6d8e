"""A Python environment of an attempt's own, over the packages that all attempts share.

It is a virtual environment made by hand, in about a millisecond: the interpreter of the local AWS,
an empty ``site-packages`` that comes first, and the shared packages behind it. pip therefore
installs into the attempt's own; what is there in another version is shadowed and never
uninstalled, because pip leaves alone what lies outside its environment.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path

# A job's programs: its Python first, then the system's. Not those of the local AWS's environment,
# whose pip would install there.
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# As pip's own script: what is in the working folder is not for pip to import.
PIP = """#!/bin/sh
exec "$(dirname "$0")/python" -c 'import sys; sys.path[:] = filter(None, sys.path); import runpy
runpy.run_module("pip", run_name="__main__", alter_sys=True)' "$@"
"""


def make_python(folder: Path, shared: Path) -> Path:
    """Make the environment in a folder, over shared packages; return where its programs are."""
    programs = folder / "bin"
    packages = folder / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    programs.mkdir(parents=True)
    packages.mkdir(parents=True)
    interpreter = base_interpreter()
    (folder / "pyvenv.cfg").write_text(
        f"home = {interpreter.parent}\ninclude-system-site-packages = false\n"
    )
    for name in ("python", "python3", f"python3.{sys.version_info[1]}"):
        (programs / name).symlink_to(interpreter)
    for name in ("pip", "pip3"):
        (programs / name).write_text(PIP)
        (programs / name).chmod(0o755)
    line = f"import site; site.addsitedir({str(shared)!r})"
    (packages / "local-aws.pth").write_text(f"{line}\n")
    return programs


@lru_cache(maxsize=1)
def base_interpreter() -> Path:
    """Return the interpreter that virtual environments are made of."""
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()
