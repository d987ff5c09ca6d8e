"""Batch emulators and S3 servers that others wrote, each a process with its own address."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from covalent_awsbatch_plugin.local.ports import free_port
from covalent_awsbatch_plugin.local.tracking.resource_tracker import track_group
from tests.pythons import ROOT
from tests.waiting import wait_until

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
FOLDER = ROOT / ".venv-independent"
HOST = "127.0.0.1"
# nanio checks signatures, so the worker's own are checked too.
KEYS = {"AWS_ACCESS_KEY_ID": "independent", "AWS_SECRET_ACCESS_KEY": "not-a-secret"}
REGION = "us-east-1"
BUCKET, QUEUE, LOG_GROUP = "independent-bucket", "independent-queue", "independent-logs"
ENVIRONMENT_NAME = "independent-environment"

# What services are called in variables, where that is not their name.
SERVICE_IDS = {"logs": "CLOUDWATCH_LOGS"}

# The engine of these tests has no bridge: containers are in the host's network.
LOCALBATCH = """
from docker.models.containers import ContainerCollection
from localbatch.__main__ import main

run = ContainerCollection.run

def in_host_network(self, *arguments, extra_hosts=None, **options):
    return run(self, *arguments, network_mode="host", **options)

ContainerCollection.run = in_host_network
main()
"""


@dataclass(frozen=True)
class Cloud:
    """Services at addresses of their own.

    Attributes:
        name: What answers for Batch.
        addresses: The address of each service.
    """

    name: str
    addresses: Mapping[str, str]

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables by which every AWS SDK finds these services."""
        endpoints = {
            f"AWS_ENDPOINT_URL_{SERVICE_IDS.get(name, name.upper())}": url
            for name, url in self.addresses.items()
        }
        return {**KEYS, **endpoints, "AWS_DEFAULT_REGION": REGION}

    @property
    def options(self) -> dict[str, Any]:
        """The executor's options: no credentials and no address, which the environment has."""
        # Neither emulator gives jobs an address or credentials.
        names = [*KEYS, "AWS_ENDPOINT_URL_S3"]
        return {
            "region": REGION,
            "s3_bucket_name": BUCKET,
            "batch_queue": QUEUE,
            "batch_job_log_group_name": LOG_GROUP,
            "batch_execution_role_name": "independent-execution",
            "batch_job_role_name": "independent-job",
            "environment": {name: self.variables[name] for name in names},
        }

    def client(self, service: str) -> Any:
        """Return a boto3 client of a service."""
        session = boto3.Session(*KEYS.values(), region_name=REGION)
        return session.client(service, endpoint_url=self.addresses[service])


def environment() -> Path:
    """Return the program of the Python that has the emulators, installed where it is not yet."""
    python, installed = FOLDER / "bin" / "python", FOLDER / "installed.txt"
    wanted = REQUIREMENTS.read_text()
    if not installed.exists() or installed.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(FOLDER)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--require-hashes"]
        subprocess.run([*install, "--requirement", str(REQUIREMENTS)], check=True)
        installed.write_text(wanted)
    return python


@contextlib.contextmanager
def serving(command: Callable[[int], list[str]], log: Path, **extra: str) -> Iterator[str]:
    """Run a server; yields its address once it answers.

    Args:
        command: Its command, for a port.
        log: Where its output goes.
        **extra: Environment variables.
    """
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command(port),
            env={**os.environ, **extra},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    untrack = track_group(process.pid)
    try:
        wait_until(lambda: answers(process, port, log))
        yield f"http://{HOST}:{port}"
    finally:
        process.terminate()
        process.wait(30)
        untrack()


def answers(process: subprocess.Popen[bytes], port: int, log: Path) -> bool:
    """Return whether a server takes connections."""
    assert process.poll() is None, log.read_text()
    with socket.socket() as connection:
        return connection.connect_ex((HOST, port)) == 0


def moto(folder: Path) -> contextlib.AbstractContextManager[str]:
    """Run moto's server as it is, its Batch over Docker."""

    def command(port: int) -> list[str]:
        return [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(port)]

    return serving(command, folder / "moto.log", MOTO_DOCKER_NETWORK_MODE="host")


def localbatch(python: Path, folder: Path) -> contextlib.AbstractContextManager[str]:
    """Run localbatch: Batch over Docker."""

    def command(port: int) -> list[str]:
        given = ["--host", HOST, "--port", str(port), "--docker-host", HOST, "--queue", QUEUE]
        return [str(python), "-c", LOCALBATCH, *given]

    return serving(command, folder / "localbatch.log")


def nanio(python: Path, folder: Path) -> contextlib.AbstractContextManager[str]:
    """Run nanio: S3 over a folder, which checks every signature."""

    def command(port: int) -> list[str]:
        given = ["--host", HOST, "--port", str(port), "--data-dir", str(folder / "objects")]
        return [str(python.with_name("nanio")), "serve", *given]

    keys = {"NANIO_ACCESS_KEY": KEYS["AWS_ACCESS_KEY_ID"]}
    keys["NANIO_SECRET_KEY"] = KEYS["AWS_SECRET_ACCESS_KEY"]
    return serving(command, folder / "nanio.log", **keys)


@contextlib.contextmanager
def all_of_moto(folder: Path) -> Iterator[Cloud]:
    """Everything is moto."""
    with moto(folder) as url:
        cloud = Cloud("moto", dict.fromkeys(("batch", "s3", "logs", "sts", "iam", "ec2"), url))
        make_queue(cloud)
        make_rest(cloud)
        yield cloud


@contextlib.contextmanager
def localbatch_and_nanio(folder: Path) -> Iterator[Cloud]:
    """Batch is localbatch, S3 is nanio; logs and identities are moto's."""
    python = environment()
    with (
        moto(folder) as rest,
        localbatch(python, folder) as batch,
        nanio(python, folder) as s3,
    ):
        others = dict.fromkeys(("logs", "sts", "iam", "ec2"), rest)
        cloud = Cloud("localbatch", {"batch": batch, "s3": s3, **others})
        make_rest(cloud)
        yield cloud


def make_rest(cloud: Cloud) -> None:
    """Make bucket and log group."""
    cloud.client("s3").create_bucket(Bucket=BUCKET)
    cloud.client("logs").create_log_group(logGroupName=LOG_GROUP)


def make_queue(cloud: Cloud) -> None:
    """Make a job queue; localbatch has one from the beginning."""
    role = cloud.client("iam").create_role(RoleName="batch", AssumeRolePolicyDocument="{}")
    batch = cloud.client("batch")
    arn = batch.create_compute_environment(
        computeEnvironmentName=ENVIRONMENT_NAME,
        type="UNMANAGED",
        state="ENABLED",
        serviceRole=role["Role"]["Arn"],
    )["computeEnvironmentArn"]
    order = [{"order": 1, "computeEnvironment": arn}]
    batch.create_job_queue(
        jobQueueName=QUEUE, state="ENABLED", priority=1, computeEnvironmentOrder=order
    )
