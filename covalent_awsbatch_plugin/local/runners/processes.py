"""Runs attempts as processes of this machine."""

from __future__ import annotations

import contextlib
import itertools
import os
import selectors
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, cast

from ..loopback import direct_environment
from ..tracking.orphans import end_orphans
from ..tracking.resource_tracker import temporary_folder, track_group
from .packages import link_packages
from .pythons import SYSTEM_PATH, make_python
from .runner import AttemptExit, AttemptNotStarted, AttemptSpec
from .signals import reaches

OnLine = Callable[[bytes], None]

# A longer line is handed on in pieces, so that output without line ends costs no memory.
LINE_BYTES = 256 * 1024
READ_BYTES = 64 * 1024

# The path of a socket has 107 bytes at most (on macOS 103): 30 of ours until an attempt's TMPDIR,
# and 32 of multiprocessing's in it.
FOLDER_LENGTH = 40
SHORT_FOLDER = "/tmp"  # noqa: S108 - a folder with a random name is made in it

# A signal N ends a process as exit code 128 + N, as Docker reports it.
SIGNALLED = 128

# How this machine reaches package indexes and the network; a job is on the same machine.
NETWORK = ("PIP_", "SSL_CERT_", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


class ProcessRunner:
    """Runs each attempt as a process group with folders and a Python environment of its own.

    The image, and limits of memory and vCPUs, are not looked at. The command is run as it is;
    ``python`` and ``pip`` in it are those of the attempt's environment, which has what the worker
    needs and nothing else. The job sees its own variables, a path and a home, and nothing of this
    process's environment but how to reach the network.

    A job runs with the rights of the user who started the local AWS: it is kept apart so that
    nothing goes wrong by accident, not to withstand malice.
    """

    name = "processes"

    def __init__(self) -> None:
        self._parts = ExitStack()
        parent = short_folder(tempfile.gettempdir())
        root = temporary_folder("awsbatch-", parent, processes=True)
        self._root = self._parts.enter_context(root)
        self._attempts = itertools.count(1)
        self._packages = link_packages(self._root / "packages")
        # What one attempt has downloaded, the next does not.
        self._cache = self._root / "pip-cache"
        self._open: set[RunningProcess] = set()

    def start(self, spec: AttemptSpec, on_line: OnLine) -> RunningProcess:
        """Start an attempt.

        Raises:
            AttemptNotStarted: There is no such program.
        """
        # Not named after the job, whose id is long.
        folder = self._root / str(next(self._attempts))
        environment = {**self._environment(folder), **spec.environment}
        try:
            process = _launch(spec, folder, environment)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise AttemptNotStarted(
                "CannotStartContainerError: Error response from daemon: failed to create task for "
                f"container: {error.strerror}: {spec.command[0] if spec.command else ''!r}"
            ) from error
        linux = spec.container_properties.get("linuxParameters") or {}
        has_init = bool(linux.get("initProcessEnabled"))
        running = RunningProcess(process, folder, on_line, self._open.discard, has_init)
        self._open.add(running)
        return running

    def _environment(self, folder: Path) -> dict[str, str]:
        programs = make_python(folder / "python", self._packages)
        for name in ("home", "tmp"):
            (folder / name).mkdir(mode=0o700)
        return {
            **_network(),
            "PATH": f"{programs}:{SYSTEM_PATH}",
            "LANG": "C.UTF-8",
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder / "tmp"),
            "VIRTUAL_ENV": str(folder / "python"),
            "PIP_CACHE_DIR": str(self._cache),
        }

    def close(self) -> None:
        """Kill what still runs and remove every file."""
        for running in list(self._open):
            running.kill()
        self._parts.close()


def short_folder(usual: str) -> str:
    """Return the folder for temporary files, or /tmp if sockets could not be made in it."""
    usable = len(usual) <= FOLDER_LENGTH or not os.access(SHORT_FOLDER, os.W_OK)
    return usual if usable else SHORT_FOLDER


def _network() -> dict[str, str]:
    network = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(NETWORK) or name.lower() in PROXIES
    }
    return direct_environment(network)


