"""``image``: the Dockerfile, and how Docker is called; a script stands in for Docker."""

from __future__ import annotations

import os
import re
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from covalent_awsbatch_plugin.cli.checks.image import judge_description
from covalent_awsbatch_plugin.options import resolution

from .command import Aws, CommandLine

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

DOCKER = """#!/bin/sh
echo "$@" >> "{folder}/calls"
echo "docker's $1"
case "$1" in
  build) for context; do :; done; cp -r "$context" "{folder}/context" ;;
  login) cat > "{folder}/password" ;;
esac
exit {code}
"""


class Docker:
    """A docker command that notes how it is called."""

    def __init__(self, folder: Path, code: int = 0) -> None:
        folder.mkdir()
        self.folder = folder
        script = folder / "docker"
        script.write_text(DOCKER.format(folder=folder, code=code))
        script.chmod(0o755)

    def on_path_of(self, command: CommandLine) -> None:
        command.extra["PATH"] = f"{self.folder}{os.pathsep}/usr/bin{os.pathsep}/bin"

    @property
    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()

    @property
    def context(self) -> dict[str, str]:
        return {f.name: f.read_text() for f in (self.folder / "context").iterdir()}


@pytest.fixture
def docker(tmp_path: Path, command: CommandLine) -> Docker:
    made = Docker(tmp_path / "docker")
    made.on_path_of(command)
    return made


def test_the_dockerfile_has_what_a_job_would_install(command: CommandLine) -> None:
    done = command("image")
    assert done.code == 0
    assert f"FROM {resolution.default_image()}\n" in done.out
    for package in ("covalent", "cloudpickle", "boto3"):
        assert f"'{package}=={version(package)}'" in done.out
    assert re.search(r"'fastapi<0\.132", done.out)


def test_the_last_user_is_not_root(command: CommandLine) -> None:
    users = re.findall(r"^USER (\S+)$", command("image").out, re.MULTILINE)
    assert users == ["covalent"]


def test_another_python_and_base(command: CommandLine) -> None:
    assert (
        "FROM public.ecr.aws/docker/library/python:3.12-slim\n"
        in command("image", "--python", "3.12").out
    )
    done = command("image", "--base", "nvidia/cuda:12", "--python", "3.10")
    assert "FROM nvidia/cuda:12\n" in done.out
    assert "found != '3.10'" in done.out


def test_the_requirements_file_is_installed(
    command: CommandLine, docker: Docker, tmp_path: Path
) -> None:
    requirements = tmp_path / "my requirements.txt"
    requirements.write_text("numpy==2.2.0\n")
    done = command("image", "--build", "--requirements", str(requirements), "--tag", "t1")
    assert done.code == 0, done.text
    assert docker.calls[0].startswith("build --platform linux/amd64 --tag covalent-awsbatch:t1 ")
    context = docker.context
    assert context["my requirements.txt"] == "numpy==2.2.0\n"
    assert 'COPY ["my requirements.txt", "/tmp/requirements.txt"]' in context["Dockerfile"]
    built = docker.calls[0].rpartition(" ")[2]
    assert not Path(built).exists()


def test_what_is_in_it_names_it(command: CommandLine, docker: Docker, tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    tags = []
    for content in ("numpy\n", "numpy\n", "scipy\n"):
        requirements.write_text(content)
        done = command("image", "--build", "--requirements", str(requirements))
        tags.append(re.search(r"Built (\S+)", done.out)[1])  # type: ignore[index]
    assert tags[0] == tags[1] != tags[2]
    assert tags[0].startswith(f"covalent-awsbatch:py{PYTHON}-")


def test_push_makes_the_repository_and_hides_the_password(
    aws: Aws, command: CommandLine, docker: Docker
) -> None:
    command.configure(aws.access())
    for _ in range(2):
        done = command("image", "--push", "--repository", "lab/tasks", "--tag", "v1")
        assert done.code == 0, done.text
    (repository,) = aws.client("ecr").describe_repositories()["repositories"]
    uri = f"{repository['repositoryUri']}:v1"
    verbs = [call.split()[0] for call in docker.calls]
    assert verbs == ["build", "login", "push"] * 2
    assert docker.calls[2] == f"push {uri}"
    assert f'container_image_uri = "{uri}"' in done.out
    password = (docker.folder / "password").read_text()
    assert password
    stages = [
        "Building ",
        "docker's build",
        "Logging in",
        "docker's login",
        "Pushing ",
        "docker's push",
    ]
    shown = [done.out.index(stage) for stage in [*stages, "Pushed "]]
    assert shown == sorted(shown), done.out
    assert password not in "\n".join(docker.calls) + done.text


def test_a_docker_that_fails(command: CommandLine, tmp_path: Path) -> None:
    Docker(tmp_path / "failing", code=7).on_path_of(command)
    done = command("image", "--build")
    assert done.code == 1
    assert "'docker build' failed with exit code 7" in done.err


def test_no_docker(command: CommandLine, tmp_path: Path) -> None:
    command.extra["PATH"] = str(tmp_path)
    done = command("image", "--build")
    assert done.code == 1
    assert "no docker command" in done.err
    assert "install Docker" in done.err


@pytest.mark.parametrize("line", ["-r other.txt", "-e .", "./here", "--constraint c.txt", "-c c"])
def test_requirements_that_name_other_files(
    command: CommandLine, tmp_path: Path, line: str
) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(f"numpy\n{line}\n")
    done = command("image", "--requirements", str(requirements))
    assert done.code == 2
    assert line in done.err


def test_a_requirements_file_that_is_not_there(command: CommandLine) -> None:
    done = command("image", "--requirements", "/nowhere.txt")
    assert done.code == 2
    assert "/nowhere.txt" in done.err


@pytest.mark.parametrize(
    ("architecture", "variables", "labels", "statuses"),
    [
        ("amd64", ["PYTHON_VERSION=3.11.9"], None, ["ok", "ok"]),
        ("amd64", ["A=b"], {"covalent-awsbatch.python": "3.11"}, ["ok", "ok"]),
        ("amd64", ["PYTHON_VERSION=3.12.1"], None, ["ok", "problem"]),
        ("arm64", ["PYTHON_VERSION=3.11.9"], None, ["problem", "ok"]),
        ("amd64", None, None, ["ok", "not checked"]),
    ],
)
def test_what_an_image_says_of_itself(
    architecture: str,
    variables: list[str] | None,
    labels: dict[str, str] | None,
    statuses: list[str],
) -> None:
    description = {
        "architecture": architecture,
        "config": {"Env": variables, "Labels": labels},
    }
    found = judge_description("image:1", description, "3.11")
    assert [finding.status for finding in found] == statuses
