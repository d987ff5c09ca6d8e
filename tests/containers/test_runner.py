"""What becomes of a job definition's container properties, and what is left behind."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import docker
import pytest

from covalent_awsbatch_plugin.local.runners.containers import ContainerRunner
from covalent_awsbatch_plugin.local.runners.engine import NoEngine, connect, engine_answers, unfit
from covalent_awsbatch_plugin.local.runners.runner import (
    AttemptExit,
    AttemptNotStarted,
    AttemptSpec,
)
from tests.pythons import Python

from .images import Images

OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
FILL_MEMORY = "held = [bytearray(b'x') * 10**7 for _ in range(1000)]"


@pytest.fixture
def runner(engine: docker.DockerClient) -> Iterator[ContainerRunner]:
    running = ContainerRunner()
    yield running
    running.close()


@pytest.fixture
def spec(images: Images, ours: Python) -> Callable[..., AttemptSpec]:
    image = images.bare(ours)

    def make(*command: str, **fields: Any) -> AttemptSpec:
        defaults: dict[str, Any] = {"job_id": "job", "attempt": 1, "image": image}
        defaults |= {"environment": {}, "vcpus": 1, "memory_mib": 256}
        return AttemptSpec(command=command, **{**defaults, **fields})

    return make


@pytest.fixture
def run(runner: ContainerRunner, spec: Callable[..., AttemptSpec]) -> Callable[..., Any]:
    """Runs a command; returns how it ended, and its output as one text."""

    def attempt(*command: str, **fields: Any) -> tuple[AttemptExit, str]:
        output: list[bytes] = []
        end = runner.start(spec(*command, **fields), output.append).wait()
        return end, b"\n".join(output).decode()

    return attempt


def shell(run: Callable[..., Any], command: str, **properties: Any) -> str:
    end, output = run("sh", "-c", command, container_properties=properties)
    assert end == AttemptExit(0), output
    return output


def test_command_and_environment(run):
    end, output = run("sh", "-c", 'echo "$NAME"; echo error >&2', environment={"NAME": "a b"})
    assert end == AttemptExit(0)
    assert sorted(output.split("\n")) == ["a b", "error"]


def test_exit_code(run):
    assert run("sh", "-c", "exit 7")[0] == AttemptExit(7)


def test_lines_come_while_it_runs(runner, spec):
    lines: list[bytes] = []
    first = threading.Event()

    def on_line(line: bytes) -> None:
        lines.append(line)
        first.set()

    attempt = runner.start(spec("sh", "-c", "echo started; sleep 600"), on_line)
    assert first.wait(30)
    attempt.stop(grace=0)
    assert attempt.wait().exit_code == 137
    assert lines == [b"started"]


def test_the_end_of_an_unfinished_line_is_not_lost(runner, spec):
    size = 1_000_000
    unfinished = spec("sh", "-c", f"head -c {size} /dev/zero | tr '\\0' x", memory_mib=64)
    outputs: list[list[bytes]] = [[] for _ in range(20)]
    attempts = [runner.start(unfinished, output.append) for output in outputs]
    assert [attempt.wait() for attempt in attempts] == [AttemptExit(0)] * 20
    assert [sum(map(len, output)) for output in outputs] == [size] * 20


def test_lines_of_the_two_streams_are_not_mixed(run):
    command = "for _ in 1 2 3 4 5 6 7 8 9; do printf a; printf b >&2; done"
    for _ in range(5):
        assert sorted(shell(run, command).split("\n")) == ["a" * 9, "b" * 9]


def test_silence_longer_than_the_engine_s_time_to_answer_loses_nothing(engine, spec):
    lines: list[bytes] = []
    runner = ContainerRunner(connect(timeout=1))
    with contextlib.closing(runner):
        end = runner.start(spec("sh", "-c", "sleep 3; echo late"), lines.append).wait()
    assert (end, lines) == (AttemptExit(0), [b"late"])


def test_over_its_memory_it_is_killed(run):
    end, _ = run("python", "-c", FILL_MEMORY, memory_mib=64)
    assert end == AttemptExit(137, OUT_OF_MEMORY)


def test_within_its_memory_it_is_not(run):
    end, output = run("python", "-c", "held = bytearray(b'x') * 10**8; print(len(held))")
    assert (end, output) == (AttemptExit(0), "100000000")


def test_vcpus_are_a_limit(engine, runner, spec):
    attempt = runner.start(spec("sleep", "600", vcpus=1), print)
    [container] = engine.containers.list(filters={"label": "covalent-awsbatch.job=job"})
    assert container.attrs["HostConfig"]["NanoCpus"] == 10**9
    attempt.stop(grace=0)
    attempt.wait()


def test_more_vcpus_than_there_are(run):
    assert run("sh", "-c", "exit 0", vcpus=4096)[0] == AttemptExit(0)


def test_stop_asks_first(runner, spec):
    ready = threading.Event()
    command = "trap 'echo asked; exit 3' TERM; echo ready; while :; do sleep 0.1; done"
    lines: list[bytes] = []

    def on_line(line: bytes) -> None:
        lines.append(line)
        ready.set()

    attempt = runner.start(spec("sh", "-c", command), on_line)
    assert ready.wait(30)
    attempt.stop(grace=60)
    attempt.stop(grace=60)
    assert attempt.wait() == AttemptExit(3)
    assert lines == [b"ready", b"asked"]


def test_stop_does_not_wait(runner, spec):
    attempt = runner.start(spec("sleep", "600"), print)
    began = time.monotonic()
    attempt.stop(grace=2)
    assert time.monotonic() - began < 1
    assert attempt.wait().exit_code == 137


def test_user(run):
    assert shell(run, "id -u; id -g", user="1234:77") == "1234\n77"


def test_read_only_root_and_tmpfs(run):
    tmpfs = {"containerPath": "/tmp", "size": 8, "mountOptions": ["noexec"]}
    command = "echo kept > /tmp/file && cat /tmp/file; (echo lost > /file) 2>/dev/null || echo no"
    output = shell(run, command, readonlyRootFilesystem=True, linuxParameters={"tmpfs": [tmpfs]})
    assert output == "kept\nno"
    mounts = shell(run, "cat /proc/mounts", linuxParameters={"tmpfs": [tmpfs]})
    [line] = [line for line in mounts.split("\n") if line.split()[1] == "/tmp"]
    assert "noexec" in line
    assert "size=8192k" in line


def test_shared_memory(run):
    mounts = shell(run, "cat /proc/mounts", linuxParameters={"sharedMemorySize": 96})
    [line] = [line for line in mounts.split("\n") if line.split()[1] == "/dev/shm"]
    assert f"size={96 * 1024}k" in line


def test_volumes(run, tmp_path):
    (tmp_path / "given").write_text("from the host")
    properties = {
        "volumes": [{"name": "data", "host": {"sourcePath": str(tmp_path)}}, {"name": "own"}],
        "mountPoints": [
            {"sourceVolume": "data", "containerPath": "/data"},
            {"sourceVolume": "data", "containerPath": "/fixed", "readOnly": True},
            {"sourceVolume": "own", "containerPath": "/own"},
        ],
    }
    command = "cat /data/given; echo back > /data/taken; echo own > /own/file; cat /own/file; "
    command += "(echo lost > /fixed/lost) 2>/dev/null || echo no"
    assert shell(run, command, **properties) == "from the hostown\nno"
    assert (tmp_path / "taken").read_text() == "back\n"
    assert not (tmp_path / "lost").exists()


def test_limits_and_init(run):
    limit = {"name": "nofile", "softLimit": 100, "hardLimit": 200}
    assert shell(run, "ulimit -Sn; ulimit -Hn", ulimits=[limit]) == "100\n200"
    command = "cat /proc/1/comm"
    assert shell(run, command, linuxParameters={"initProcessEnabled": True}) != "cat"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"gpus": 1}, "has no GPUs"),
        ({"image": "127.0.0.1:1/nothing:1"}, "CannotPullContainerError: "),
        ({"image": "Not A Name"}, "CannotPullContainerError: "),
        ({"command": ("no-such-program",)}, "CannotStartContainerError: .*no-such-program"),
        (
            {"container_properties": {"mountPoints": [{"sourceVolume": "x"}]}},
            "CannotCreateVolumeError: ",
        ),
        (
            {
                "container_properties": {
                    "volumes": [{"name": "x", "efsVolumeConfiguration": {"fileSystemId": "fs-1"}}],
                    "mountPoints": [{"sourceVolume": "x", "containerPath": "/x"}],
                }
            },
            "has no EFS",
        ),
    ],
    ids=["gpu", "no such image", "no image's name", "no such program", "no volume", "efs"],
)
def test_what_cannot_start_says_why(engine, runner, spec, fields, reason):
    before = engine.containers.list(all=True)
    refused = {**vars(spec("true")), **fields}
    with pytest.raises(AttemptNotStarted, match=reason):
        runner.start(AttemptSpec(**refused), print)
    assert engine.containers.list(all=True) == before


def test_close_leaves_nothing(engine, spec):
    runner = ContainerRunner()
    properties = {
        "volumes": [{"name": "own"}],
        "mountPoints": [{"sourceVolume": "own", "containerPath": "/own"}],
    }
    containers, volumes = engine.containers.list(all=True), engine.volumes.list()
    attempts = [
        runner.start(spec("sleep", "600", container_properties=properties), print)
        for _ in range(3)
    ]
    assert len(engine.containers.list()) == len(containers) + 3
    runner.close()
    assert [attempt.wait().exit_code for attempt in attempts] == [137] * 3
    assert engine.containers.list(all=True) == containers
    assert engine.volumes.list() == volumes


def test_an_engine_is_found(engine):
    assert engine_answers()
    with contextlib.closing(connect()) as client:
        assert unfit(client.info()) == ""


def test_an_engine_elsewhere_is_of_no_use(engine):
    info = engine.info()
    assert "another machine" in unfit({**info, "KernelVersion": "6.0.0-linuxkit"})
    assert "without root" in unfit({**info, "SecurityOptions": ["name=rootless"]})


def test_no_engine(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/absent.sock")
    assert not engine_answers()
    with pytest.raises(NoEngine, match=r"absent\.sock"):
        ContainerRunner()
