"""What DepsPip and DepsBash run, without Covalent: their pickles only name its functions."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable
from typing import Any

from .environments import SharedEnvironment

# What the task's packages are shared through, where other electrons ask for the same.
environment: SharedEnvironment | None = None


def install_packages(packages: list[str] = [], requirements: str = "") -> None:  # noqa: B006
    """Install packages: those of a requirements file's content, else those listed."""

    def install() -> None:
        pip_install(packages, requirements)

    if environment is None:
        install()
    else:
        environment.install(install)


def pip_install(packages: list[str], requirements: str) -> None:
    """Install packages with pip."""
    if requirements:
        with tempfile.NamedTemporaryFile("w", delete=False) as file:
            file.write(requirements)
        wanted = ["-r", file.name]
    else:
        # Covalent splits at white space too: one text may name several packages.
        wanted = " ".join(packages).split()
    command = ["pip", "install", "--no-input", *wanted]
    # What is imported is compiled then; to compile all the rest takes half of pip's time.
    variables = {"PIP_NO_COMPILE": "1", **os.environ}
    subprocess.run(
        command, env=variables, stdin=subprocess.DEVNULL, check=True, capture_output=True
    )


def run_commands(commands: list[str]) -> None:
    """Run commands in a shell, one after the other, up to the first that fails."""
    for command in commands:
        subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            shell=True,
            capture_output=True,
            check=True,
            text=True,
        )


# Functions of Covalent's by the names in pickles.
KNOWN: dict[tuple[str, str], Callable[..., Any]] = {
    ("covalent._workflow.depspip", "apply_pip_deps"): install_packages,
    ("covalent._workflow.depsbash", "apply_bash_commands"): run_commands,
}
