"""The process of the Covalent server on this host: when it started, with what."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .configuration import read_configuration
from .covalent_api import server_url

# The file in which 'covalent start' notes the server's process.
PID_FILE = "ui.pid"

LOOPBACK = ("localhost", "127.0.0.1", "0.0.0.0", "::1")  # noqa: S104 - nothing is bound


@dataclass(frozen=True)
class ServerProcess:
    """A Covalent server that runs.

    Attributes:
        started: When it started, in seconds since the epoch.
        environment: Its environment variables.
        python: The path of its Python; empty where it cannot be seen.
    """

    started: float
    environment: Mapping[str, str]
    python: str


def find_server_process() -> ServerProcess | None:
    """Return the process that listens at the configured address; None where it cannot be seen."""
    import psutil  # type: ignore[import-untyped]

    if urlsplit(server_url()).hostname not in (*LOOPBACK, socket.gethostname().lower()):
        return None
    with suppress(psutil.Error):
        process = _listening(urlsplit(server_url()).port) or _noted()
        if process is not None:
            with process.oneshot():
                return ServerProcess(
                    process.create_time(), process.environ(), (process.cmdline() or [""])[0]
                )
    return None


def _listening(port: int | None) -> Any:
    import psutil

    # Some systems show connections to administrators only.
    with suppress(psutil.AccessDenied):
        for connection in psutil.net_connections("tcp"):
            is_it = connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
            if is_it and connection.pid:
                return psutil.Process(connection.pid)
    return None


def _noted() -> Any:
    import psutil

    folder = (read_configuration().get("dispatcher") or {}).get("cache_dir") or ""
    with suppress(OSError, ValueError):
        number = int(Path(os.path.expanduser(folder), PID_FILE).read_text())
        return psutil.Process(number) if psutil.pid_exists(number) else None
    return None
