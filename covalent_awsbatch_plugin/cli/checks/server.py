"""The Covalent server that runs: whether it has what this command sees.

It reads its configuration, and imports the plugin, when it starts.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from ...options import resolution
from ...options.table import BY_NAME
from ..shared.configuration import configuration_path, read_section, section_at
from ..shared.covalent_api import is_running, server_url
from ..shared.server_process import ServerProcess, find_server_process
from .client import DISTRIBUTION
from .finding import Finding, ok, problem, unknown, warning

AREA = "Covalent server"
RESTART = "'covalent restart' (tasks that run are lost: wait for them)."

# What decides about account and region where the option, on the right, is left open.
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE")
VARIABLES = {
    **dict.fromkeys(KEYS, "profile"),
    "AWS_PROFILE": "profile",
    "AWS_DEFAULT_PROFILE": "profile",
    "AWS_SHARED_CREDENTIALS_FILE": "credentials",
    "AWS_REGION": "region",
    "AWS_DEFAULT_REGION": "region",
}
ALWAYS = ("AWS_CONFIG_FILE", "AWS_ENDPOINT_URL")


def check_server(configured: Mapping[str, Any]) -> Iterator[Finding]:
    """Check that the Covalent server has this configuration, plugin and environment."""
    if not is_running():
        yield ok(AREA, "running", f"None answers at {server_url()}; one that starts reads this.")
        return
    process = find_server_process()
    if process is None:
        yield unknown(
            AREA,
            "configuration",
            f"One answers at {server_url()}, but its process is another user's or host's.",
            "run the doctor as that user, on that host.",
        )
        return
    path = configuration_path(process.environment)
    if path.resolve() != configuration_path().resolve():
        yield _other_file(path)
        return
    yield _configuration(process)
    yield _variables(process, configured)
    yield _plugin(process)


def _other_file(path: Path) -> Finding:
    return problem(
        AREA,
        "file",
        f"The server at {server_url()} reads {path}, this command {configuration_path()}.",
        f"run the commands with COVALENT_CONFIG_DIR={path.parent}, or start the server from this "
        "shell.",
    )


def _configuration(process: ServerProcess) -> Finding:
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(process.started))
    before = section_at(process.started)
    changed = _changed(before, read_section()) if before is not None else []
    if not changed:
        return ok(
            AREA, "configuration", f"It runs since {since}; no command has changed it since."
        )
    return problem(
        AREA,
        "configuration",
        f"It runs since {since}, and does not have what was changed after that: "
        f"{', '.join(changed)}.",
        RESTART,
    )


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the keys that differ; Covalent may have written out a default meanwhile."""
    defaults = {name: BY_NAME[name].default for name in BY_NAME}
    old, new = {**defaults, **before}, {**defaults, **after}
    return sorted(key for key in {**old, **new} if old.get(key) != new.get(key))


def _variables(process: ServerProcess, configured: Mapping[str, Any]) -> Finding:
    left = resolution.left_to_sdk({}, configured)
    if "profile" not in left:
        left = [option for option in left if option != "credentials"]
    looked_at = [*ALWAYS, *(name for name, option in VARIABLES.items() if option in left)]
    differing = [
        name for name in looked_at if process.environment.get(name) != os.environ.get(name)
    ]
    if not differing:
        return ok(AREA, "environment", "Its AWS variables are those of this shell.")
    return warning(
        AREA,
        "environment",
        f"Other values than in this shell, or none, has it of {', '.join(differing)}: its account "
        "or region may be another one.",
        "start it from a shell that has them, or set profile, credentials and region in the "
        "configuration.",
    )


def _plugin(process: ServerProcess) -> Finding:
    if Path(process.python).parent != Path(sys.executable).parent:
        return warning(
            AREA,
            "plugin",
            f"It runs on {process.python or 'another Python'}, this command on {sys.executable}.",
            "run the doctor of the server's environment: packages were checked in this one.",
        )
    if _installed() > process.started:
        return warning(
            AREA, "plugin", "The plugin was installed after the server had started.", RESTART
        )
    return ok(AREA, "plugin", "It has the installed plugin.")


def _installed() -> float:
    """Return when this package was installed, in seconds since the epoch."""
    metadata = [f for f in distribution(DISTRIBUTION).files or () if f.name == "METADATA"]
    paths = [Path(str(file.locate())) for file in metadata]
    return max((path.stat().st_ctime for path in paths if path.exists()), default=0.0)
