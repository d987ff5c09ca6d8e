"""Covalent and boto3 for user code that imports them, in images that have neither.

A plain task needs neither, so neither is installed before it starts. A finder knows their names:
``importlib.util.find_spec`` finds them, and an import installs them at the Covalent server's
versions. It is the first of ``sys.meta_path``, as a folder of data that bears such a name would
otherwise be found as a package. Covalent is always imported without its executor plugins: they
take longer than Covalent itself, and a broken one would break the import.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import json
import os
import pkgutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from ..protocol import messages, wheelhouse

# Of what is imported, what is installed: names of distributions.
PROVIDES = {
    "covalent": "covalent",
    "covalent_dispatcher": "covalent",
    "boto3": "boto3",
    "botocore": "boto3",
    "s3transfer": "boto3",
}
PLUGINS = "COVALENT_PLUGIN_LOAD"

# Runs pip as its own script does: what is in the working folder is not for pip to import.
PIP = (
    "import sys; sys.path[:] = filter(None, sys.path); import importlib.util, runpy; "
    "importlib.util.find_spec('pip') or sys.exit('covalent-awsbatch: this image has no pip.'); "
    "runpy.run_module('pip', run_name='__main__', alter_sys=True)"
)


# Installs requirements for a module.
Install = Callable[[str, list[str]], object]


class CannotInstall(ModuleNotFoundError):
    """What is imported is not in the image and could not be installed."""


class WrongCovalent(ImportError):
    """The image's Covalent cannot build a sublattice for the Covalent server."""


class OnDemand(MetaPathFinder):
    """Finds Covalent and boto3, and installs them when they are imported.

    Args:
        requirements: What to install, by distribution: arguments of pip.
        install: Installs such requirements, given the name of the module that is imported, too.
        lock: A file that keeps two processes of a task from installing at once.
    """

    def __init__(
        self,
        requirements: dict[str, list[str]],
        install: Install,
        lock: Path,
    ) -> None:
        self._requirements = requirements
        self._install = install
        self._lock = lock

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Find a module that is or can be installed, without installing it."""
        if path is not None or provider(fullname) not in self._requirements:
            return None
        return _find(fullname) or ModuleSpec(fullname, _Installing(self))

    def install(self, name: str) -> ModuleSpec:
        """Install what provides a module, unless another process did meanwhile; return its spec.

        Raises:
            CannotInstall: It is not there afterwards.
        """
        distribution = provider(name)
        with self._one_at_a_time():
            found = _find(name)
            if found is None:
                # pip has written why; what counts is what can be imported afterwards.
                with contextlib.suppress(subprocess.CalledProcessError):
                    self._install(name, self._requirements[distribution])
                found = _find(name)
        if found is None:
            raise CannotInstall(
                f"this image lacks {distribution}, which the task imports, and pip could not "
                "install it (its output is in the log). Give the job a way to a package index, or "
                "use an image that has it: 'covalent-awsbatch image' makes one.",
                name=name,
            )
        return found

    @contextlib.contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            # Its folder is the task's to remove, with all that is in the one for temporary files.
            with contextlib.suppress(OSError):
                file = stack.enter_context(self._lock.open("w"))
                fcntl.flock(file, fcntl.LOCK_EX)
            yield


class _Installing(Loader):
    """Installs a module, then leaves its place to the module's own loader."""

    def __init__(self, finder: OnDemand) -> None:
        self._finder = finder

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        found = self._finder.install(spec.name)
        vars(spec).update(vars(found))
        assert spec.loader is not None  # noqa: S101 - packages that are found have one
        return spec.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Never called: the import goes on with the loader that ``create_module`` put in place."""


class WithoutPlugins(MetaPathFinder):
    """Has Covalent imported without its executor plugins, and given the task's node.

    Args:
        task: What ``ct.get_context`` is to name.
    """

    def __init__(self, task: messages.Task) -> None:
        self._task = task

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Find Covalent where it is installed."""
        found = PathFinder.find_spec(fullname) if fullname == "covalent" else None
        if found is not None and found.loader is not None:
            found.loader = _WithoutPlugins(found.loader, self._task)
        return found


