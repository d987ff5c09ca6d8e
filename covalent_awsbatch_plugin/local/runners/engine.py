"""The container engine of this machine, as the Docker SDK finds it."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import docker

# An engine that is there answers at once; pulling and waiting take their time.
PING_SECONDS = 3
TIMEOUT_SECONDS = 120

# Every running attempt keeps two connections busy: one for its output, one that waits.
CONNECTIONS = 64


class NoEngine(Exception):
    """No container engine can run jobs of the local AWS; the message gives the reason."""


def connect(timeout: int = TIMEOUT_SECONDS) -> docker.DockerClient:
    """Connect to the engine that DOCKER_HOST names, or to the one behind the usual socket.

    Args:
        timeout: Seconds that any answer may take.

    Raises:
        NoEngine: The SDK is not installed, or no engine answers.
    """
    try:
        import docker
        import requests
    except ImportError as error:
        raise NoEngine(
            "The Docker SDK is not installed: pip install 'covalent-awsbatch-plugin[local]'."
        ) from error
    try:
        client = docker.from_env(timeout=timeout, max_pool_size=CONNECTIONS)
        client.ping()
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        where = os.environ.get("DOCKER_HOST", "the default socket")
        raise NoEngine(f"No container engine answers at {where}: {error}") from error
    return client


def unfit(info: dict[str, Any]) -> str:
    """Return why an engine's containers cannot reach this machine's 127.0.0.1; empty if they can.

    The local AWS listens there and nowhere else, so jobs use the host's network. An engine in a
    virtual machine (Docker Desktop), on another machine, or without root has another one.

    Args:
        info: The engine's description of itself.
    """
    if info.get("OSType") != "linux" or info.get("KernelVersion") != platform.release():
        return "it runs its containers in a virtual machine or on another machine"
    if any("rootless" in option for option in info.get("SecurityOptions") or ()):
        return "it runs without root, in a network of its own"
    return ""


def engine_answers() -> bool:
    """Return whether jobs of the local AWS can run as containers here."""
    try:
        client = connect(PING_SECONDS)
    except NoEngine:
        return False
    try:
        return not unfit(client.info())
    finally:
        client.close()
