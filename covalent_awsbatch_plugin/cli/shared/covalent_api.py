"""What the configured Covalent server knows of a dispatch, where it runs."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .configuration import EXECUTOR, read_configuration

DEFAULT_ADDRESS, DEFAULT_PORT = "localhost", 48008

# Seconds: the server is on this machine, and a command does not need it.
TIMEOUT = 5.0

# The most dispatches that Covalent lists in one response.
LISTED = 99

ENDED = ("COMPLETED", "FAILED", "CANCELLED", "POSTPROCESSING_FAILED")


@dataclass(frozen=True)
class CovalentDispatch:
    """A dispatch as Covalent has it.

    Attributes:
        status: Covalent's status of it.
        tasks: How many of its electrons run as jobs; Covalent's built-in nodes do not count.
    """

    status: str
    tasks: int

    @property
    def ended(self) -> bool:
        """Whether Covalent will do nothing more for it."""
        return self.status in ENDED


def server_url() -> str:
    """Return the address of the Covalent server, from Covalent's configuration."""
    dispatcher = read_configuration().get("dispatcher") or {}
    address = dispatcher.get("address") or DEFAULT_ADDRESS
    return f"http://{address}:{dispatcher.get('port') or DEFAULT_PORT}"


def fetch_dispatch(dispatch_id: str) -> CovalentDispatch | None:
    """Return what Covalent knows of a dispatch; None where it does not run or does not know it."""
    try:
        status = _get(f"/api/v1/dispatches/{dispatch_id}")["status"]
        nodes = _get(f"/api/v1/dispatches/{dispatch_id}/graph")["graph"]["nodes"]
        return CovalentDispatch(str(status), sum(map(_is_task, nodes)))
    # Whatever listens there may be no Covalent server.
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        return None


def find_dispatches(beginning: str) -> list[str]:
    """Return the ids of Covalent's dispatches that begin so; none where it does not run."""
    search = urllib.parse.quote(beginning, safe="")
    try:
        items = _get(f"/api/v1/dispatches/list?count={LISTED}&search={search}")["items"]
        ids = [str(item["dispatch_id"]) for item in items]
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        return []
    return [i for i in ids if i.startswith(beginning)]


def is_running() -> bool:
    """Return whether a Covalent server answers, or is too busy to."""
    try:
        _get("/api/v1/dispatches/list?count=1")
    except TimeoutError:
        return True
    except urllib.error.URLError as error:
        return isinstance(error.reason, TimeoutError)
    except (OSError, http.client.HTTPException, ValueError):
        return False
    return True


def _is_task(node: Mapping[str, Any]) -> bool:
    return (
        node["type"] == "function"
        and node.get("executor_label") == EXECUTOR
        and not str(node["name"]).startswith(":")
    )


def _get(path: str) -> Any:
    # A proxy of the environment does not lead to this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{server_url()}{path}", timeout=TIMEOUT) as response:
        return json.load(response)
