"""The folder of large payloads on their way: files without a name, on a disk that others share.

A file that has no name cannot be read, replaced or removed by another user, whoever owns the
folder. What remains to be seen to is that the folder can be written to: the first user of a
shared default owns it, and every other one gets a folder of their own.
"""

from __future__ import annotations

import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ...errors import CacheDirUnusable

# A folder that could be written to is not tried again for this long, in seconds.
TRUSTED = 5.0

PROBE = b"\0" * 4096


class CacheFolder:
    """Where the files of one ``cache_dir`` are made.

    Args:
        configured: The option's value.
    """

    def __init__(self, configured: str) -> None:
        self._configured = Path(configured).expanduser()
        self._checked = float("-inf")

    def __repr__(self) -> str:
        return f"<CacheFolder {self._configured}>"

    def check(self) -> None:
        """Write a block, as a result that comes later would; to be called in a thread.

        Raises:
            CacheDirUnusable: It cannot be done.
        """
        if time.monotonic() - self._checked < TRUSTED:
            return
        try:
            with self.file() as file:
                file.write(PROBE)
                file.flush()
        except OSError as error:
            raise unusable(self._configured, error) from error
        self._checked = time.monotonic()

    @contextmanager
    def file(self) -> Iterator[BinaryIO]:
        """Give a new file that has no name and is gone afterwards."""
        with tempfile.TemporaryFile(prefix="awsbatch-", dir=self._folder()) as file:
            yield file

    @contextmanager
    def filled(self, write: Callable[[BinaryIO], None]) -> Iterator[BinaryIO]:
        """Give a new file with what ``write`` writes, at its beginning.

        Raises:
            CacheDirUnusable: It cannot be written.
        """
        with ExitStack() as stack:
            try:
                file = stack.enter_context(self.file())
                write(file)
                file.flush()
            except OSError as error:
                raise unusable(self._configured, error) from error
            file.seek(0)
            yield file

    def _folder(self) -> Path:
        """Return the configured folder where it is ours, else one of this user in or beside it."""
        # A file in its place, or a folder above it that is not ours, is an error.
        self._configured.mkdir(parents=True, exist_ok=True)
        if _is_ours(self._configured):
            return self._configured
        name = f"{self._configured.name}-{os.getuid()}"
        for folder in (self._configured / name, self._configured.with_name(name)):
            with suppress(OSError):
                folder.mkdir(mode=0o700, exist_ok=True)
            if _is_ours(folder) and _is_private(folder):
                return folder
        return self._configured


def _is_ours(path: Path) -> bool:
    """Return whether a path is a folder, no link, that we own and can write to."""
    try:
        found = path.lstat()
    except OSError:
        return False
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    return ours and os.access(path, os.W_OK | os.X_OK)


def _is_private(path: Path) -> bool:
    return not path.lstat().st_mode & 0o022


def unusable(folder: Path | str, error: OSError) -> CacheDirUnusable:
    """Return the error for a folder that cannot be written to."""
    return CacheDirUnusable(
        f"{folder}: {error.strerror or error}.",
        advice="free space there, let the Covalent server's user write to it, or set cache_dir= "
        "to another folder.",
    )
