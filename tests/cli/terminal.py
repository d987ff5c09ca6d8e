"""Commands in a terminal of a test's own (a pty), read as the terminal shows them."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pyte

from .command import CommandLine

HEIGHT = 60
SCREENS = Path(__file__).parent / "screens"

# What differs from run to run, and what stands for it in a kept screen.
VARYING = (
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "00000000-aaaa-bbbb-cccc-dddddddddddd"),
    (r"\b[0-9a-f]{32}\b", "0" * 32),
    (r"\b[0-9a-f]{8}(?=:\d|$| --)", "00000000"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "2026-01-01 00:00:00"),
    (r"\d+(\.\d+)?(?= (s|min|h|d)\b)", "#"),
    (r"\d+(\.\d+)?(?= (vCPU-hours|GB-hours|of [\d.]+ GB))", "#"),
    (r"\d+(?=%| MiB\b| tasks/min)", "#"),
    (r"#[\d.]+", "#"),
    (r"\bat \d\d:\d\d(:\d\d)?", "at 00:00"),
    (r"\b[\w.-]+:\d{3,7}(?=[,\"]|$)", "host:1"),
    (r"/tmp/\S+(?=/covalent.conf|/credentials)", "/home/me"),
)


@dataclass
class Terminal:
    """A command that runs in a terminal.

    Attributes:
        process: The command.
        descriptor: The terminal's own end.
        screen: What the terminal shows.
    """

    process: subprocess.Popen[bytes]
    descriptor: int
    screen: pyte.HistoryScreen
    stream: pyte.ByteStream
    raw: bytearray = field(default_factory=bytearray)

    def read(self, seconds: float = 0.2) -> bool:
        """Take in what the command writes; whether it may write more."""
        ready, _, _ = select.select([self.descriptor], [], [], seconds)
        if not ready:
            return True
        try:
            content = os.read(self.descriptor, 65536)
        except OSError:
            return False
        self.raw += content
        self.stream.feed(content)
        return bool(content)

    def wait(self, seconds: float = 60) -> int:
        """Read until the command ends, and return its exit code."""
        deadline = time.monotonic() + seconds
        while self.read():
            assert time.monotonic() < deadline, self.text
        return self.process.wait(10)

    def wait_for(self, seen: Callable[[str], bool], seconds: float = 60) -> str:
        """Read until the screen is as wanted, and return it."""
        deadline = time.monotonic() + seconds
        while not seen(self.text):
            assert self.read(), self.text
            assert time.monotonic() < deadline, self.text
        return self.text

    @property
    def text(self) -> str:
        """What can be read on the screen and by scrolling back."""
        above = [
            "".join(row[x].data for x in range(self.screen.columns)).rstrip()
            for row in self.screen.history.top
        ]
        return "\n".join([*above, *(line.rstrip() for line in self.screen.display)]).rstrip()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.descriptor)


def open_terminal(command: CommandLine, columns: int, *arguments: str) -> Terminal:
    """Start a command in a terminal of so many columns."""
    own, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, columns, 0, 0))
    environment = {**command.environment(), "TERM": "xterm-256color", "TZ": "UTC"}
    environment.pop("COLUMNS")
    process = subprocess.Popen(
        [sys.executable, "-m", "covalent_awsbatch_plugin.cli", *arguments],
        env=environment,
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
    )
    os.close(its)
    screen = pyte.HistoryScreen(columns, HEIGHT, history=5000, ratio=1.0)
    return Terminal(process, own, screen, pyte.ByteStream(screen))


def screen_of(command: CommandLine, columns: int, *arguments: str) -> tuple[int, str]:
    """Return the exit code of a command and what its terminal shows."""
    with open_terminal(command, columns, *arguments) as terminal:
        return terminal.wait(), terminal.text


def normalised(text: str) -> str:
    """Return a screen without what differs from run to run; columns move together."""
    for pattern, constant in VARYING:
        text = re.sub(pattern, constant, text, flags=re.MULTILINE)
    return "\n".join(re.sub(r" {2,}", "  ", line).rstrip() for line in text.splitlines()) + "\n"


def check_screen(name: str, text: str) -> None:
    """Compare a screen with the kept one; with COVALENT_AWSBATCH_TEST_KEEP=1, keep it."""
    path = SCREENS / f"{name}.txt"
    if os.environ.get("COVALENT_AWSBATCH_TEST_KEEP"):
        SCREENS.mkdir(exist_ok=True)
        path.write_text(normalised(text), "utf-8")
    assert normalised(text) == path.read_text("utf-8")
