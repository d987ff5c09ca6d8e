"""What a job runs: the command that starts the bootstrap, and the archive of the worker."""

from __future__ import annotations

import base64
import io
import json
import zipfile
import zlib
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import files as distribution_files
from importlib.resources import files
from pathlib import PurePosixPath

from ...protocol import exit_codes
from .condensed import condense
from .requirements import on_demand

# What the command itself carries; each may use what stands before it.
COMMAND = ("s3_request", "bootstrap")

# The archive's packages of ours.
ARCHIVED = ("job", "protocol")

# A shell finds the Python, which runs what stands behind it: the packed bootstrap ($0).
SHELL = (
    "python=$(command -v python3 || command -v python) || { "
    "echo 'covalent-awsbatch: this image has no Python.' >&2; "
    f"exit {exit_codes.EXIT_NO_PYTHON}; }}; "
    'exec "$python" -u -c "$0"'
)

# The image's working folder, where a json.py or a folder "cloudpickle" may lie, is not where the
# worker's own imports look. The task's do again.
LEAVE_OUT_WORKING_FOLDER = "import sys;sys.path[:]=filter(None,sys.path)"


def make() -> None:
    """Make command and archive, which are then kept; takes some fifty milliseconds."""
    worker_command()
    worker_archive()


def is_made() -> bool:
    """Return whether command and archive are there."""
    return bool(worker_command.cache_info().currsize and worker_archive.cache_info().currsize)


@lru_cache(maxsize=1)
def worker_archive() -> bytes:
    """Return the worker's archive, a zip: the same bytes on every call and machine."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in [*_worker(), *_cloudpickle()]:
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return buffer.getvalue()


def _worker() -> Iterator[tuple[str, str]]:
    """Yield the worker's modules, and what is to be installed for user code that imports it."""
    package, worker = files("covalent_awsbatch_plugin"), "covalent_awsbatch_worker"
    yield f"{worker}/__init__.py", ""
    for room in ARCHIVED:
        for file in sorted((package / room).iterdir(), key=lambda file: file.name):
            if file.name.endswith(".py") and file.name.removesuffix(".py") not in COMMAND:
                yield f"{worker}/{room}/{file.name}", file.read_text("utf-8")
    yield f"{worker}/job/requirements.json", json.dumps(on_demand())


def _cloudpickle() -> Iterator[tuple[str, str]]:
    """Yield the modules of this machine's cloudpickle, its metadata and its licence."""
    for file in sorted(distribution_files("cloudpickle") or ()):
        path = PurePosixPath(file)
        if path.suffix == ".py" or path.name.startswith(("METADATA", "LICENSE")):
            yield str(path), file.read_text("utf-8")


@lru_cache(maxsize=1)
def worker_command() -> tuple[str, ...]:
    """Return the command of every job: a few KB, since each DescribeJobs repeats it."""
    room = files("covalent_awsbatch_plugin") / "job"
    source = condense((room / f"{name}.py").read_text("utf-8") for name in COMMAND)
    packed = base64.b85encode(zlib.compress(source.encode("utf-8"), 9)).decode("ascii")
    unpack = f"import base64,zlib;exec(zlib.decompress(base64.b85decode('{packed}')))"
    return ("sh", "-c", SHELL, f"{LEAVE_OUT_WORKING_FOLDER};{unpack}")
