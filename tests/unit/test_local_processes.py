"""Attempts as processes: kept apart from this process and from each other, and cleaned up."""

from __future__ import annotations

import queue
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

import pytest

from covalent_awsbatch_plugin.local.runners.processes import LINE_BYTES, ProcessRunner, split_lines
from covalent_awsbatch_plugin.local.runners.runner import (
    AttemptExit,
    AttemptNotStarted,
    AttemptSpec,
)


@pytest.fixture(scope="module")
def runner() -> Iterator[ProcessRunner]:
    made = ProcessRunner()
    yield made
    made.close()


def spec(
    *command: str, job_id: str = "job", environment: Mapping[str, str] | None = None
) -> AttemptSpec:
    return AttemptSpec(
        job_id=job_id,
        attempt=1,
        image="none",
        command=command,
        environment=environment or {},
        vcpus=1,
        memory_mib=64,
    )


def run(runner: ProcessRunner, *command: str) -> tuple[AttemptExit, list[bytes]]:
    lines: list[bytes] = []
    running = runner.start(spec(*command), lines.append)
    return running.wait(), lines


def alive(pid: int) -> bool:
    """Return whether a process runs; one that has ended may wait for its parent to look."""
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text().replace(")", " ", 1)
    except FileNotFoundError:
        return False


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not alive(pid)


def test_output_and_exit_code(runner: ProcessRunner) -> None:
    ended, lines = run(runner, "sh", "-c", "echo out; echo err >&2; exit 4")
    assert ended == AttemptExit(4)
    assert lines == [b"out", b"err"]


def test_python_is_this_one_with_its_packages(runner: ProcessRunner) -> None:
    program = "import sys, boto3, covalent; print(sys.version_info[:3], boto3.__version__)"
    for python in ("python", "python3"):
        ended, lines = run(runner, python, "-c", program)
        assert ended.exit_code == 0, lines
        expected = f"{tuple(sys.version_info[:3])} {metadata.version('boto3')}"
        assert lines[-1].decode() == expected


def test_pip_installs_for_the_attempt_alone(runner: ProcessRunner, tmp_path: Path) -> None:
    """Also where another version is there, which is shadowed and stays."""
    before = metadata.version("cloudpickle")
    wheel = make_wheel(tmp_path, "cloudpickle", "0.0.1")
    install = f"pip install --quiet --no-index --no-deps {wheel}"
    seen = "import cloudpickle, sys; print(cloudpickle.__version__)"
    ended, lines = run(
        runner, "sh", "-c", f'{install} && python -m {install} && python -c "{seen}"'
    )
    assert ended.exit_code == 0, lines
    assert lines[-1] == b"0.0.1"
    _, lines = run(runner, "python", "-c", seen)
    assert lines == [before.encode()]
    assert metadata.version("cloudpickle") == before


def make_wheel(folder: Path, name: str, version: str) -> Path:
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}/__init__.py", f"__version__ = {version!r}\n")
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return path


def test_an_environment_of_its_own_costs_less_than_starting_python(runner: ProcessRunner) -> None:
    own, python = [], []
    for _ in range(10):
        start = time.perf_counter()
        run(runner, "true")
        own.append(time.perf_counter() - start)
        subprocess.run([sys.executable, "-c", "import encodings, json, ssl"], check=True)
        python.append(time.perf_counter() - start - own[-1])
    # A virtual environment that is made the usual way takes fifty times as long.
    assert min(own) < 3 * min(python)


def test_home_and_temporary_folder_are_the_attempt_s_own_and_removed(
    runner: ProcessRunner,
) -> None:
    ended, lines = run(runner, "sh", "-c", "pwd; echo $HOME; echo $TMPDIR; mktemp; echo x > ~/y")
    assert ended.exit_code == 0
    here, home, temporary, made = (Path(line.decode()) for line in lines)
    assert here == home != Path.home()
    assert made.parent == temporary
    assert not home.parent.exists()


