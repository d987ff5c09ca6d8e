"""Images for the tests, made of this machine's Pythons; those that stay the same are kept.

An image's tag is a digest of what it is made of: another release of anything makes another one.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import docker

from covalent_awsbatch_plugin.aws.model.requirements import REQUIREMENTS, bounds, exact
from tests.pythons import OURS, Python

from . import rootfs
from .dockerd import CACHE
from .index import Index

REPOSITORY = "covalent-awsbatch-test"
# As in the official images.
PATH = "PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"

EXAMPLES = ("numpy", "scikit-learn")

# Counts how images are made, so that older ones are not taken for current.
RECIPE = 1


@dataclass(frozen=True)
class Images:
    """Makes the images of an engine."""

    client: docker.DockerClient

    def without_python(self) -> str:
        """An image with a shell and nothing to run Python with."""
        return self._made("none", "", lambda root: None)

    def bare(self, python: Python) -> str:
        """An image as the official ones: a Python and pip."""

        def lay(root: Path) -> None:
            rootfs.lay_python(root, python)

        return self._made(f"bare-py{python.minor}", f"{python} pip {version('pip')}", lay)

    def conda(self, python: Python) -> str:
        """An image as those of conda: a Python of its own, in a folder of its own, bare."""

        def lay(root: Path) -> None:
            rootfs.lay_python(root, python, "opt/conda", pip_program=False)

        content = f"{python} pip {version('pip')}"
        path = PATH.replace("PATH=", "PATH=/opt/conda/bin:")
        return self._made(f"conda-py{python.minor}", content, lay, path)

    def bare_with(self, python: Python, index: Index) -> str:
        """A bare image whose pip reaches the index; it is the caller's to remove."""
        with tempfile.TemporaryDirectory(dir=CACHE, prefix="build-") as folder:
            lines = [f"FROM {self.bare(python)}"]
            lines += [f'ENV {name}="{value}"' for name, value in index.environment.items()]
            if index.certificates:
                shutil.copy(index.certificates, Path(folder, "certificates"))
                lines.append(f"COPY certificates {index.certificates}")
            Path(folder, "Dockerfile").write_text("\n".join(lines))
            built, _ = self.client.images.build(
                path=folder, rm=True, tag=f"{REPOSITORY}:with-index"
            )
        return str(built.tags[0])

    def full(self, python: Python) -> str:
        """An image that has what the worker needs, in the dispatcher's releases.

        For our own Python it has what the examples need, too.
        """
        ours = python.minor == OURS
        wanted = [*requirements(), *map(pinned, EXAMPLES if ours else ())]

        def lay(root: Path) -> None:
            rootfs.lay_python(root, python)
            site = root / f"usr/local/lib/python{python.minor}/site-packages"
            copy_requirements(site) if ours else install_requirements(site, python)

        return self._made(f"full-py{python.minor}", f"{python} {wanted}", lay)

    def _made(self, kind: str, content: str, lay: Callable[[Path], None], path: str = PATH) -> str:
        digest = hashlib.sha256(f"{RECIPE} {rootfs.PROGRAMS} {content}".encode()).hexdigest()[:12]
        name = f"{REPOSITORY}:{kind}-{digest}"
        try:
            self.client.images.get(name)
        except docker.errors.ImageNotFound:
            self._forget(kind)
            self._make(name, lay, path)
        return name

    def _forget(self, kind: str) -> None:
        """Remove images of a kind that are of older releases."""
        for image in self.client.images.list(REPOSITORY):
            for tag in image.tags:
                if tag.startswith(f"{REPOSITORY}:{kind}-"):
                    self.client.images.remove(tag)

    def _make(self, name: str, lay: Callable[[Path], None], path: str) -> None:
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE, prefix="root-") as folder:
            root, archive = Path(folder, "root"), Path(folder, "root.tar")
            root.mkdir()
            rootfs.lay_base(root)
            lay(root)
            rootfs.finish(root)
            with tarfile.open(archive, "w") as tar:
                tar.add(root, arcname=".", filter=owned_by_root)
            repository, tag = name.split(":")
            self.client.api.import_image_from_file(
                str(archive), repository, tag, changes=[f"ENV {path}", 'CMD ["sh"]']
            )


def owned_by_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Make a file root's; folders of a temporary directory are private to their owner."""
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    if member.isdir() and member.name == ".":
        member.mode = 0o755
    return member


@lru_cache
def requirements() -> tuple[str, ...]:
    """Return what a job would install: exact releases, and bounds on others."""
    return (*exact(), *bounds())


def pinned(name: str) -> str:
    return f"{name}=={version(name)}"


def copy_requirements(site: Path) -> None:
    """Copy packages that our own Python has, so that nothing is fetched."""
    for name in rootfs.closure((*REQUIREMENTS, *EXAMPLES)):
        rootfs.copy_distribution(name, site)


def install_requirements(site: Path, python: Python) -> None:
    """Install packages for another Python than ours."""
    command = [sys.executable, "-m", "pip", "--python", str(python.program), "install", "--quiet"]
    command += ["--root-user-action=ignore", "--target", str(site), *requirements()]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
