"""The section ``[executors.awsbatch]`` of Covalent's configuration file, without Covalent.

Importing Covalent takes seconds and rewrites the file; a command needs one section of it. Where
the file lies follows Covalent's own rule.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...options.resolution import configuration_path
from .errors import Refusal

__all__ = [
    "configuration_path",
    "difference",
    "read_configuration",
    "read_section",
    "write_section",
]

EXECUTOR = "awsbatch"

# Seconds for which another process, such as a starting server, may hold the file.
LOCK_TIMEOUT = 10

# How often, and after how many seconds each, an empty file is read again.
LOOKS, LOOK_EVERY = 5, 0.02


def read_configuration() -> dict[str, Any]:
    """Return all of Covalent's configuration; nothing where there is no file.

    Raises:
        Refusal: The file cannot be read, or is not TOML.
    """
    return _load(configuration_path())


def read_section() -> dict[str, Any]:
    """Return the configured options of the executor; none where there is no file.

    Raises:
        Refusal: The file cannot be read, is not TOML, or holds no such section.
    """
    return dict(_section(read_configuration()))


def _section(content: dict[str, Any]) -> dict[str, Any]:
    """Return the section, which is made where there is none."""
    found: dict[str, Any] = content
    for depth, key in enumerate(("executors", EXECUTOR), 1):
        found = found.setdefault(key, {})
        if not isinstance(found, dict):
            name = ".".join(("executors", EXECUTOR)[:depth])
            raise Refusal(
                f"Covalent's configuration {configuration_path()} has {name} = {found!r}, which "
                "is not a section.",
                f"remove that line, and put options of the executor under "
                f"[executors.{EXECUTOR}]. Nothing was changed.",
            )
    return found


def write_section(values: Mapping[str, Any]) -> Path | None:
    """Set keys of the section, keep all else, and return the path of the backup.

    The file is replaced in one step, so that a crash leaves either the old or the new one.

    Returns:
        The backup's path; nothing where there was no file or nothing to change.

    Raises:
        Refusal: The file is not TOML, cannot be written, or is held by another process.
    """
    from filelock import FileLock, Timeout

    path = configuration_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock", timeout=LOCK_TIMEOUT):
            return _replace(path, values)
    except Timeout as error:
        raise Refusal(
            f"Another process holds {path}.", "wait until Covalent has started, then try again."
        ) from error
    except OSError as error:
        lines = "\n".join(f"  {key} = {_literal(value)}" for key, value in values.items())
        raise Refusal(
            f"Covalent's configuration {path} cannot be written: {error.strerror or error}.",
            f"make it writable and run the command again, or put these lines under "
            f"[executors.{EXECUTOR}] yourself:\n{lines}",
        ) from error


def section_at(moment: float) -> dict[str, Any] | None:
    """Return the section as it was before the commands first changed it after a moment.

    Every change by a command leaves a copy of the file. Nothing where there is none so young.

    Args:
        moment: Seconds since the epoch.
    """
    path = configuration_path()
    copies = [copy for copy in path.parent.glob(f"{path.name}.*.bak") if made_at(copy) > moment]
    return dict(_section(_load(min(copies, key=made_at)))) if copies else None


def made_at(path: Path) -> float:
    """Return when a copy of the file was made: its content is of that time, its mtime older."""
    return path.stat().st_ctime


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the lines that setting the keys of ``after`` changes, as a diff shows them."""
    lines = []
    for key, value in after.items():
        if key in before and before[key] != value:
            lines.append(f"- {key} = {_literal(before[key])}")
        if key not in before or before[key] != value:
            lines.append(f"+ {key} = {_literal(value)}")
    return lines


def _replace(path: Path, values: Mapping[str, Any]) -> Path | None:
    import toml

    content = _load(path)
    section = _section(content)
    if all(key in section and section[key] == value for key, value in values.items()):
        return None
    section.update(values)
    backup = _back_up(path)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".covalent-", text=True)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            toml.dump(content, file)
        if backup:
            shutil.copymode(path, temporary)
        # The user may keep the file elsewhere behind a symbolic link.
        os.replace(temporary, os.path.realpath(path))
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return backup


def _back_up(path: Path) -> Path | None:
    if not path.exists():
        return None
    stamp = time.strftime("%Y%m%d-%H%M%S")
    backup = path.with_name(f"{path.name}.{stamp}.bak")
    count = 1
    while backup.exists():
        count += 1
        backup = path.with_name(f"{path.name}.{stamp}-{count}.bak")
    shutil.copy2(path, backup)
    return backup


def _load(path: Path) -> dict[str, Any]:
    import toml

    try:
        text = _text(path)
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise Refusal(
            f"Covalent's configuration {path} is not UTF-8: line {line} has the byte "
            f"{error.object[error.start]:#04x}.",
            "save the file as UTF-8. Nothing was changed.",
        ) from error
    except OSError as error:
        raise Refusal(
            f"Covalent's configuration {path} cannot be read: {error.strerror}.",
            "check the file's owner and permissions, or set COVALENT_CONFIG_DIR.",
        ) from error
    try:
        return dict(toml.loads(text))
    # The parser raises IndexError for some of what it cannot read.
    except (toml.TomlDecodeError, IndexError) as error:
        raise Refusal(
            f"Covalent's configuration {path} is not valid TOML: {error}",
            "correct the file, or move it away: Covalent makes a new one. Nothing was changed.",
        ) from error


def _text(path: Path) -> str:
    """Return what is in the file; Covalent empties it for a moment whenever it writes it."""
    for _ in range(LOOKS):
        text = path.read_text("utf-8")
        if text:
            break
        time.sleep(LOOK_EVERY)
    return text


def _literal(value: Any) -> str:
    import toml

    return str(toml.dumps({"x": value})).partition("=")[2].strip() or repr(value)
