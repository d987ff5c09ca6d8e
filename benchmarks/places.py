"""Where everything is, and the clean environments in which measured processes run."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
CACHE = ROOT / "benchmarks" / ".cache"
RESULTS = ROOT / "docs" / "_static" / "benchmarks.json"
PAGE = ROOT / "docs" / "benchmarks.md"
README = ROOT / "README.md"
PLOT = ROOT / "docs" / "_static" / "benchmarks.svg"

OLD_RELEASE = "covalent-awsbatch-plugin==0.42.0"


def environment(home: Path | str, **more: str) -> dict[str, str]:
    """Return an environment with a home of its own and nothing of the caller's AWS or Covalent."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "COVALENT_", "XDG_", "PYTHON"))
    }
    return {**kept, "HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true", **more}


def old_python() -> Path:
    """Return the Python of release 0.42's virtual environment, which is made where missing."""
    folder = CACHE / f"venv-0.42-{sys.version_info.major}.{sys.version_info.minor}"
    python, done = folder / "bin" / "python", folder / "complete"
    if not done.exists():
        print(f"Installing {OLD_RELEASE} into {folder.relative_to(ROOT)} ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *_requirements()], check=True)
        done.touch()
    return python


def _requirements() -> list[str]:
    """Return release 0.42 and, beside it, the Covalent of this environment."""
    return [
        OLD_RELEASE,
        f"covalent=={version('covalent')}",
        # What a plain install of Covalent lacks; see this project's own requirements.
        "fastapi<0.132",
        "alembic>=1.13",
        "sqlalchemy-utils>=0.41",
    ]
