"""A Covalent server that is killed in the middle of a dispatch, and every step afterwards."""

from __future__ import annotations

import json
import os
import pickle
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import toml

from covalent_awsbatch_plugin.local.covalent_server import CovalentServer

from .command import Aws, CommandLine
from .test_jobs import until

WORKFLOW = """
import sys
from pathlib import Path
import covalent as ct

here = Path(sys.argv[1])

@ct.electron(executor="awsbatch")
def at_once():
    return "at once"

@ct.electron(executor="awsbatch")
def later(here):
    import time
    while not (here / "go").exists():
        time.sleep(0.05)
    print("went on")
    return {"value": 42}

@ct.electron(executor="awsbatch")
def wrong(here):
    import time
    while not (here / "go").exists():
        time.sleep(0.05)
    raise ValueError("not physical")

@ct.electron(executor="awsbatch")
def for_ever(here):
    import time
    while True:
        time.sleep(0.05)

@ct.lattice
def workflow(here):
    return at_once(), later(here), wrong(here), for_ever(here)

print(ct.dispatch(workflow)(here))
"""

AFTERWARDS = """
import json, pickle, sys
from pathlib import Path
import covalent as ct

old = ct.get_result(sys.argv[1])
saved = {int(p.name.split("-")[0]): pickle.loads(p.read_bytes())
         for p in Path(sys.argv[2]).glob("*.pkl")}
delivered = old.get_node_result(int(sys.argv[3]))["output"].get_deserialized()

@ct.electron(executor="awsbatch")
def rest(known):
    return [*known, "the rest"]

@ct.lattice
def workflow(known):
    return rest(known)

saved.pop(int(sys.argv[3]), None)
again = ct.dispatch(workflow)([delivered, *saved.values()])
print(json.dumps([str(old.status), ct.get_result(again, wait=True).result]))
"""


def run(server: CovalentServer, folder: Path, script: str, *arguments: str) -> str:
    """Run a script as a client of a server, and return the last line that it prints."""
    path = folder / "script.py"
    path.write_text(script)
    command = [sys.executable, str(path), *arguments]
    done = subprocess.run(
        command, env=server.environment, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stderr + server.log_file.read_text()
    return done.stdout.splitlines()[-1]


def node_of(server: CovalentServer, dispatch: str, function: str) -> dict[str, Any]:
    """Return a node as Covalent has it."""
    url = f"{server.url}/api/v1/dispatches/{dispatch}/graph"
    with urllib.request.urlopen(url) as response:
        nodes = json.load(response)["graph"]["nodes"]
    return next(node for node in nodes if node["name"] == function)


def test_what_jobs_returned_after_their_server_was_killed_is_saved(
    aws: Aws, command: CommandLine, tmp_path: Path
) -> None:
    home = command.home
    config = {**aws.options, "poll_freq": 0.5, "retry_attempts": 1}
    command.configure(config)
    environment = {"COVALENT_CONFIG_DIR": str(command.configuration.parent)}
    results = tmp_path / "results"
    with CovalentServer(home, environment=environment) as server:
        dispatch = run(server, tmp_path, WORKFLOW, str(tmp_path))

        def jobs() -> dict[str, dict[str, Any]]:
            found = command.here("jobs", dispatch, "--json")
            return {job["function"]: job for job in found.json()} if found.code == 0 else {}

        until(lambda: node_of(server, dispatch, "at_once")["status"], "COMPLETED".__eq__, 90)
        running = until(
            jobs, lambda found: len(found) == 4 and found["for_ever"]["status"] == "RUNNING", 90
        )
        assert "runs, and fetches results by itself" in command.here("recover", dispatch).out
        os.kill(int(running["later"]["server"].rpartition(":")[2]), signal.SIGKILL)
        port = server.port

    # Its jobs go on: they know nothing of the server.
    (tmp_path / "go").touch()
    until(jobs, lambda f: {f["later"]["status"], f["wrong"]["status"]} == {"SUCCEEDED", "FAILED"})

    listed = command("recover")
    assert re.search(rf"{dispatch}  [12] results? to save, 1 unfinished", listed.out), listed.text
    tasks = command.here("recover", dispatch, "--json").json()
    report = {task["function"]: task for task in tasks}
    states = {name: task["state"] for name, task in report.items()}
    # Objects of what was delivered are deleted a little later; the server may not have come to it.
    assert states.pop("at_once") in ("delivered", "returned")
    assert states == {
        "later": "returned",
        "wrong": "failed",
        "for_ever": "unfinished",
    }
    assert report["wrong"]["remark"] == "ValueError: not physical"

    saved = command("recover", dispatch, "--save", str(results))
    assert saved.code == 0, saved.text
    node = report["later"]["node"]
    assert pickle.loads((results / f"{node}-later.pkl").read_bytes()) == {"value": 42}
    names = {path.name.partition("-")[2] for path in results.iterdir()}
    assert {"later.pkl"} <= names <= {"later.pkl", "at_once.pkl"}
    whole = command("recover", dispatch, "--save", str(tmp_path / "whole"), "--transportable")
    assert whole.code == 0, whole.text
    from covalent._workflow.transportable_object import TransportableObject

    content = (tmp_path / "whole" / f"{node}-later.tobj").read_bytes()
    assert TransportableObject.deserialize(content).get_deserialized() == {"value": 42}

    reaped = command("reap", "--yes")
    assert "Ended 1 job." in reaped.out
    assert "covalent-awsbatch recover" in reaped.out
    until(jobs, lambda found: found["for_ever"]["status"] == "FAILED")
    watched = command("watch", dispatch)
    assert (watched.code, "no longer runs" in watched.err) == (1, True), watched.text

    assert toml.load(command.configuration)["executors"]["awsbatch"]["poll_freq"] == 0.5
    with CovalentServer(home, port, environment=environment) as server:
        first = str(node_of(server, dispatch, "at_once")["node_id"])
        line = run(server, tmp_path, AFTERWARDS, dispatch, str(results), first)
    assert json.loads(line) == ["RUNNING", ["at once", {"value": 42}, "the rest"]]
