"""Environments that are installed once: what DepsPip asks for, and Covalent where it is imported.

The first job to claim it puts the files that pip installed into an archive in the bucket; later
jobs unpack it where pip would have put them. Jobs that start meanwhile do not wait: they install.
The archive is only taken by a job whose Python, platform and packages are those of the job that
made it. Whatever goes wrong, pip installs, and one line in the log explains it.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import platform
import site
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from ..protocol import s3_keys
from . import archives, installed_files
from .archives import Unusable
from .bucket import Bucket, error_code

MANIFEST = "manifest.json"

# Seconds after which a claim counts for nothing: its job was lost.
CLAIM_LIFETIME = 900.0


class SharedEnvironment:
    """One environment that several electrons ask for.

    Args:
        bucket: The task's bucket.
        key: The key of its archive.
        report: Writes a line to the log.
    """

    def __init__(self, bucket: Bucket, key: str, report: Callable[[str], None]) -> None:
        self._bucket = bucket
        self._key = key
        self._report = report

    def install(self, install: Callable[[], None]) -> None:
        """Unpack the environment where it is in the bucket, else install it, and share that.

        Args:
            install: Installs it.
        """
        before = installed_files.distributions()
        with self._reporting("the packages in the bucket were not used, pip installs them"):
            if self._unpack(before):
                return
        install()
        importlib.invalidate_caches()
        with self._reporting("the installed packages are not shared with other tasks"):
            if self._claim():
                self._share(before)

    @contextlib.contextmanager
    def _reporting(self, what: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - a convenience that must never fail a task
            self._report(f"{what}: {type(error).__name__}: {error}")

    def _claim(self) -> bool:
        """Return whether it is this job that is to share the environment."""
        claim = self._key + s3_keys.CLAIM
        return self._bucket.put_once(claim, b"") or self._bucket.age(claim) > CLAIM_LIFETIME

    # ---- From the bucket

    def _unpack(self, before: installed_files.Distributions) -> bool:
        with folder_beside(site_packages()) as folder:
            file = folder / "archive"
            try:
                self._bucket.download(self._key, file)
            except Exception as error:
                if error_code(error) == "NoSuchKey":
                    return False
                raise
            extract(file, folder / "files", describe_here(before))
            for name, root in roots().items():
                if (folder / "files" / name).is_dir():
                    installed_files.move_into(folder / "files" / name, root)
        importlib.invalidate_caches()
        return True

    # ---- Into the bucket

    def _share(self, before: installed_files.Distributions) -> None:
        after = installed_files.distributions()
        if before - after:
            raise Unusable("pip replaced packages of the image")
        files = [path for found in after - before for path in installed_files.files_of(found)]
        members = {member_name(path): path for path in files if path.is_file()}
        if sum(path.stat().st_size for path in members.values()) > archives.LARGEST:
            raise Unusable(f"they are larger than {archives.LARGEST} bytes")
        members |= {member_name(path): path for path in installed_files.compile_all(files)}
        with folder_beside(site_packages()) as folder:
            write(folder / "archive", members, describe_here(before))
            self._bucket.upload(folder / "archive", self._key, once=True)


def key_here(prefix: str, requirements: list[str]) -> str | None:
    """Return the key of the packages that every job with an environment like this one installs.

    Returns:
        None where pip installs outside of Python's folders.
    """
    try:
        here = describe_here(installed_files.distributions())
    except Unusable:
        return None
    content = json.dumps([here, requirements], sort_keys=True).encode()
    return s3_keys.packages_key(prefix, hashlib.sha256(content).hexdigest())


def roots() -> dict[str, Path]:
    """Return the folders below which pip installs, by their names in an archive."""
    return {"prefix": Path(sys.prefix), "user": Path(site.getuserbase())}


def describe_here(before: installed_files.Distributions) -> dict[str, Any]:
    """Return what must be the same where an archive is made and where it is used."""
    return {
        "python": sys.version,
        # Programs that pip installs begin with its path.
        "executable": sys.executable,
        "platform": sysconfig.get_platform(),
        "libc": platform.libc_ver(),
        "root": member_name(site_packages()).partition("/")[0],
        "installed": sorted(path.name for path in before),
    }


def member_name(path: Path) -> str:
    """Return the name of a file in the archive.

    Raises:
        Unusable: It lies elsewhere.
    """
    for name, root in roots().items():
        if path.is_relative_to(root):
            return str(PurePosixPath(name, path.relative_to(root)))
    raise Unusable(f"pip installed {path}, which is outside of Python's folders")


def write(file: Path, members: dict[str, Path], description: dict[str, Any]) -> None:
    """Write an archive: the description and the members."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(MANIFEST, json.dumps(description))
        for name, path in sorted(members.items()):
            archive.write(path, name)


def extract(file: Path, folder: Path, here: dict[str, Any]) -> None:
    """Extract an archive, all or nothing of which is then used.

    Raises:
        Unusable: It was made for another environment, or is not what ``write`` writes.
    """
    with zipfile.ZipFile(file) as archive:
        made_for = json.loads(archive.read(MANIFEST))
        for name, value in json.loads(json.dumps(here)).items():
            if made_for.get(name) != value:
                raise Unusable(f"it was made for another environment: {name} differs")
        members = [member for member in archive.infolist() if member.filename != MANIFEST]
        for member in members:
            if member.filename.partition("/")[0] not in roots():
                raise Unusable(f"it has a member of another place: {member.filename!r}")
        archives.extract(archive, members, folder)


def site_packages() -> Path:
    """Return the folder into which pip installs."""
    system = Path(sysconfig.get_paths()["purelib"])
    return system if os.access(system, os.W_OK) else Path(site.getusersitepackages())


@contextlib.contextmanager
def folder_beside(packages: Path) -> Iterator[Path]:
    """Give a folder on the file system of the packages, so that files are moved, not copied."""
    with tempfile.TemporaryDirectory(prefix=".covalent-awsbatch-", dir=packages) as folder:
        yield Path(folder)
