"""The first page shows what ``covalent-awsbatch local`` prints."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import toml

from covalent_awsbatch_plugin.local.covalent_server import CovalentServer

from .local_aws import LAST, section
from .pages import DOCS, blocks

PAGE = DOCS / "quickstart-local.md"


def plain(text: str) -> str:
    """Return a text without what differs from machine to machine: port and home."""
    return re.sub(r"[^\s\"=]*/credentials", "FILE", re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", text))


def test_the_local_aws_prints_how_to_use_it(printed: str) -> None:
    shown = [b.content for b in blocks(PAGE, "text") if LAST in b.content]
    assert [plain(text) for text in shown] == [plain(printed)]


def test_deploy_writes_the_configuration_that_the_local_aws_prints(
    printed: str, tmp_path: Path
) -> None:
    options, server = section(printed), CovalentServer(tmp_path)
    (block,) = (
        b.content for b in blocks(PAGE, "shell") if "covalent-awsbatch deploy" in b.content
    )
    command = block.replace("http://127.0.0.1:20580", options["endpoint_url"])
    command = re.sub(r"\S+/credentials", options["credentials"], command.replace("\\\n", ""))
    name, *arguments = shlex.split(command.partition("covalent start")[0])
    assert name == "covalent-awsbatch"
    subprocess.run(
        [sys.executable, "-m", "covalent_awsbatch_plugin.cli", *arguments],
        env=server.environment,
        stdin=subprocess.DEVNULL,
        check=True,
    )
    written = toml.load(server.config_file)["executors"]["awsbatch"]
    assert written.items() <= options.items()
    assert {"s3_bucket_name", "batch_queue", "endpoint_url", "credentials"} <= written.keys()
