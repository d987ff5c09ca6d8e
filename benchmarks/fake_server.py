"""The fake AWS as a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from typing import Any
from urllib.request import Request, urlopen

from benchmarks import places


class FakeServer:
    """A running ``tests.fake_aws``, for as long as the context lasts.

    Args:
        settings: Its command line's options, such as ``latency`` and ``job_seconds``.
    """

    def __init__(self, **settings: float | str) -> None:
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
        self._command = [sys.executable, "-m", "tests.fake_aws", *flags]

    def __enter__(self) -> FakeServer:
        self._home = tempfile.TemporaryDirectory(prefix="benchmark-fake-")
        self._process = subprocess.Popen(
            self._command,
            cwd=places.ROOT,
            env=places.environment(self._home.name, COVALENT_PLUGIN_LOAD="false"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.options: dict[str, Any] = json.loads(self._process.stdout.readline())
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.communicate()
        self._home.cleanup()

    def state(self) -> dict[str, Any]:
        """Return the counters."""
        return self._ask("state")

    def ends(self) -> dict[str, float]:
        """Return when each job ended, in seconds since the epoch, by its name."""
        return self._ask("ends")

    def forget(self) -> None:
        """Set the counters to zero and forget jobs and objects, but not job definitions."""
        self._ask("forget")

    def _ask(self, verb: str) -> dict[str, Any]:
        request = Request(f"{self.options['endpoint_url']}/_fake/{verb}", data=b"{}")
        with urlopen(request) as answer:
            return dict(json.load(answer))
