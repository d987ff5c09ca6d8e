"""Covalent for jobs whose code imports it: what this machine has installed, as one archive.

A job that lacks Covalent would otherwise resolve, fetch and build 79 distributions. The archive
has what the import of Covalent, its executors and the building of a lattice need, without what
only its server uses; of each module also its compiled form, where this machine has it. A job takes
from it what fits its platform, and the exact versions of the rest from its package index.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.util
import io
import json
import logging
import re
import struct
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, BinaryIO

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ..protocol import messages, wheelhouse

log = logging.getLogger("covalent_awsbatch_plugin")

ROOT = "covalent"

# Requirements of Covalent's that are not packed; what imports boto3 gets it by itself.
SERVER_ONLY = frozenset({"boto3", *wheelhouse.SERVER_MODULES})

# Folders whose files a job has no use for: tests, and the user interface.
LEFT_OUT = frozenset({"tests", "webapp"})

# A text of a pickle that is the name of a module of Covalent's, not one that only has it inside.
NAME = re.compile(rb"\x8c.covalent(?:_dispatcher)?[.\x94]", re.DOTALL)

# Functions of Covalent's that a worker has its own for: their pickles need no Covalent.
OWN = (b"apply_pip_deps", b"apply_bash_commands")


_packing = threading.Lock()


class NotPortable(Exception):
    """What is installed here cannot be packed; the message explains it."""


@dataclass
class _Found:
    """A distribution and the extras and bounds with which others require it."""

    extras: set[str] = field(default_factory=set)
    bounds: set[str] = field(default_factory=set)


def names_covalent(call: messages.Call) -> bool:
    """Return whether a task's pickles name Covalent: its job is likely to import it.

    A function so large that it is an object of its own is mostly one of Covalent's, with a lattice
    in it. Other large parts are data.
    """
    if call.function.data is None and call.function.kind == "transportable":
        return True
    hooks = [part for hook in (*call.before, *call.after) for part in hook[:3]]
    parts = [call.function, *call.args, *call.kwargs.values(), *hooks]
    return any(map(_names, parts))


def _names(part: messages.Part) -> bool:
    data = part.data or b""
    if part.kind == "transportable":
        data = base64.b64decode(data)
    return bool(NAME.search(data)) and not any(name in data for name in OWN)


@lru_cache(maxsize=1)
def archive() -> bytes:
    """Return the archive; empty where it cannot be made. Takes seconds; the same on every call."""
    try:
        return _pack(_closure(ROOT))
    except (NotPortable, PackageNotFoundError, OSError, ValueError) as error:
        log.info("AWS Batch: jobs that import Covalent install it with pip: %s", error)
        return b""


@lru_cache(maxsize=1)
def digest() -> str:
    """Return the archive's digest, which takes as long the first time; empty for no archive.

    The electrons of a sweep ask for it at once, in threads: one of them packs, the others wait.
    """
    with _packing:
        return hashlib.sha256(archive()).hexdigest() if archive() else ""


def write(file: BinaryIO) -> None:
    """Write the archive to a file."""
    file.write(archive())


def _closure(root: str) -> dict[str, _Found]:
    """Return the distributions that another needs, by name, without those of its server."""
    found: dict[str, _Found] = {}
    waiting = [(root, "", "")]
    while waiting:
        name, extra, bounds = waiting.pop()
        known = found.setdefault(name, _Found())
        known.bounds |= {bounds} - {""}
        if extra in known.extras:
            continue
        known.extras.add(extra)
        for line in distribution(name).requires or ():
            needed = Requirement(line)
            key = canonicalize_name(needed.name)
            applies = needed.marker is None or needed.marker.evaluate({"extra": extra})
            if applies and key not in SERVER_ONLY:
                waiting += [(key, each, str(needed.specifier)) for each in ("", *needed.extras)]
    return found


def _pack(found: dict[str, _Found]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as packed:
        manifest: dict[str, Any] = {"python": wheelhouse.python(), "distributions": {}}
        for name in sorted(found):
            installed = distribution(name)
            if not (files := dict(_files(installed))):
                raise NotPortable(f"{name} has no record of its files")
            manifest["distributions"][name] = {
                "version": installed.version,
                "bounds": ",".join(sorted(found[name].bounds)),
                "platforms": sorted(_platforms(installed)),
            }
            for member, content in files.items():
                _write(packed, f"{name}/{member}", content)
        _write(packed, wheelhouse.MANIFEST, json.dumps(manifest).encode())
    return buffer.getvalue()


def _write(packed: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    packed.writestr(entry, content)


def _platforms(installed: Distribution) -> set[str]:
    """Return the platforms of the wheel that a distribution was installed from."""
    tags = re.findall(r"^Tag: \S+-(\S+)$", installed.read_text("WHEEL") or "", re.MULTILINE)
    if not tags or (installed.read_text("direct_url.json") or "").count('"editable": true'):
        raise NotPortable(f"{installed.name} was not installed from a wheel")
    return set(tags)


def _files(installed: Distribution) -> Iterator[tuple[str, bytes]]:
    """Yield names below the folder of packages, and contents, of what an import may need."""
    for row in csv.reader(io.StringIO(installed.read_text("RECORD") or "")):
        parts = Path(row[0]).parts if row else ()
        if (
            not parts
            or parts[0] in ("..", "/")
            or LEFT_OUT & set(parts)
            or row[0].endswith(".pyc")
        ):
            continue
        path = Path(str(installed.locate_file(row[0])))
        content = path.read_bytes()
        yield row[0], content
        if path.suffix == ".py" and (compiled := _compiled(path, content)):
            name = Path(importlib.util.cache_from_source(str(path))).name
            yield str(Path(row[0]).parent / "__pycache__" / name), compiled


def _compiled(path: Path, source: bytes) -> bytes | None:
    """Return what this Python compiled a module to, valid wherever the module is put."""
    try:
        content = Path(importlib.util.cache_from_source(str(path))).read_bytes()
        flags, modified, size = struct.unpack("<III", content[4:16])
    except (OSError, struct.error, NotImplementedError):
        return None
    here = path.stat()
    is_current = (flags, modified, size) == (0, int(here.st_mtime) & 0xFFFFFFFF, len(source))
    if content[:4] != importlib.util.MAGIC_NUMBER or not is_current:
        return None
    # By its hash, and never checked: an archive rounds times.
    return content[:4] + struct.pack("<I", 1) + importlib.util.source_hash(source) + content[16:]
