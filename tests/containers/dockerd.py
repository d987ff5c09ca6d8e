"""An engine for the tests: the one that answers, else one of our own where we may start it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import docker

from covalent_awsbatch_plugin.local.runners.engine import NoEngine, connect, unfit
from covalent_awsbatch_plugin.local.tracking.resource_tracker import (
    temporary_folder,
    track_command,
    track_file,
    track_group,
)

# Not HOME: that is the tests' own.
CACHE = Path(pwd.getpwuid(os.getuid()).pw_dir) / ".cache" / "covalent-awsbatch-tests"

# How long another package manager may take.
LOCK_LIMIT = 300
LOCK_POLL = 0.5
LOCKED = "Could not get lock"

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
    if not can_start():
        raise NoEngine(f"{reason} Starting one takes Linux and root.")
    program = shutil.which("dockerd") or install()
    before = os.environ.get("DOCKER_HOST")
    with contextlib.ExitStack() as parts:
        parts.enter_context(one_at_a_time())
        folder = parts.enter_context(temporary_folder("covalent-engine-"))
        os.environ["DOCKER_HOST"] = parts.enter_context(daemon(program, folder))
        parts.callback(restore, "DOCKER_HOST", before)
        yield parts.enter_context(contextlib.closing(connect()))


def can_start() -> bool:
    """Return whether we may start an engine."""
    return sys.platform == "linux" and os.getuid() == 0


def restore(name: str, value: str | None) -> None:
    """Give an environment variable back the value that it had."""
    os.environ.pop(name)
    if value is not None:
        os.environ[name] = value


def install() -> str:
    """Install an engine from Debian's packages, without starting its service."""
    if not shutil.which("apt-get"):
        raise NoEngine("There is no dockerd here, and no apt-get to install it with.")
    with no_services():
        apt_get("update")
        apt_get("install", "-y", "--no-install-recommends", "docker.io")
    program = shutil.which("dockerd")
    if program is None:
        raise NoEngine("Debian's docker.io is installed, but has no dockerd.")
    return program


def apt_get(*arguments: str) -> None:
    """Run apt-get once no other package manager runs.

    apt-get waits for dpkg's lock by itself, but not for those of its lists and its archives.
    """
    command = ["apt-get", "-o", f"DPkg::Lock::Timeout={LOCK_LIMIT}", *arguments]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    deadline = time.monotonic() + LOCK_LIMIT
    while True:
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if LOCKED not in done.stderr or time.monotonic() > deadline:
            break
        time.sleep(LOCK_POLL)
    if done.returncode:
        raise NoEngine(f"'apt-get {' '.join(arguments)}' failed: {done.stderr.strip()[-500:]}")


@contextlib.contextmanager
def no_services() -> Iterator[None]:
    """Keep Debian from starting the services of what is installed meanwhile."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield
        return
    untrack = track_file(policy)
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()
        untrack()


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
            start_new_session=True,
        )
    with contextlib.ExitStack() as untrack:
        untrack.callback(track_command(*unmounting(folder, CACHE / "engine")))
        untrack.callback(track_group(process.pid, STOP_LIMIT))
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


def unmounting(*folders: Path) -> tuple[list[str], dict[str, str]]:
    """Return a command that unmounts, and its environment."""
    code = f"import pathlib, sys; from {__name__} import unmount; "
    code += "unmount(*map(pathlib.Path, sys.argv[1:]))"
    command = [sys.executable, "-c", code, *map(str, folders)]
    return command, {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


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
