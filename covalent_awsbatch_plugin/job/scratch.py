"""The private folder through which parent and child hand each other the task and its report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..protocol import s3_keys


def blob_path(folder: Path, key: str) -> Path:
    """Return where an object with a digest for a name lies in ``folder``."""
    return folder / f"blob-{s3_keys.safe_name(key.rsplit('/', 1)[-1])}"


def make_report(status: str, exit_code: int, error: str = "", trace: str = "") -> dict[str, Any]:
    """Return a report of how the task ended; the child leaves it in the folder."""
    return {"status": status, "exit_code": exit_code, "error": error, "traceback": trace}


def one_line(error: BaseException) -> str:
    """Return an exception's type and message."""
    return f"{type(error).__name__}: {error}".replace("\n", " ")[:2000]