def _launch(
    spec: AttemptSpec, folder: Path, environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    if not spec.command:
        raise FileNotFoundError(2, "no command specified")
    return subprocess.Popen(  # noqa: S603 - running a job's command is what this is for
        spec.command,
        env=environment,
        cwd=folder / "home",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        bufsize=0,
    )


class RunningProcess:
    """An attempt that runs as a process group."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        folder: Path,
        on_line: OnLine,
        on_end: Callable[[RunningProcess], None],
        has_init: bool = False,
    ) -> None:
        self._process = process
        self._folder = folder
        self._on_line = on_line
        self._on_end = on_end
        self._has_init = has_init
        self._lock = threading.Lock()
        self._ended = False
        self._killer: threading.Timer | None = None
        self._untrack = track_group(process.pid)
        self._ends, self._ended_signal = os.pipe()
        threading.Thread(target=self._watch, daemon=True, name=folder.name).start()

    def _watch(self) -> None:
        """Wait for the command's end, and end what it left running, as a container's end does."""
        if hasattr(os, "waitid"):
            # Not reaped yet, so that the group's id is still its own.
            os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        else:
            # macOS.
            self._process.wait()
        with self._lock:
            self._kill_group()
            self._ended = True
            self._untrack()
            self._process.wait()
            if self._killer:
                self._killer.cancel()
        os.close(self._ended_signal)

    def wait(self) -> AttemptExit:
        """Hand on the output until the attempt has ended, then remove its files."""
        for line in split_lines(self._output()):
            self._on_line(line)
        code = self._process.wait()
        end_orphans(self._folder)
        shutil.rmtree(self._folder, ignore_errors=True)
        self._on_end(self)
        return AttemptExit(code if code >= 0 else SIGNALLED - code)

    def _output(self) -> Iterator[bytes]:
        """Yield output until the process has ended and what it wrote was read.

        The end of the output alone is not enough: a process that left the group may hold it open.
        """
        pipe, ended = cast(IO[bytes], self._process.stdout), False
        stdout = pipe.fileno()
        os.set_blocking(stdout, False)
        with selectors.DefaultSelector() as selector, pipe:
            selector.register(stdout, selectors.EVENT_READ)
            selector.register(self._ends, selectors.EVENT_READ)
            while True:
                ready = {key.fd for key, _ in selector.select(0 if ended else None)}
                if self._ends in ready and not ended:
                    ended = True
                    selector.unregister(self._ends)
                if stdout in ready:
                    data = os.read(stdout, READ_BYTES)
                    if not data:
                        selector.unregister(stdout)
                    yield data
                elif ended:
                    break
        os.close(self._ends)

    def stop(self, grace: float) -> None:
        """Ask the attempt to end, and end it after ``grace`` seconds; at once where that is 0."""
        if not grace:
            self.kill()
        with self._lock:
            if self._ended or self._killer is not None:
                return
            # As Docker does: to the first process alone.
            # Not by Popen.send_signal, which may reap it before ``_watch`` has seen its end.
            if reaches(self._process.pid, signal.SIGTERM, self._has_init):
                os.kill(self._process.pid, signal.SIGTERM)
            self._killer = threading.Timer(grace, self.kill)
            self._killer.daemon = True
            self._killer.start()

    def kill(self) -> None:
        """End the attempt."""
        with self._lock:
            if not self._ended:
                self._kill_group()

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)


def split_lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the lines of output that comes in chunks, without their ends, in pieces if long."""
    rest = b""
    for chunk in chunks:
        lines, rest = cut_lines(rest + chunk)
        yield from lines
    if rest:
        yield rest


def cut_lines(output: bytes) -> tuple[list[bytes], bytes]:
    """Return the whole lines, without their ends, and the rest, which is a line if it is long."""
    *lines, rest = output.split(b"\n")
    lines = [line.rstrip(b"\r") for line in lines]
    return (lines, rest) if len(rest) < LINE_BYTES else ([*lines, rest], b"")
