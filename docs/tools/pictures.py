"""Makes the pictures of the documentation from real runs, with headless Chromium.

    python docs/tools/pictures.py

Starts a local AWS and a Covalent server of its own, runs ``doctor``, a sweep that ``watch``,
``jobs`` and ``show`` show, and ``examples/svm.py``, and takes pictures of their terminals and of
Covalent's user interface.
Nothing leaves the machine but pip's requests.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyte
import toml
from rich.console import Console
from rich.style import Style
from rich.text import Text

from covalent_awsbatch_plugin.local import LocalAws
from covalent_awsbatch_plugin.local.covalent_server import CovalentServer

WIDTH, HEIGHT = 88, 40

# A sweep of 24 tasks, of which two raise; `watch` is drawn when so many have ended.
ENOUGH = 10
FAILING_NODE = 10
SWEEP = """
import covalent as ct

once = ct.executor.AWSBatchExecutor(retry_attempts=1)

@ct.electron(executor=once)
def simulate(seed):
    import time
    print(f"Simulating with seed {seed}")
    time.sleep(1 + seed % 4)
    return 1 / ((seed - 5) * (seed - 17))

@ct.lattice
def sweep(seeds):
    return [simulate(seed) for seed in range(seeds)]

print(ct.dispatch(sweep)(24))
"""

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "pictures"
EXAMPLE = ROOT / "examples" / "svm.py"

# No lookups of its maker's hosts, no profile left behind; as root it must do without its sandbox.
CHROMIUM = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


def photograph(url: str, path: Path, size: tuple[int, int], milliseconds: int = 8000) -> None:
    """Write a PNG of a page as it is after so many milliseconds of its own time."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if not browser:
        raise SystemExit("Chromium is needed: apt-get install chromium")
    with tempfile.TemporaryDirectory(prefix="covalent-awsbatch-chromium-") as profile:
        subprocess.run(
            [
                browser,
                *CHROMIUM,
                f"--user-data-dir={profile}",
                f"--window-size={size[0]},{size[1]}",
                f"--virtual-time-budget={milliseconds}",
                f"--screenshot={path}",
                url,
            ],
            check=True,
            capture_output=True,
            timeout=120,
        )


def write_configuration(server: CovalentServer, options: Mapping[str, Any]) -> None:
    """Write the server's Covalent configuration."""
    server.config_file.parent.mkdir(parents=True, exist_ok=True)
    server.config_file.write_text(toml.dumps({"executors": {"awsbatch": options}}))


def dispatch(server: CovalentServer, program: str) -> str:
    """Run a program with the server; return the last word that it prints, a dispatch's ID."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=server.environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout.split()[-1]


def draw(server: CovalentServer, path: Path, *command: str) -> None:
    """Write what a command of ``covalent-awsbatch`` leaves on a terminal as an SVG."""
    screen = Screen(server, *command)
    screen.wait()
    screen.draw(path)


class Screen:
    """A command of ``covalent-awsbatch`` in a terminal of its own.

    Attributes:
        title: The command, as a user types it.
    """

    def __init__(self, server: CovalentServer, *command: str) -> None:
        self.title = " ".join(["covalent-awsbatch", *command])
        self._home = str(server.home)
        self._lines = pyte.HistoryScreen(WIDTH, HEIGHT, history=500, ratio=1)
        self._stream = pyte.Stream(self._lines)
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
        environment = {**server.environment, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "covalent_awsbatch_plugin.cli", *command],
            env={k: v for k, v in environment.items() if k not in ("COLUMNS", "NO_COLOR")},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        self._terminal = ours

    def read(self) -> bool:
        """Take in what was printed; False when the command has ended."""
        try:
            printed = os.read(self._terminal, 65536)
        except OSError:  # The other end is closed.
            printed = b""
        self._stream.feed(printed.decode("utf-8", "replace"))
        return bool(printed)

    def text(self) -> str:
        """Return what is on the screen."""
        return "\n".join(self._lines.display)

    def wait(self) -> None:
        """Read until the command has ended, with any exit code."""
        while self.read():
            pass
        self._process.wait()
        os.close(self._terminal)

    def draw(self, path: Path) -> None:
        """Write the screen as an SVG."""
        rows = [*self._lines.history.top, *(self._lines.buffer[y] for y in range(HEIGHT))]
        lines = [self._line(row) for row in rows]
        while lines and not lines[-1].plain.strip():
            lines.pop()
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            console = Console(record=True, width=WIDTH, file=nowhere)
            for line in lines:
                console.print(line, soft_wrap=True)
        drawn = console.export_svg(title=self.title)
        # Its fonts would be fetched from elsewhere; any monospaced one serves.
        drawn = re.sub(r"@font-face \{.*?\}", "", drawn, flags=re.DOTALL)
        path.write_text(re.sub(r"<!--.*?-->", "", drawn, flags=re.DOTALL), "utf-8")

    def _line(self, row: Mapping[int, Any]) -> Text:
        text = Text()
        for column in range(WIDTH):
            cell = row[column]
            text.append(cell.data, _style(cell))
        text.rstrip()
        return text


def _style(cell: Any) -> Style:
    """Return the style of a terminal's cell."""
    names = {"brown": "yellow", "brightbrown": "bright_yellow"}
    colour = names.get(cell.fg, cell.fg)
    if re.fullmatch("[0-9a-f]{6}", colour):
        colour = f"#{colour}"
    elif colour.startswith("bright") and "_" not in colour:
        colour = f"bright_{colour.removeprefix('bright')}"
    return Style(
        color=None if colour == "default" else colour, bold=cell.bold, reverse=cell.reverse
    )


def main() -> None:
    """Make the pictures."""
    with (
        tempfile.TemporaryDirectory(prefix="covalent-awsbatch-") as home,
        LocalAws(runner="processes", slots=4) as aws,
    ):
        server = CovalentServer(Path(home))
        options = {**aws.executor_options(), "poll_freq": 0.5}
        draw_doctor(server, options)
        write_configuration(server, options)
        with server:
            make_sweep(server)
            ran = f"runpy.run_path({str(EXAMPLE)!r}, run_name='__main__')"
            shown = dispatch(server, f"import runpy; print({ran}['dispatch_id'])")
            photograph(f"{server.url}/{shown}", PICTURES / "covalent.png", (1500, 860))
            photograph(f"{server.url}/", PICTURES / "dispatches.png", (1500, 500))


def draw_doctor(server: CovalentServer, options: Mapping[str, Any]) -> None:
    """Make the picture of a doctor that finds a problem."""
    # More than the compute environment may have.
    write_configuration(server, {**options, "vcpu": 512})
    draw(server, PICTURES / "doctor.svg", "doctor")


def make_sweep(server: CovalentServer) -> None:
    """Make the pictures of a sweep, of which two tasks fail."""
    sweep = dispatch(server, SWEEP)
    watch = Screen(server, "watch", sweep[:8])
    while watch.read():
        done = re.search(r"(\d+)/\d+ ended", watch.text())
        if done and int(done[1]) >= ENOUGH and "slowest" in watch.text():
            watch.draw(PICTURES / "watch.svg")
            break
    else:
        raise SystemExit(f"The sweep has ended before there was a picture of it:\n{watch.text()}")
    watch.wait()
    draw(server, PICTURES / "jobs.svg", "jobs", sweep[:8], "--status", "failed")
    draw(server, PICTURES / "show.svg", "show", f"{sweep[:8]}:{FAILING_NODE}")


if __name__ == "__main__":
    main()
