"""How this machine's pip reaches its package index, for pip in a container."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

# What of pip's configuration names the index and how to reach it.
KEYS = (
    "index-url",
    "extra-index-url",
    "cert",
    "proxy",
    "timeout",
    "default-timeout",
    "trusted-host",
)

# Nothing listens on this port: an index that cannot be reached.
UNREACHABLE = {"PIP_INDEX_URL": "http://127.0.0.1:1/simple", "PIP_RETRIES": "0"}


@dataclass(frozen=True)
class Index:
    """What a container needs to reach the index.

    Attributes:
        environment: Environment variables.
        certificates: A file of this machine that they name; None where they name none.
    """

    environment: dict[str, str]
    certificates: Path | None

    @property
    def container_properties(self) -> dict[str, Any]:
        """The certificates, mounted where they are here."""
        if self.certificates is None:
            return {}
        path = str(self.certificates)
        return {
            "volumes": [{"name": "certificates", "host": {"sourcePath": path}}],
            "mountPoints": [
                {"sourceVolume": "certificates", "containerPath": path, "readOnly": True}
            ],
        }


def configured() -> Index:
    """Return what pip is configured with here, its files and environment taken together."""
    environment = {}
    for line in pip("config", "list").stdout.splitlines():
        name, _, value = line.partition("=")
        key = name.rpartition(".")[2]
        words = [word for word in shlex.split(value) if not word.startswith("file:")]
        if key in KEYS and words:
            environment[f"PIP_{key.upper().replace('-', '_')}"] = " ".join(" ".join(words).split())
    certificates = environment.get("PIP_CERT")
    return Index(environment, Path(certificates) if certificates else None)


@lru_cache
def problem() -> str:
    """Return why nothing can be downloaded; empty if it can."""
    with tempfile.TemporaryDirectory() as folder:
        done = pip(
            "download", "--quiet", "--no-deps", "--no-cache-dir", "-d", folder, "cloudpickle"
        )
    return done.stderr.strip()[-300:] if done.returncode else ""


def pip(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pip", *arguments], capture_output=True, text=True
    )
