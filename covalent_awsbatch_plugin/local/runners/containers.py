"""Attempts as containers of a Docker engine, as they are on AWS."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import sys
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import docker
import requests
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.types import CancellableStream, LogConfig

from ..tracking.resource_tracker import track_command
from .container_options import container_options
from .engine import NoEngine, connect, engine_answers, unfit
from .processes import cut_lines
from .runner import AttemptExit, AttemptNotStarted, AttemptSpec

__all__ = ["ContainerRunner", "NoEngine", "engine_answers"]

log = logging.getLogger(__name__)

RUN_LABEL = "covalent-awsbatch.local"
JOB_LABEL = "covalent-awsbatch.job"

OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
KILLED = 137

# What the SDK raises where the engine refuses, or does not answer.
ENGINE_ERRORS = (DockerException, requests.RequestException)


class ContainerRunner:
    """Runs attempts as containers; an implementation of ``runner.Runner``.

    Containers use the host's network, since the local AWS listens on 127.0.0.1 only.

    Args:
        client: The engine; by default the one that ``engine.connect`` finds.

    Raises:
        NoEngine: There is none, or its containers could not reach the local AWS.
    """

    name = "containers"

    def __init__(self, client: docker.DockerClient | None = None) -> None:
        self._client = client or connect()
        info = self._client.info()
        if problem := unfit(info):
            raise NoEngine(f"The container engine cannot reach the local AWS: {problem}.")
        self._cpus: int = info["NCPU"]
        self._run = uuid.uuid4().hex
        end = f"from {__name__} import end_run; end_run({self._run!r})"
        self._untrack = track_command([sys.executable, "-c", end], engine_environment())
        self._pulling = threading.Lock()
        self._closed = False

    def start(self, spec: AttemptSpec, on_line: Callable[[bytes], None]) -> ContainerAttempt:
        """Start an attempt; its image is pulled unless the engine has it.

        Raises:
            AttemptNotStarted: The image cannot be had, or the container cannot be made.
        """
        if spec.gpus:
            raise AttemptNotStarted(
                "CannotStartContainerError: the local AWS has no GPUs; set num_gpus=0 to run "
                "the job here"
            )
        labels = {RUN_LABEL: self._run, JOB_LABEL: spec.job_id}
        options = container_options(spec, self._cpus, labels)
        # The output is taken as it comes, so the engine need not keep it.
        options["log_config"] = LogConfig(type=LogConfig.types.NONE)
        self._ensure_image(spec.image)
        try:
            container = self._client.containers.create(**options)
        except ENGINE_ERRORS as error:
            raise AttemptNotStarted(f"CannotCreateContainerError: {_words(error)}") from error
        if self._closed:
            _remove(container)
            raise AttemptNotStarted("CannotStartContainerError: the local AWS stops")
        try:
            # Before the start, so that nothing is missed. Following the engine's log instead
            # loses its last unfinished line: in 115 of 150 containers of Docker 20.10.24.
            output = container.attach(stream=True, demux=True)
            container.start()
        except ENGINE_ERRORS as error:
            _remove(container)
            raise AttemptNotStarted(f"CannotStartContainerError: {_words(error)}") from error
        return ContainerAttempt(container, output, on_line)

    def _ensure_image(self, image: str) -> None:
        # A hundred jobs that start together pull once.
        with self._pulling:
            try:
                self._client.images.get(image)
            except ImageNotFound:
                self._pull(image)
            except ENGINE_ERRORS as error:
                raise AttemptNotStarted(f"CannotPullContainerError: {_words(error)}") from error

    def _pull(self, image: str) -> None:
        log.info("Pulling image %s", image)
        try:
            self._client.images.pull(image)
        except ENGINE_ERRORS as error:
            raise AttemptNotStarted(f"CannotPullContainerError: {_words(error)}") from error

    def close(self) -> None:
        """End whatever still runs and remove every container that was made."""
        # Set before looking for containers: one that is made meanwhile is not started.
        self._closed = True
        try:
            remove_containers(self._client, self._run)
            self._untrack()
        finally:
            self._client.close()


def engine_environment() -> dict[str, str]:
    """Return the variables by which this process finds the engine, and its Python packages."""
    engine = {name: value for name, value in os.environ.items() if name.startswith("DOCKER_")}
    return {**engine, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def end_run(run: str) -> None:
    """Remove the containers of a runner whose process has ended."""
    with contextlib.closing(connect()) as client:
        remove_containers(client, run)


def remove_containers(client: docker.DockerClient, run: str) -> None:
    """Remove every container that a runner made."""
    filters = {"label": f"{RUN_LABEL}={run}"}
    for container in client.containers.list(all=True, filters=filters, ignore_removed=True):
        _remove(container)


class ContainerAttempt:
    """An attempt that was started; an implementation of ``runner.RunningAttempt``."""

    def __init__(
        self, container: Any, output: CancellableStream, on_line: Callable[[bytes], None]
    ) -> None:
        self._container = container
        self._ended = threading.Lock()
        self._exit: AttemptExit | None = None
        self._output = threading.Thread(
            target=self._pass_output, args=(output, on_line), daemon=True
        )
        self._output.start()

    def _pass_output(self, output: CancellableStream, on_line: Callable[[bytes], None]) -> None:
        try:
            with contextlib.closing(output):
                for line in _lines(output):
                    on_line(line)
        except (DockerException, OSError) as error:
            log.debug("The output of container %s ended: %s", self._container.id, error)

    def wait(self) -> AttemptExit:
        """Block until the container has ended and its output was handed on; then remove it."""
        self._output.join()
        with self._ended:
            if self._exit is None:
                self._exit = self._settle()
            return self._exit

    def _settle(self) -> AttemptExit:
        try:
            self._container.wait()
            self._container.reload()
        except NotFound:
            # The runner was closed.
            return AttemptExit(KILLED)
        except ENGINE_ERRORS as error:
            return AttemptExit(None, f"CannotInspectContainerError: {_words(error)}")
        state = self._container.attrs["State"]
        _remove(self._container)
        return AttemptExit(state["ExitCode"], OUT_OF_MEMORY if state["OOMKilled"] else None)

    def stop(self, grace: float) -> None:
        """Ask the container to end; the engine kills it after ``grace`` seconds, rounded up.

        A second call may shorten the grace.
        """
        seconds = math.ceil(grace)
        threading.Thread(target=self._stop, args=(seconds,), daemon=True).start()

    def _stop(self, seconds: int) -> None:
        try:
            self._container.stop(timeout=seconds)
        except ENGINE_ERRORS as error:
            log.debug("Container %s could not be stopped: %s", self._container.id, error)


def _lines(frames: Iterable[tuple[bytes | None, bytes | None]]) -> Iterator[bytes]:
    """Yield the lines of both streams, of which pieces of any length come in turn."""
    rests = [b"", b""]
    for frame in frames:
        for stream, piece in enumerate(frame):
            if piece:
                lines, rests[stream] = cut_lines(rests[stream] + piece)
                yield from lines
    yield from filter(None, rests)


def _words(error: Exception) -> str:
    """Return the engine's message, in the form in which AWS passes it on."""
    if isinstance(error, APIError) and error.explanation:
        return f"Error response from daemon: {error.explanation}"
    return str(error)


def _remove(container: Any) -> None:
    """Remove a container and its volumes, unless it is gone or being removed already."""
    with contextlib.suppress(NotFound), contextlib.suppress(APIError):
        container.remove(force=True, v=True)
