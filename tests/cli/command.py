"""The command line as a user calls it: a process, with a home and an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import toml
from click.testing import CliRunner

from covalent_awsbatch_plugin.cli import main

from .serve import SLOTS

TIME_LIMIT = 60


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err

    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class CommandLine:
    """Runs ``covalent-awsbatch`` with a home of its own; nothing of the developer's is seen."""

    home: Path
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def configuration(self) -> Path:
        return self.home / "covalent" / "covalent.conf"

    def configure(self, section: Mapping[str, Any]) -> None:
        self.configuration.parent.mkdir(parents=True, exist_ok=True)
        content = {"executors": {"awsbatch": dict(section)}}
        self.configuration.write_text(toml.dumps(content), "utf-8")

    def section(self) -> dict[str, Any]:
        return dict(toml.load(self.configuration)["executors"]["awsbatch"])

    def environment(self) -> dict[str, str]:
        outside = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "COVALENT_"))}
        return {
            **outside,
            "HOME": str(self.home),
            "COVALENT_CONFIG_DIR": str(self.home / "covalent"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "COLUMNS": "200",
            "NO_COLOR": "1",
            **self.extra,
        }

    def here(self, *arguments: str) -> Done:
        """Run a command in this process: the same, but for half a second of imports."""
        result = CliRunner().invoke(main, arguments, env=self.environment())
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Done(result.exit_code, result.stdout, result.stderr)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "covalent_awsbatch_plugin.cli", *arguments],
            env=self.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: str, stdin: str = "") -> Done:
        with self.start(*arguments) as process:
            try:
                out, err = process.communicate(stdin, timeout=TIME_LIMIT)
            finally:
                process.kill()
        assert "Traceback" not in err, err
        return Done(process.returncode, out, err)


@dataclass(frozen=True)
class Aws:
    """The local AWS, as a test sees it.

    Attributes:
        options: The executor's options for the stack that is there from the beginning.
        slots: How many jobs run at once.
        account: Its account.
    """

    options: Mapping[str, str]
    slots: int = SLOTS
    account: str = "123456789012"

    @property
    def endpoint_url(self) -> str:
        return self.options["endpoint_url"]

    @property
    def credentials_file(self) -> Path:
        return Path(self.options["credentials"])

    def access(self) -> dict[str, str]:
        """What a configuration needs to reach it."""
        return {key: self.options[key] for key in ("endpoint_url", "credentials")}

    def client(self, service: str, region: str = "us-east-1") -> Any:
        session = boto3.Session("local", "local", region_name=region)
        return session.client(service, endpoint_url=self.endpoint_url)
