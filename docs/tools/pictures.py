"""Makes the pictures of the documentation from real runs, with headless Chromium.

    python docs/tools/pictures.py

Starts a local AWS and a Covalent server of its own, runs ``covalent-awsbatch doctor`` and
``examples/svm.py``, and takes pictures of what the one prints and of Covalent's user interface.
Nothing leaves the machine but pip's requests.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import toml
from rich.console import Console
from rich.text import Text

from covalent_awsbatch_plugin.local import LocalAws
from covalent_awsbatch_plugin.local.covalent_server import CovalentServer

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


def dispatch(server: CovalentServer) -> str:
    """Run the example; return the id of its dispatch."""
    ran = f"runpy.run_path({str(EXAMPLE)!r}, run_name='__main__')"
    program = f"import runpy; print({ran}['dispatch_id'])"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=server.environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout.split()[-1]


def write_configuration(server: CovalentServer, options: Mapping[str, Any]) -> None:
    """Write the server's Covalent configuration."""
    server.config_file.parent.mkdir(parents=True, exist_ok=True)
    server.config_file.write_text(toml.dumps({"executors": {"awsbatch": options}}))


def draw(command: str, server: CovalentServer, path: Path, width: int = 156) -> None:
    """Write what a command of ``covalent-awsbatch`` prints on a terminal as an SVG."""
    done = subprocess.run(
        [sys.executable, "-m", "covalent_awsbatch_plugin.cli", command],
        check=False,  # The doctor ends with 1 where it finds a problem.
        env={**server.environment, "FORCE_COLOR": "1", "COLUMNS": str(width)},
        stdout=subprocess.PIPE,
        text=True,
    )
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=width, file=nowhere)
        console.print(Text.from_ansi(_at_home(done.stdout.rstrip(), str(server.home))))
    drawn = console.export_svg(title=f"covalent-awsbatch {command}")
    # Its fonts would be fetched from elsewhere; any monospaced one serves.
    drawn = re.sub(r"@font-face \{.*?\}", "", drawn, flags=re.DOTALL)
    path.write_text(re.sub(r"<!--.*?-->", "", drawn, flags=re.DOTALL), "utf-8")


def _at_home(text: str, home: str) -> str:
    """Return a table's text with ``~`` for a folder, its columns where they were."""
    return re.sub(
        f"{re.escape(home)}([^│]*)",
        lambda cell: "~" + cell[1] + " " * (len(home) - 1),
        text,
    )


def main() -> None:
    """Make the pictures."""
    with (
        tempfile.TemporaryDirectory(prefix="ct-") as home,
        LocalAws(runner="processes") as aws,
    ):
        server = CovalentServer(Path(home))
        options = {**aws.executor_options(), "poll_freq": 0.5}
        # More than the compute environment may have, so that the picture shows a problem too.
        write_configuration(server, {**options, "vcpu": 512})
        draw("doctor", server, PICTURES / "doctor.svg")
        write_configuration(server, options)
        with server:
            dispatch_id = dispatch(server)
            photograph(f"{server.url}/{dispatch_id}", PICTURES / "covalent.png", (1500, 860))
            photograph(f"{server.url}/", PICTURES / "dispatches.png", (1500, 500))


if __name__ == "__main__":
    main()
