"""``covalent-awsbatch local``: AWS on this machine, until Ctrl-C."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from .shared.errors import Refusal
from .shared.screen import console

# Outside the range that systems use for outgoing connections.
PORT = 20_580


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PORT,
    show_default=True,
    help="Port on 127.0.0.1; 0 for any that is free.",
)
@click.option("--prefix", default="covalent", show_default=True, help="Prefix of the resources.")
@click.option(
    "--runner",
    type=click.Choice(["auto", "processes", "containers"]),
    default="auto",
    show_default=True,
    help="What jobs run as; auto: containers where a container engine answers, else processes.",
)
@click.option(
    "--containers", is_flag=True, help="Run jobs as containers; short for --runner containers."
)
@click.option(
    "--max-jobs",
    type=click.IntRange(1),
    help="How many jobs run at once.  [default: twice the number of cores]",
)
@click.option(
    "--faults",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON file with the faults to inject.",
)
def local(
    port: int,
    prefix: str,
    runner: str,
    containers: bool,
    max_jobs: int | None,
    faults: Path | None,
) -> None:
    """Run AWS on this machine, in the foreground: S3, Batch and the rest.

    It makes the resources that 'deploy' makes, prints the configuration that uses them, and ends
    everything on Ctrl-C. Nothing is kept.
    """
    with ending() as end:
        aws = make(
            runner="containers" if containers else runner,
            prefix=prefix,
            port=port,
            slots=max_jobs or 0,
            faults=plan(faults) if faults else None,
            folder=cache() / f"local-{port}" if port else None,
        )
        with started(aws):
            show(aws)
            end.wait()
            console().print("Ending jobs and stopping ...")


def cache() -> Path:
    """Return where the credentials file goes, so that the same port has the same file."""
    return Path.home() / ".cache" / "covalent-awsbatch"


@contextmanager
def ending() -> Iterator[threading.Event]:
    """Give an event that Ctrl-C and SIGTERM set."""
    end = threading.Event()
    previous = {
        number: signal.signal(number, lambda *_: end.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield end
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def make(**arguments: Any) -> Any:
    """Return a local AWS that is not started.

    Raises:
        Refusal: What it needs is not installed.
    """
    from ..local import LocalAws

    try:
        return LocalAws(**arguments)
    except ImportError as error:
        message, _, fix = str(error).partition(" Install")
        raise Refusal(message, f"install{fix}") from error


def plan(path: Path) -> Any:
    """Return the fault plan in a file.

    Raises:
        Refusal: It is none.
    """
    from ..local import FaultPlan

    try:
        return FaultPlan.load(path)
    except ValueError as error:
        raise Refusal(f"{path} is no fault plan: {error}", "see the page on testing.") from error


@contextmanager
def started(aws: Any) -> Iterator[None]:
    """Have the local AWS run.

    Raises:
        Refusal: The port is taken, or no container engine answers.
    """
    from ..local.runners.engine import NoEngine

    try:
        aws.start()
    except NoEngine as error:
        raise Refusal(str(error), "start Docker, or name --runner processes.") from error
    except OSError as error:
        raise Refusal(
            f"The local AWS could not be started: {error.strerror or error}.",
            "is one running already? Name another --port, or --port 0 for any that is free.",
        ) from error
    try:
        yield
    finally:
        aws.stop()


def show(aws: Any) -> None:
    """Print how to use it."""
    out = console()
    out.print(f"[bold green]Local AWS[/] at {aws.endpoint_url}; jobs run as {aws.runner_name}.\n")
    out.print("For Covalent's configuration (~/.config/covalent/covalent.conf):\n")
    out.print(section(aws.executor_options()), markup=False)
    out.print("\nFor the AWS command line and SDKs:\n")
    for name, value in environment(aws).items():
        out.print(f"export {name}={value}", markup=False)
    out.print("\nPress Ctrl-C to stop. Nothing is kept.")


def section(options: Mapping[str, str]) -> str:
    """Return the section of Covalent's configuration with these options."""
    import toml

    return str(toml.dumps({"executors": {"awsbatch": dict(options)}})).strip()


def environment(aws: Any) -> dict[str, str]:
    """Return the variables that make clients of AWS use the local one, not through a proxy."""
    from ..local.loopback import missing_exceptions

    return {
        "AWS_ENDPOINT_URL": aws.endpoint_url,
        "AWS_SHARED_CREDENTIALS_FILE": str(aws.credentials_file),
        "AWS_PROFILE": "default",
        "AWS_DEFAULT_REGION": aws.region,
        **missing_exceptions(os.environ),
    }