class _WithoutPlugins(Loader):
    def __init__(self, loader: Loader, task: messages.Task) -> None:
        self._loader = loader
        self._task = task

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None  # noqa: S101 - as of every module that is imported
        module.__spec__.loader = module.__loader__ = self._loader
        with without_plugins():
            self._loader.exec_module(module)
        if self._task.call.function.kind == "transportable":
            # An older Covalent, which an image may have, knows no context.
            with contextlib.suppress(ModuleNotFoundError):
                self._set_context()

    def _set_context(self) -> None:
        context: Any = importlib.import_module("covalent.executor.utils.context")
        context.current_context = context.Context(
            dispatch_id=self._task.dispatch_id, task_id=self._task.node_id
        )


def provider(module: str) -> str:
    """Return the distribution that is installed for a module; empty for none."""
    if module in wheelhouse.SERVER_MODULES.values() and "covalent" in sys.modules:
        return "covalent"
    return PROVIDES.get(module, "")


@contextlib.contextmanager
def without_plugins() -> Iterator[None]:
    """Have Covalent, where it is imported meanwhile, not load executor plugins."""
    before = os.environ.get(PLUGINS)
    os.environ[PLUGINS] = "false"
    try:
        yield
    finally:
        del os.environ[PLUGINS]
        if before is not None:
            os.environ[PLUGINS] = before


def _find(name: str) -> ModuleSpec | None:
    """Return the spec of a module that is installed; a folder without code is none."""
    importlib.invalidate_caches()
    for finder in sys.meta_path:
        found = None if isinstance(finder, OnDemand) else finder.find_spec(name, None)
        if found is not None and found.origin is not None:
            return found
    return None


def check_covalent() -> None:
    """Make sure that the server can read the sublattice that this Covalent builds.

    Raises:
        WrongCovalent: It is of another minor version than the server's, or cannot be imported.
    """
    wanted = read_requirements()["covalent"][0].rpartition("==")[2]
    try:
        covalent = importlib.import_module("covalent")
        found = str(covalent.__version__)
    except CannotInstall:
        raise
    except Exception as error:
        raise WrongCovalent(_wrong_covalent(wanted, f"{type(error).__name__}: {error}")) from error
    if found.split(".")[:2] != wanted.split(".")[:2]:
        raise WrongCovalent(_wrong_covalent(wanted, f"{found} in {covalent.__file__}"))


def _wrong_covalent(wanted: str, found: str) -> str:
    return (
        "a sublattice is built in the job by Covalent, and the Covalent server, which has "
        f"{wanted}, must be able to read it; but this image has another Covalent ({found}). "
        f"Use an image with Covalent {wanted}, or one without Covalent: the job then installs it."
    )


def pip_install(requirements: list[str]) -> None:
    """Install with pip, which writes to this process's output only if it fails.

    Raises:
        CalledProcessError: It failed.
    """
    command = [sys.executable, "-c", PIP, "install", "--quiet", "--no-input"]
    command += ["--disable-pip-version-check", "--root-user-action=ignore", "--retries=2"]
    # What is imported is compiled then, once; all the rest would take half of pip's time.
    command += ["--no-compile"]
    environment = {**os.environ, "PIP_BREAK_SYSTEM_PACKAGES": "1"}
    command += requirements
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        # As a user would call it: the log may quote it.
        raise subprocess.CalledProcessError(done.returncode, ["pip", "install", *requirements])


def read_requirements() -> dict[str, list[str]]:
    """Return what to install for each distribution; the server writes it into the archive."""
    content = pkgutil.get_data(__package__, "requirements.json")
    requirements: dict[str, list[str]] = json.loads(content or b"{}")
    return requirements


def activate(task: messages.Task, folder: Path, install: Install) -> None:
    """Have Covalent and boto3 installed when they are imported.

    Args:
        task: What ``ct.get_context`` is to name.
        folder: The private folder.
        install: Installs requirements for a module that is imported.
    """
    on_demand = OnDemand(read_requirements(), install, folder / "installing")
    sys.meta_path[:0] = [on_demand, WithoutPlugins(task)]
