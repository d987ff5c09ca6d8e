"""What a job runs: the command that starts the bootstrap, and the archive of the worker."""

from __future__ import annotations

import base64
import io
import zipfile
import zlib
from functools import lru_cache
from importlib.resources import files

from ...protocol import exit_codes

# The worker, and what it shares with the server.
ARCHIVED = (
    "job/__init__.py",
    "job/output.py",
    "job/scratch.py",
    "job/supervisor.py",
    "job/task_process.py",
    "job/tracebacks.py",
    "protocol/__init__.py",
    "protocol/env_names.py",
    "protocol/envelope.py",
    "protocol/exit_codes.py",
    "protocol/messages.py",
    "protocol/s3_keys.py",
    "protocol/summary.py",
)

# A shell finds the Python, which runs what stands behind it: the packed bootstrap ($0).
SHELL = (
    "python=$(command -v python3 || command -v python) || { "
    "echo 'covalent-awsbatch: this image has no Python. Use one that has, such as "
    "public.ecr.aws/docker/library/python:'$COVALENT_AWSBATCH_PYTHON'-slim "
    "(container_image_uri).' >&2; "
    f"exit {exit_codes.EXIT_NO_PYTHON}; }}; "
    'exec "$python" -u -c "$0"'
)


@lru_cache(maxsize=1)
def worker_archive() -> bytes:
    """Return the worker's archive, a zip: the same bytes on every call and machine."""
    package = files("covalent_awsbatch_plugin")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr(_entry("__init__.py"), "")
        for name in ARCHIVED:
            archive.writestr(_entry(name), (package / name).read_text("utf-8"))
    return buffer.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(f"covalent_awsbatch_worker/{name}", date_time=(1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


@lru_cache(maxsize=1)
def worker_command() -> tuple[str, ...]:
    """Return the command of every job: about 2.5 KB, since each DescribeJobs repeats it."""
    bootstrap = (files("covalent_awsbatch_plugin") / "job" / "bootstrap.py").read_bytes()
    packed = base64.b64encode(zlib.compress(bootstrap, 9)).decode("ascii")
    unpack = f"import base64, zlib; exec(zlib.decompress(base64.b64decode('{packed}')))"
    return ("sh", "-c", SHELL, unpack)
