"""What a process made is cleaned up when it ends without doing so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import wait_until

HEAD = """
import os, signal, sys, time
from pathlib import Path
from covalent_awsbatch_plugin.local.tracking.resource_tracker import *

path = Path(sys.argv[1])
"""
KILL = "os.kill(os.getpid(), signal.SIGKILL)"


def run(path: Path, program: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", HEAD + program, str(path)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60)


def test_without_anything_tracked_there_is_no_process(tmp_path: Path) -> None:
    program = """
with temporary_folder("t-", sys.argv[1]) as folder:
    print(len(list(path.iterdir())))
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("alone")
"""
    assert run(tmp_path, program).stdout.split() == ["1", "alone"]
    assert not list(tmp_path.iterdir())


def test_also_while_a_forked_process_runs_on(tmp_path: Path) -> None:
    """It has the pipe too, and would keep it open."""
    folder = tmp_path / "folder"
    folder.mkdir()
    program = f"""
untrack = track_folder(path)
child = os.fork()
if child == 0:
    untrack()
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    os.dup2(devnull, 2)
    time.sleep(600)
print(child, flush=True)
{KILL}
"""
    child = int(run(folder, program).stdout)
    wait_until(lambda: not folder.exists())
    stop = [sys.executable, "-c", f"import os; os.kill({child}, 9)"]
    assert subprocess.run(stop).returncode == 0, "the forked process was ended"


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize("processes", [True, False])
def test_processes_end_with_a_folder_only_where_that_was_asked_for(
    tmp_path: Path, processes: bool
) -> None:
    """A user's shell may have exported the path of a folder with credentials."""
    folder = tmp_path / "folder"
    folder.mkdir()
    program = f"track_folder(path, {processes}); {KILL}"
    exported = {**os.environ, "AWS_SHARED_CREDENTIALS_FILE": str(folder / "credentials")}
    with subprocess.Popen(["sleep", "600"], env=exported) as sleep:
        run(folder, program)
        wait_until(lambda: not folder.exists())
        if processes:
            wait_until(lambda: sleep.poll() is not None)
        assert (sleep.poll() is not None) == processes
        sleep.kill()


def test_the_last_is_cleaned_up_first_and_a_failure_stops_nothing(tmp_path: Path) -> None:
    log = tmp_path / "log"
    program = f"""
append = ["sh", "-c", 'echo $WHAT >> "$0"', str(path)]
track_command(append, {{"WHAT": "first"}})
track_command(["false"], {{}})
track_command(append, {{"WHAT": "done"}})()
track_command(append, {{"WHAT": "last"}})
{KILL}
"""
    assert run(log, program).returncode == -9
    wait_until(lambda: log.exists() and log.read_text().split() == ["last", "first"])


def test_a_group_has_time_to_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    program = f"""
import subprocess
script = 'trap "echo asked > $0; exit" TERM; echo ready; while true; do sleep 0.1; done'
command = ["sh", "-c", script, str(path)]
process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE)
process.stdout.readline()
track_group(process.pid, 30)
{KILL}
"""
    run(log, program)
    wait_until(lambda: log.exists() and log.read_text() == "asked\n")


def test_a_process_that_ends_as_usual_waits_for_the_clean_up(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    assert run(folder, "track_folder(path)").returncode == 0
    assert not folder.exists()
