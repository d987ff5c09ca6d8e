"""The engine of these tests: installed with patience, ended whichever way the tests end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from covalent_awsbatch_plugin.local.runners.containers import JOB_LABEL
from covalent_awsbatch_plugin.local.runners.engine import NoEngine
from tests.remains import mounts, processes, remains, start, temporary_files
from tests.waiting import wait_until

from . import dockerd
from .images import Images

ROOT = Path(__file__).parents[2]

SIGNALS = pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name
)

# Locked twice, as while another package manager runs; then it notes how it was called.
APT_GET = """#!/bin/sh
echo x >> "$0.calls"
if [ $(grep -c x "$0.calls") -le 2 ]; then
    echo "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 1" >&2
    exit 100
fi
echo "$@" > "$0.arguments"
"""

# A container that uses the host's network has the engine mount the network's namespace.
ENGINE = """
import sys, time
from pathlib import Path
from tests.containers import dockerd

dockerd.CACHE = Path(sys.argv[1])
with dockerd.own_engine("") as client:
    from tests.containers.images import Images

    image = Images(client).without_python()
    client.containers.run(
        image, ["sleep", "600"], network_mode="host", detach=True, stop_signal="SIGKILL"
    )
    print("ready", flush=True)
    time.sleep(600)
"""


# A job of an image, until the process is killed.
JOB = """
import sys, time
from covalent_awsbatch_plugin.local import LocalAws

with LocalAws(runner="containers") as aws:
    batch, queue = aws.client("batch"), aws.executor_options()["batch_queue"]
    needed = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "64"}]
    container = {"image": sys.argv[1], "command": ["sleep", "600"], "resourceRequirements": needed}
    batch.register_job_definition(
        jobDefinitionName="d", type="container", containerProperties=container
    )
    job = batch.submit_job(jobName="j", jobQueue=queue, jobDefinition="d")["jobId"]
    while batch.describe_jobs(jobs=[job])["jobs"][0]["status"] != "RUNNING":
        time.sleep(0.1)
    print(job, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    return tmp_path


def add(path: Path, content: str) -> None:
    path.write_text(content)
    path.chmod(0o755)


def test_a_locked_package_manager_is_waited_for(programs: Path) -> None:
    add(programs / "apt-get", APT_GET)
    dockerd.apt_get("install", "something")
    arguments = (programs / "apt-get.arguments").read_text().split()
    assert arguments[-2:] == ["install", "something"]
    assert "DPkg::Lock::Timeout=300" in arguments


def test_a_package_manager_that_fails_is_no_engine(programs: Path) -> None:
    add(programs / "apt-get", "#!/bin/sh\necho 'E: no such package' >&2; exit 100\n")
    with pytest.raises(NoEngine, match="'apt-get install x' failed: E: no such package"):
        dockerd.apt_get("install", "x")


@pytest.mark.parametrize(("ci", "code"), [("true", 1), ("", 5)])
def test_a_run_without_an_engine_does_not_pass(tmp_path: Path, ci: str, code: int) -> None:
    nothing = {"PATH": str(tmp_path), "DOCKER_HOST": f"unix://{tmp_path}/none", "CI": ci}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "tests/containers/test_runner.py",
        ],
        cwd=ROOT,
        env={**os.environ, **nothing},
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stdout
    assert "no apt-get to install it with" in done.stdout


@pytest.fixture
def folder() -> Iterator[Path]:
    with temporary_files() as made:
        yield made


@SIGNALS
def test_an_engine_ends_with_its_process(
    engine: docker.DockerClient, folder: Path, number: int
) -> None:
    if not dockerd.can_start():
        pytest.skip("an engine of one's own takes Linux and root")
    cache = folder / "cache"
    process = start(folder, "-c", ENGINE, str(cache), environment={"PYTHONPATH": str(ROOT)})
    assert process.stdout
    assert "ready\n" in process.stdout
    assert mounts(folder)
    process.send_signal(number)
    with process:
        process.wait(60)
    wait_until(lambda: not processes(folder) and not mounts(folder))
    assert list(folder.iterdir()) == [cache]


@SIGNALS
def test_containers_end_with_the_process_of_the_local_aws(
    engine: docker.DockerClient, images: Images, folder: Path, number: int
) -> None:
    process = start(folder, "-c", JOB, images.without_python())
    assert process.stdout
    job = process.stdout.readline().strip()
    filters = {"label": f"{JOB_LABEL}={job}"}
    assert engine.containers.list(filters=filters)
    process.send_signal(number)
    with process:
        process.wait(60)
    wait_until(lambda: not remains(folder))
    assert not engine.containers.list(all=True, filters=filters, ignore_removed=True)