def test_the_environment_is_not_this_process_s(
    runner: ProcessRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_SECRET", "hush")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    _, lines = run(runner, "env")
    assert b"HTTPS_PROXY=http://127.0.0.1:9" in lines
    assert not [line for line in lines if b"hush" in line]


@pytest.mark.parametrize("parent", ["/tmp", "/tmp/" + 20 * "long"])
def test_sockets_can_be_made_in_the_temporary_folder(
    monkeypatch: pytest.MonkeyPatch, parent: str
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", parent)
    runner = ProcessRunner()
    program = "from multiprocessing import Manager; print(Manager().list([1, 2]))"
    ended, lines = run(runner, "python", "-c", program)
    assert ended.exit_code == 0, lines
    assert lines == [b"[1, 2]"]
    runner.close()


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_a_job_reaches_this_machine_without_a_proxy(
    runner: ProcessRunner, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "intranet.example")
    program = (
        "import requests.utils as u, urllib.request as r\n"
        "hosts = ['localhost', '127.0.0.1', 'intranet.example', 'example.com']\n"
        "urls = [f'http://{host}:80/' for host in hosts]\n"
        "print([bool(u.get_environ_proxies(url)) for url in urls])\n"
        "print([not r.proxy_bypass(host) for host in hosts])"
    )
    _, lines = run(runner, "python", "-c", program)
    assert lines == [b"[False, False, False, True]"] * 2


def test_no_such_program(runner: ProcessRunner) -> None:
    with pytest.raises(AttemptNotStarted, match=r"CannotStartContainerError.*'missing'"):
        runner.start(spec("missing"), print)
    with pytest.raises(AttemptNotStarted, match="no command"):
        runner.start(spec(), print)


def test_stopping_asks_then_kills_all_of_the_group(runner: ProcessRunner) -> None:
    lines: list[bytes] = []

    def stop_when_ready(line: bytes) -> None:
        lines.append(line)
        if line == b"ready":
            running.stop(2)
            running.stop(2)

    stubborn = "import os, signal, time\n"
    stubborn += "signal.signal(15, lambda *_: os.write(1, b'asked\\n'))\n"
    stubborn += "print('ready', flush=True)\nwhile True: time.sleep(1)"
    script = 'sleep 600 & echo $!; exec python -c "$0"'
    running = runner.start(spec("sh", "-c", script, stubborn), stop_when_ready)
    assert running.wait() == AttemptExit(137)
    assert lines[1:] == [b"ready", b"asked"]
    assert gone(int(lines[0]))


def test_stopping_at_the_moment_of_its_end(runner: ProcessRunner) -> None:
    ended = []
    for number in range(30):
        running = runner.start(spec("true"), lambda _: None)
        waiting = threading.Thread(target=lambda: ended.append(running.wait()), daemon=True)  # noqa: B023
        waiting.start()
        time.sleep(number / 5000)
        running.stop(grace=10)
        waiting.join(20)
        assert not waiting.is_alive(), "its end is seen"
    assert len(ended) == 30


def test_what_the_command_leaves_running_is_ended(runner: ProcessRunner) -> None:
    ended, [child] = run(runner, "sh", "-c", "sleep 600 & echo $!")
    assert ended.exit_code == 0
    assert gone(int(child))


def test_a_process_that_leaves_the_group_is_ended_too(runner: ProcessRunner) -> None:
    program = (
        "import os, time\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os.setsid()\n"
        "    time.sleep(600)\n"
        "print(child, flush=True)"
    )
    ended, [child] = run(runner, "python", "-c", program)
    assert ended.exit_code == 0
    assert gone(int(child))


def test_closing_ends_what_runs_and_removes_everything() -> None:
    runner = ProcessRunner()
    lines: queue.Queue[bytes] = queue.Queue()
    running = runner.start(spec("sh", "-c", "echo $$; pwd; exec sleep 600"), lines.put)
    ended: list[AttemptExit] = []
    waiting = threading.Thread(target=lambda: ended.append(running.wait()))
    waiting.start()
    pid, folder = int(lines.get(timeout=10)), Path(lines.get(timeout=10).decode())
    runner.close()
    waiting.join(10)
    assert ended == [AttemptExit(137)]
    assert gone(pid)
    assert not folder.exists()


def test_long_lines_come_in_pieces_and_nothing_is_lost() -> None:
    chunks = [b"x" * 100_000] * 9 + [b"\r\nshort\n\nrest"]
    lines = list(split_lines(iter(chunks)))
    assert lines[-3:] == [b"short", b"", b"rest"]
    assert max(map(len, lines)) < 2 * LINE_BYTES
    assert sum(map(len, lines[:-3])) == 900_000
