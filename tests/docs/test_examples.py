"""Every example of the documentation runs: workflows, files of tests, doctests."""

from __future__ import annotations

import doctest
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import toml

from covalent_awsbatch_plugin.local.covalent_server import CovalentServer
from covalent_awsbatch_plugin.options import resolution
from covalent_awsbatch_plugin.options.table import BY_NAME

from .pages import Block, blocks, name_of, pages, program, sessions

LIMIT = 300

# The dispatch of the pages' consoles.
DISPATCH = "5f0c6a53-2f0b-4f8e-9d8a-3a4f6c1f2b7d"

PROGRAMS = [page for page in pages() if program(page) and not sessions(page)]
FILES = [(page, block) for page in pages() for block in blocks(page, "python") if block.name]
DOCTESTS = [(page, block) for page in pages() for block in blocks(page, "pycon")]
CONSOLES = [page for page in pages() if sessions(page)]
CONFIGURATIONS = [(page, block) for page in pages() for block in blocks(page, "toml")]


def run(folder: Path, environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def run_program(page: Path, folder: Path, environment: dict[str, str]) -> str:
    (folder / "example.py").write_text(program(page), "utf-8")
    return run(folder, environment, "example.py")


def test_there_are_examples() -> None:
    assert len(PROGRAMS) > 5
    assert len(FILES) > 1
    assert DOCTESTS
    assert CONSOLES
    assert CONFIGURATIONS


@pytest.mark.parametrize("page", PROGRAMS, ids=name_of)
def test_the_examples_of_a_page_run_as_a_program(
    page: Path, server: CovalentServer, tmp_path: Path
) -> None:
    run_program(page, tmp_path, server.environment)


@pytest.mark.parametrize("page", CONSOLES, ids=name_of)
def test_the_commands_of_a_page_print_what_it_says(
    page: Path, server: CovalentServer, tmp_path: Path
) -> None:
    """Where the page has a workflow, that runs first, and prints its dispatch's id last."""
    environment = {**server.environment, "COLUMNS": "110"}
    printed = run_program(page, tmp_path, environment).split()
    dispatch = printed[-1] if printed else DISPATCH
    for command, expected in sessions(page):
        name, *arguments = shlex.split(_of(dispatch, command))
        assert name == "covalent-awsbatch"
        output = run(tmp_path, environment, "-m", "covalent_awsbatch_plugin.cli", *arguments)
        assert _same(_of(dispatch, expected), output), f"{command} prints\n{output}"


def _same(expected: str, output: str) -> bool:
    """Return whether output is as expected; ``...`` stands for anything, also a wider column."""
    narrow = [re.sub("─+", "─", text) for text in (expected, output)]
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    return doctest.OutputChecker().check_output(*narrow, options)


def _of(dispatch: str, text: str) -> str:
    """Return a text of the page with a dispatch's id, and its beginning, for the page's."""
    return text.replace(DISPATCH, dispatch).replace(DISPATCH[:8], dispatch[:8])


@pytest.mark.parametrize(("page", "block"), FILES, ids=lambda value: getattr(value, "name", None))
def test_a_file_of_tests_passes(page: Path, block: Block, tmp_path: Path) -> None:
    (tmp_path / block.name).write_text(block.content, "utf-8")
    environment = CovalentServer(tmp_path).environment
    run(tmp_path, environment, "-m", "pytest", "-q", "-p", "no:cacheprovider", block.name)


@pytest.mark.parametrize(("page", "block"), DOCTESTS)
def test_a_console_session_says_what_it_says(page: Path, block: Block) -> None:
    test = doctest.DocTestParser().get_doctest(block.content, {}, name_of(page), str(page), 0)
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test)
    assert result.attempted
    assert not result.failed


@pytest.mark.parametrize(("page", "block"), CONFIGURATIONS)
def test_a_configuration_is_valid(page: Path, block: Block) -> None:
    section = toml.loads(block.content)["executors"]["awsbatch"]
    assert set(section) <= set(BY_NAME), json.dumps(section)
    resolution.resolve({}, section)
