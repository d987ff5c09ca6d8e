"""The Docker command line, which builds and pushes images."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence

from .errors import Refusal


def docker_command() -> str:
    """Return the path of the docker command.

    Raises:
        Refusal: There is none.
    """
    docker = shutil.which("docker")
    if docker is None:
        raise Refusal(
            "There is no docker command on this machine.",
            "install Docker (or Podman with its docker command), or build the Dockerfile that "
            "'covalent-awsbatch image' prints elsewhere.",
        )
    return docker


def run_docker(command: Sequence[str], stdin: str | None = None) -> None:
    """Run a Docker command; its output is the user's.

    Raises:
        Refusal: It failed.
    """
    done = subprocess.run(command, input=stdin, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise Refusal(
            f"'docker {command[1]}' failed with exit code {done.returncode}; its output is above.",
            "check that Docker runs ('docker info') and that its network reaches the registries.",
        )
