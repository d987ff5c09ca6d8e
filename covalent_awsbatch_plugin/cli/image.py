"""``covalent-awsbatch image``: an image whose tasks start at once."""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

import click

from ..options import resolution
from .shared import registry
from .shared.account import account_options, connect_from
from .shared.docker import docker_command, run_docker
from .shared.errors import WrongCall
from .shared.screen import console

PYTHONS = ("3.10", "3.11", "3.12", "3.13")
DEFAULT_REPOSITORY = "covalent-awsbatch"


def _client_python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


@click.command()
@click.option(
    "--requirements",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A requirements file, installed into the image.",
)
@click.option("--python", type=click.Choice(PYTHONS), help="Python version.  [default: this one]")
@click.option("--base", metavar="IMAGE", help="Base image.  [default: the official slim Python]")
@click.option("--build", is_flag=True, help="Build it with Docker.")
@click.option("--push", is_flag=True, help="Build it and push it to ECR.")
@click.option(
    "--repository",
    default=DEFAULT_REPOSITORY,
    show_default=True,
    help="Name of the image, and of the ECR repository.",
)
@click.option("--tag", help="Tag of the image.  [default: a digest of what is in it]")
@click.option(
    "--platform",
    default="linux/amd64",
    show_default=True,
    help="Platform of the compute environment's instances.",
)
@account_options
def image(
    requirements: Path | None,
    python: str | None,
    base: str | None,
    build: bool,
    push: bool,
    repository: str,
    tag: str | None,
    platform: str,
    **options: Any,
) -> None:
    """Print, build or push an image in which tasks start at once.

    It has Covalent, cloudpickle and boto3 at this client's versions, the packages of the
    requirements file, and a user that is not root.
    """
    if requirements:
        refuse_references(requirements)
    python = python or _client_python()
    dockerfile = render(base or resolution.default_image(python), python, requirements)
    if not (build or push):
        click.echo(dockerfile, nl=False)
        return
    docker = docker_command()
    tag = tag or f"py{python}-{_digest(dockerfile, requirements)}"
    account = connect_from(options) if push else None
    repository_uri = registry.ensure_repository(account, repository) if account else repository
    uri = f"{repository_uri}:{tag}"
    _build(docker, dockerfile, requirements, uri, platform)
    if account:
        registry.push(account, docker, uri)
    console().print(f"[green]{'Pushed' if push else 'Built'}[/] {uri}")
    if push:
        console().print("For the Covalent configuration, under \\[executors.awsbatch]:")
        console().print(f'container_image_uri = "{uri}"', markup=False)


def render(base: str, python: str, requirements: Path | None) -> str:
    """Return the Dockerfile.

    Args:
        base: The base image.
        python: The Python minor version that the base image must have.
        requirements: The requirements file, which lies in the build's context.
    """
    template = (files("covalent_awsbatch_plugin") / "assets" / "Dockerfile").read_text("utf-8")
    return template.format(
        base=base,
        python=python,
        packages=" ".join(f"'{package}'" for package in _packages()),
        requirements=_requirements_lines(requirements),
    )


def _packages() -> list[str]:
    """Return what a job would install, at the versions and bounds at which it would."""
    from ..aws.model import requirements

    return requirements.exact() + requirements.bounds()


def _requirements_lines(requirements: Path | None) -> str:
    if requirements is None:
        return ""
    return (
        f'\nCOPY ["{requirements.name}", "/tmp/requirements.txt"]\n'
        "RUN pip install --no-cache-dir --root-user-action=ignore -r /tmp/requirements.txt\n"
    )


def refuse_references(requirements: Path) -> None:
    """Refuse a requirements file that names other files: a build does not see them.

    Raises:
        WrongCall: It does.
    """
    for line in requirements.read_text("utf-8").splitlines():
        if re.match(r"\s*(-[rce]\b|--(requirement|constraint|editable)\b|\.{1,2}/|file:)", line):
            raise WrongCall(
                f"{requirements} names another file: {line.strip()}",
                "give a file that names packages only, such as 'pip freeze' writes.",
            )


def _digest(dockerfile: str, requirements: Path | None) -> str:
    content = dockerfile.encode() + (requirements.read_bytes() if requirements else b"")
    return hashlib.sha256(content).hexdigest()[:12]


def _build(
    docker: str, dockerfile: str, requirements: Path | None, uri: str, platform: str
) -> None:
    with tempfile.TemporaryDirectory(prefix="covalent-awsbatch-image-") as context:
        Path(context, "Dockerfile").write_text(dockerfile, "utf-8")
        if requirements:
            shutil.copy(requirements, Path(context, requirements.name))
        console().print(f"Building {uri}.")
        run_docker([docker, "build", "--platform", platform, "--tag", uri, context])
