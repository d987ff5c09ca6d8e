"""The notebook of the examples, executed as a user runs it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from covalent_awsbatch_plugin.local.covalent_server import CovalentServer

NOTEBOOK = Path(__file__).parents[2] / "examples" / "sweep.ipynb"


def shown(cell: Any) -> str:
    """Return what a cell prints and shows as text."""
    return "".join(
        output.get("text", "") or output.get("data", {}).get("text/plain", "")
        for output in cell["outputs"]
    )


def test_the_notebook_runs(server: CovalentServer, tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    client = NotebookClient(
        notebook,
        timeout=180,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    )
    client.execute(env={**server.environment, "PATH": path})
    executor, _, watch, logs, again = (c for c in notebook["cells"] if c["cell_type"] == "code")

    assert shown(executor).startswith("AWSBatchExecutor(")
    (table,) = (o["data"]["text/html"] for o in executor["outputs"])
    assert table.count("<tr>") > 20

    text = shown(watch)
    assert "\033" not in text
    assert "\r" not in text.replace("\r\n", "\n")
    assert "5/5 ended: 4 done, 1 failed" in text
    assert "ValueError: seed 3 is not physical" in text
    assert "1 of 5 tasks failed." in text

    assert "Simulating with seed 3" in shown(logs)
    assert "Traceback" in shown(logs)
    assert shown(again) == "[0, 1, 4, 16]"
