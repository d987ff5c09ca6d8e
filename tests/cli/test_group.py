"""The command itself: help, version, and what is not imported."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from importlib.metadata import entry_points

import pytest

from covalent_awsbatch_plugin.cli import COMMANDS, main

from .command import CommandLine


def test_help_lists_every_command_with_a_sentence(command: CommandLine) -> None:
    done = command("--help")
    assert done.code == 0
    listed = {line.split()[0]: line.split()[1:] for line in done.out.splitlines() if line.strip()}
    assert all(listed.get(name) for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    context = main.make_context("covalent-awsbatch", [name, "--help"], resilient_parsing=True)
    found = main.get_command(context, name)
    assert found is not None
    assert found.name == name
    assert len(found.get_help(context).splitlines()) > 3


def test_version_tells_what_works_together(command: CommandLine) -> None:
    done = command("--version")
    assert done.code == 0
    for package in ("covalent-awsbatch-plugin", "covalent", "boto3"):
        assert f"{package} {metadata.version(package)}" in done.out


def test_an_unknown_command_is_refused_by_name(command: CommandLine) -> None:
    done = command("dploy")
    assert done.code == 2
    assert "dploy" in done.err


def test_the_console_script_is_this_group() -> None:
    (script,) = entry_points(group="console_scripts", name="covalent-awsbatch")
    assert script.load() is main


def test_commands_load_neither_covalent_nor_an_sdk_before_they_need_it() -> None:
    code = (
        "import sys; from covalent_awsbatch_plugin.cli import COMMANDS, main\n"
        "context = main.make_context('x', ['--help'], resilient_parsing=True)\n"
        "[main.get_command(context, name) for name in COMMANDS]\n"
        "print(*{'covalent', 'boto3', 'botocore', 'moto', 'aiobotocore'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_shell_completes_commands_and_options(command: CommandLine) -> None:
    for line, expected in (
        ("covalent-awsbatch wa", "plain,watch"),
        ("covalent-awsbatch jobs --st", "plain,--status"),
        ("covalent-awsbatch jobs --status wai", "plain,waiting"),
    ):
        words = line.split()
        command.extra.update(
            _COVALENT_AWSBATCH_COMPLETE="bash_complete",
            COMP_WORDS=line,
            COMP_CWORD=str(len(words) - 1),
        )
        assert expected in command().out.splitlines()
