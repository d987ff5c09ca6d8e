"""Archives of files of packages: what is extracted from one, and what is refused."""

from __future__ import annotations

import shutil
import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path

# Bytes of files in an archive; a larger environment belongs into an image.
LARGEST = 8 * 1024**3
# Bytes of the disk that stay free.
SPARE = 16 * 1024**2


class Unusable(Exception):
    """The archive cannot be used, or not be made; the message explains it."""


def extract(archive: zipfile.ZipFile, members: Sequence[zipfile.ZipInfo], folder: Path) -> None:
    """Extract members into a folder, all of them or none.

    Raises:
        Unusable: One is no file below the folder, or they do not fit on the disk.
    """
    for member in members:
        check_member(member)
    size = sum(member.file_size for member in members)
    if size > min(LARGEST, shutil.disk_usage(folder.parent).free - SPARE):
        raise Unusable(f"its files, {size} bytes, do not fit on the disk")
    archive.extractall(folder, members)
    for member in members:
        if member.external_attr >> 16 & 0o111:
            (folder / member.filename).chmod(0o755)


def check_member(member: zipfile.ZipInfo) -> None:
    """Refuse what is no ordinary file in a folder of the archive.

    Raises:
        Unusable: It is none.
    """
    kind = stat.S_IFMT(member.external_attr >> 16)
    parts = member.filename.split("/")
    fine = len(parts) > 1 and not {"", ".", ".."} & set(parts) and kind in (0, stat.S_IFREG)
    if not fine or "\\" in member.filename or "\0" in member.filename:
        raise Unusable(f"it has a member that is no file of a package: {member.filename!r}")
