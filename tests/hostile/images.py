"""The table of old and odd images: what is installed in them, and what lies in their folders."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import covalent as ct
from covalent._workflow.electron import _build_sublattice_graph

from covalent_awsbatch_plugin import errors

from .cases import Case, raised
from .functions import VALUE

TEXT = f'"{VALUE}"'

# No index is there: what a job needs must be in its image or come along.
UNREACHABLE = {"PIP_INDEX_URL": "http://127.0.0.1:1/simple", "PIP_RETRIES": "0"}

# Python runs it before the worker. An image has a working folder; a job that is a process has not.
START = """
import os, sys
os.chdir({folder!r})
if not {packages}:
    sys.path[:] = [path for path in sys.path if not path.endswith("/packages")]
"""


@dataclass(frozen=True)
class Image:
    """What an image has.

    Attributes:
        modules: Text of files on Python's path, by name.
        folder: Text of files in the working folder, which is the home too, by name.
        packages: Whether Covalent, boto3 and cloudpickle are installed.
    """

    modules: Mapping[str, str] = field(default_factory=dict)
    folder: Mapping[str, str] = field(default_factory=dict)
    packages: bool = True

    def make(self, root: Path) -> dict[str, Any]:
        """Make its files below a folder; return options of a job that has them."""
        path, folder = root / "path", root / "folder"
        folder.mkdir(parents=True)
        start = {"sitecustomize.py": START.format(folder=str(folder), packages=self.packages)}
        for parent, files in ((path, {**self.modules, **start}), (folder, self.folder)):
            for name, text in files.items():
                (parent / name).parent.mkdir(parents=True, exist_ok=True)
                (parent / name).write_text(text)
        environment = {**UNREACHABLE, "PYTHONPATH": str(path), "HOME": str(folder)}
        return {"environment": environment, "share_packages": "never"}


@dataclass(frozen=True)
class Odd:
    """A task in an image, and how it must end.

    Attributes:
        image: The image.
        case: The task's function, and what is expected.
        args: Its arguments.
        before: Covalent's hooks before it.
    """

    image: Image
    case: Case
    args: tuple[Any, ...] = ()
    before: tuple[Any, ...] = ()


def uses_the_standard_library() -> str:
    import base64
    import json
    import pickle

    text: str = json.loads(pickle.loads(base64.b64decode(base64.b64encode(pickle.dumps(TEXT)))))
    return text


def asks_for_the_context() -> int:
    import covalent

    return covalent.get_context().task_id


def imports(*names: str) -> Any:
    def versions() -> list[str]:
        import importlib

        return [importlib.import_module(name).__version__ for name in names]

    return versions


def finds_nothing_of(*names: str) -> Any:
    def missing() -> bool:
        import importlib

        for name in names:
            try:
                importlib.import_module(name)
            except ModuleNotFoundError:
                continue
            return False
        return True

    return missing


def imports_of_its_own() -> str:
    import mine

    return mine.VALUE


@ct.lattice
def sublattice(x: int) -> int:
    return x


def builds(image: Image, *texts: str, attempts: int = 1) -> Odd:
    """Return a sublattice's builder in an image that is refused."""
    case = Case(
        _build_sublattice_graph, error=errors.WorkerNotStarted, texts=texts, attempts=attempts
    )
    metadata = json.dumps(ct.lattice(len, executor="local").metadata)
    return Odd(image, case, (sublattice, metadata, 1))


BOTO = {
    "boto3/__init__.py": "__version__ = '1.17.0'\n",
    "botocore/__init__.py": "__version__ = '1.20.0'\n",
}
COVALENT = {"covalent/__init__.py": "__version__ = '0.177.0'\n"}
BROKEN = {"covalent/__init__.py": "raise ImportError('libodd.so: cannot open it')\n"}
OLD = {"requests/__init__.py": "", "requests-1.0.dist-info/METADATA": "Name: requests\n"}
CLOUDPICKLE = {"cloudpickle/__init__.py": "__version__ = '0.5'\n\ndef dumps(value): ...\n"}
NAMES = (
    "covalent",
    "boto3",
    "botocore",
    "cloudpickle",
    "covalent_awsbatch_plugin",
    "covalent_awsbatch_worker",
)
FOLDERS = {f"{name}/data.csv": "1,2,3\n" for name in NAMES}
FILES = dict.fromkeys(NAMES, "1,2,3\n")
STANDARD = (
    "base64",
    "contextlib",
    "functools",
    "hashlib",
    "http",
    "io",
    "json",
    "linecache",
    "os",
    "pickle",
    "pip",
    "random",
    "runpy",
    "site",
    "socket",
    "ssl",
    "subprocess",
    "tempfile",
    "token",
    "traceback",
    "types",
    "urllib",
    "zlib",
)
MODULES = {f"{name}.py": "raise RuntimeError('the wrong module')\n" for name in STANDARD}

PLAIN = Case(uses_the_standard_library)
BASH = ct.DepsBash(["echo made"]).apply()
# Installed already: what counts is that pip runs.
PIP = ct.DepsPip(["pip"]).apply()

IMAGES = {
    # Of another version
    "old boto3": Odd(Image(BOTO), PLAIN),
    "old boto3, imported": Odd(
        Image(BOTO), Case(imports("boto3", "botocore"), ["1.17.0", "1.20.0"])
    ),
    "old cloudpickle": Odd(Image(CLOUDPICKLE), PLAIN),
    "old Covalent": Odd(Image(COVALENT), PLAIN, before=(BASH, PIP)),
    "old Covalent, imported": Odd(Image(COVALENT), Case(imports("covalent"), ["0.177.0"])),
    "old Covalent, sublattice": builds(
        Image(COVALENT), "0.177.0 in ", "Use an image with Covalent ", "or one without Covalent"
    ),
    "broken Covalent": Odd(Image(BROKEN), PLAIN, before=(BASH, PIP)),
    "broken Covalent, imported": Odd(
        Image(BROKEN),
        raised(imports("covalent"), "ImportError: libodd.so: cannot open it"),
    ),
    "broken Covalent, sublattice": builds(
        Image(BROKEN), "ImportError: libodd.so: cannot open it", "Use an image with Covalent "
    ),
    # Folders and files that bear names of modules
    "folders": Odd(Image(folder=FOLDERS), Case(asks_for_the_context, 0), before=(BASH, PIP)),
    "files": Odd(Image(folder=FILES), Case(asks_for_the_context, 0), before=(BASH, PIP)),
    "modules of the standard library": Odd(Image(folder=MODULES), PLAIN, before=(BASH, PIP)),
    "modules of the task": Odd(
        Image(folder={"mine.py": f"VALUE = {VALUE!r}\n"}), Case(imports_of_its_own)
    ),
    # Bare: the server's packages come along
    "bare": Odd(Image(packages=False), PLAIN, before=(BASH,)),
    "bare, Covalent imported": Odd(Image(packages=False), Case(asks_for_the_context, 0)),
    "bare, folders": Odd(Image(folder=FOLDERS, packages=False), Case(asks_for_the_context, 0)),
    "bare, no boto3": Odd(
        Image(folder=FOLDERS, packages=False), Case(finds_nothing_of("boto3"), True)
    ),
    # Packages that the server's do not go with: those are asked of an index, which another
    # attempt may reach
    "bare, old packages": Odd(Image(OLD, packages=False), PLAIN),
    "bare, old packages, sublattice": builds(
        Image(OLD, packages=False),
        "the server's packages were not used: Unusable: the image has requests 1.0",
        "this image lacks covalent",
        "covalent-awsbatch image",
        attempts=2,
    ),
}
