"""The private folder in which supervisor and task process leave each other large contents."""

from __future__ import annotations

from pathlib import Path

from ..protocol import s3_keys

ERROR_LIMIT = 2000


def blob_path(folder: Path, key: str) -> Path:
    """Return where an object with a digest for a name lies in ``folder``."""
    return folder / f"blob-{s3_keys.safe_name(key.rsplit('/', 1)[-1])}"


def result_path(folder: Path) -> Path:
    """Return where a large result lies in ``folder``."""
    return folder / "result"


def one_line(error: BaseException) -> str:
    """Return an exception's type and message, also of one that refuses to be shown."""
    try:
        message = " ".join(
            str.encode(str(error), "utf-8", "backslashreplace").decode().split("\n")
        )
    except BaseException:  # noqa: BLE001 - __str__ is the task's, and may raise anything
        message = "<exception str() failed>"
    name = type.__getattribute__(type(error), "__name__")
    return f"{name}: {message}"[:ERROR_LIMIT]
