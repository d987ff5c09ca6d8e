"""An engine for the tests: the one that answers, else one of our own where we may start it."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import docker

from covalent_awsbatch_plugin.local.runners.engine import NoEngine, connect, unfit

# Not HOME: that is the tests' own.
CACHE = Path(pwd.getpwuid(os.getuid()).pw_dir) / ".cache" / "covalent-awsbatch-tests"

START_LIMIT = 60.0
STOP_LIMIT = 60.0

# Jobs use the host's network, so no bridge is needed, and nothing of the host's is changed.
ISOLATION = (
    "--bridge=none",
    "--iptables=false",
    "--ip6tables=false",
    "--ip-forward=false",
    "--ip-masq=false",
)


@contextlib.contextmanager
def engine() -> Iterator[docker.DockerClient]:
    """An engine, for as long as the context lasts; DOCKER_HOST then leads to it.

    Raises:
        NoEngine: There is none and none can be started; the text explains why.
    """
    try:
        client = connect()
    except NoEngine as error:
        with own_engine(str(error)) as client:
            yield client
        return
    with contextlib.closing(client):
        if problem := unfit(client.info()):
            raise NoEngine(f"The engine that answers is of no use: {problem}.")
        yield client


@contextlib.contextmanager
def own_engine(reason: str) -> Iterator[docker.DockerClient]:
    """Our own engine; its images stay in the cache for the next run."""
    if sys.platform != "linux" or os.getuid():
        raise NoEngine(f"{reason} Starting one takes Linux and root.")
    program = shutil.which("dockerd") or install()
    before = os.environ.get("DOCKER_HOST")
    with contextlib.ExitStack() as parts:
        parts.enter_context(one_at_a_time())
        folder = parts.enter_context(tempfile.TemporaryDirectory(prefix="covalent-engine-"))
        os.environ["DOCKER_HOST"] = parts.enter_context(daemon(program, Path(folder)))
        parts.callback(restore, "DOCKER_HOST", before)
        yield parts.enter_context(contextlib.closing(connect()))


def restore(name: str, value: str | None) -> None:
    """Give an environment variable back the value that it had."""
    os.environ.pop(name)
    if value is not None:
        os.environ[name] = value


def install() -> str:
    """Install an engine from Debian's packages, without starting its service."""
    if not shutil.which("apt-get"):
        raise NoEngine("There is no dockerd here, and no apt-get to install it with.")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "-y", "--no-install-recommends", "docker.io"]
    with no_services():
        for step in (["apt-get", "update"], command):
            done = subprocess.run(step, env=environment, capture_output=True, text=True)
            if done.returncode:
                raise NoEngine(f"'{' '.join(step)}' failed: {done.stderr.strip()[-500:]}")
    program = shutil.which("dockerd")
    if program is None:
        raise NoEngine("Debian's docker.io is installed, but has no dockerd.")
    return program


@contextlib.contextmanager
def no_services() -> Iterator[None]:
    """Keep Debian from starting the services of what is installed meanwhile."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Wait for another run of these tests: two engines cannot share a data root."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def daemon(program: str, folder: Path) -> Iterator[str]:
    """Run dockerd with every folder of its own; yields its address.

    Its socket and state are in a short path: a socket's may have 107 bytes.
    """
    (folder / "config.json").write_text("{}")
    address = f"unix://{folder}/sock"
    command = [program, *ISOLATION, "--host", address]
    command += ["--config-file", str(folder / "config.json"), "--pidfile", str(folder / "pid")]
    command += ["--exec-root", str(folder / "run"), "--data-root", str(CACHE / "engine")]
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=end_with_us,  # noqa: PLW1509 - no other thread runs yet
        )
    try:
        wait_for(process, address, log)
        yield address
    finally:
        process.terminate()
        process.wait(STOP_LIMIT)
        unmount(folder, CACHE / "engine")


def unmount(*folders: Path) -> None:
    """Unmount what an engine that has ended left mounted: the host's network's namespace."""
    mounts = [Path(line.split()[1]) for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in reversed(mounts):
        if any(mount.is_relative_to(folder) for folder in folders):
            subprocess.run(["umount", str(mount)], check=True)


def end_with_us() -> None:
    """Have the kernel end this process, in its own session, when its parent ends."""
    os.setsid()
    parent_death_signal = 1
    ctypes.CDLL(None).prctl(parent_death_signal, signal.SIGTERM)


def wait_for(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    """Return once the engine answers."""
    deadline = time.monotonic() + START_LIMIT
    while not answers(address):
        if process.poll() is not None or time.monotonic() > deadline:
            raise NoEngine(f"dockerd did not start. Its log ends:\n{log.read_text()[-2000:]}")
        time.sleep(0.05)


def answers(address: str) -> bool:
    try:
        with contextlib.closing(docker.DockerClient(address)) as client:
            return bool(client.ping())
    except (docker.errors.DockerException, OSError):
        return False
