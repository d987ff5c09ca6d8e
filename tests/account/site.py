"""Where the walk is: its stack, its Covalent server, and what it may still take."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from covalent_awsbatch_plugin.cli.shared.account import Account, connect_from
from covalent_awsbatch_plugin.cli.shared.configuration import read_section

from .report import Report

# Seconds that a command has to end after SIGINT.
GRACE = 20

# What ends the walk.
INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Call = Callable[..., "Done"]


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def last_line(self) -> str:
        """The last line that the command printed, on either stream."""
        lines = [line for line in (self.out + self.err).splitlines() if line.strip()]
        return lines[-1] if lines else ""


@dataclass
class Site:
    """Where the walk is.

    Attributes:
        prefix: The prefix of its stack.
        access: The options of the command line that name the account.
        environment: The environment of commands, and of the Covalent server.
        report: What was found.
        deadline: When the walk stops starting things, by the monotonic clock.
        features: Options of the walk that concern single steps.
    """

    prefix: str
    access: tuple[str, ...]
    environment: Mapping[str, str]
    report: Report
    deadline: float
    features: Mapping[str, Any] = field(default_factory=dict)

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self.deadline - time.monotonic()

    @cached_property
    def account(self) -> Account:
        """The account, as the commands see it; after ``deploy`` has written the configuration."""
        return connect_from(dict.fromkeys(("profile", "region", "endpoint_url", "credentials")))

    @property
    def is_local(self) -> bool:
        """Whether this is the local AWS."""
        return bool(self.options.get("endpoint_url"))

    @cached_property
    def options(self) -> dict[str, Any]:
        """The options that ``deploy`` configured; for after it has."""
        return read_section()

    @property
    def pause(self) -> float:
        """Seconds between two looks at AWS."""
        return 0.5 if self.is_local else 5.0

    def jobs(self, dispatch_id: str) -> list[Mapping[str, Any]]:
        """Return the jobs of a dispatch as Batch describes them."""
        batch = self.account.client("batch")
        pages = batch.get_paginator("list_jobs").paginate(
            jobQueue=self.options["batch_queue"],
            filters=[{"name": "JOB_NAME", "values": [f"covalent-{dispatch_id}-*"]}],
        )
        ids = [job["jobId"] for page in pages for job in page["jobSummaryList"]]
        return list(batch.describe_jobs(jobs=ids)["jobs"]) if ids else []

    def deploy(self, *arguments: str, limit: float) -> Done:
        """Call ``deploy`` for the walk's stack."""
        return self.command(
            "deploy", "--prefix", self.prefix, *self.access, *arguments, limit=limit
        )

    def command(self, *arguments: str, limit: float) -> Done:
        """Call the command line; a command that takes too long is ended.

        It is in a session of its own: Ctrl-C reaches the walk alone, which then ends it.
        """
        begun, process = time.monotonic(), None
        try:
            # An interrupt while it is started would leave it running.
            with deferred_interrupts():
                process = subprocess.Popen(
                    [sys.executable, "-m", "covalent_awsbatch_plugin.cli", *arguments],
                    env={**os.environ, **self.environment, "COLUMNS": "120", "NO_COLOR": "1"},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    start_new_session=True,
                )
            out, err = process.communicate(timeout=limit)
        except BaseException:
            if process:
                end(process)
            raise
        return Done(process.returncode, out, err, time.monotonic() - begun)


@contextmanager
def deferred_interrupts() -> Iterator[None]:
    """Raise KeyboardInterrupt at the end of the block, where it is asked for within."""
    noted: list[int] = []
    previous = {
        number: signal.signal(number, lambda number, _frame: noted.append(number))
        for number in INTERRUPTS
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    if noted and previous[signal.SIGINT] is not signal.SIG_IGN:
        raise KeyboardInterrupt


def end(process: subprocess.Popen[str]) -> None:
    """End a command, as Ctrl-C does; by force where that takes too long."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
