"""``python -m tests.account``: the walk, from a question to a report."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
from botocore.exceptions import BotoCoreError, ClientError

from covalent_awsbatch_plugin.local.covalent_server import CovalentServer

from .report import Report, masked
from .site import INTERRUPTS, Site

# The smallest types that AWS Batch takes, with two vCPUs each; four of them at most.
TYPES, MOST_VCPUS = "m5.large,m6i.large,m6a.large,c5.large", 8
GPU_TYPES = "g4dn.xlarge"

HOME = str(Path.home())

# Dollars an hour, rounded up, of one such instance.
PRICE, GPU_PRICE = 0.11, 0.60

# Minutes that cleaning up needs of those that were promised.
CLEANING_MINUTES = 6

# What a step may end with; anything else is a mistake of the walk's own, and ends it.
FAULTS = (ClientError, BotoCoreError, subprocess.SubprocessError, OSError, RuntimeError)
FAULTS += (LookupError, ValueError)  # type: ignore[assignment]

PACKAGE = "covalent-awsbatch-plugin"
TAG = "covalent-awsbatch-walk=yes"


@click.command()
@click.option("--profile", help="AWS profile.")
@click.option("--region", help="AWS region.")
@click.option("--endpoint-url", help="URL of the local AWS, to try the walk itself.")
@click.option("--credentials", help="AWS credentials file.")
@click.option("--vpc-id", help="VPC of the instances.  [default: the default VPC]")
@click.option("--subnet-ids", help="Subnets, by commas.")
@click.option("--permissions-boundary", help="Policy that bounds the roles.")
@click.option("--kms-key", help="ARN of a KMS key for the bucket.")
@click.option("--spot", is_flag=True, help="Use spot instances first.")
@click.option("--gpu", is_flag=True, help="Also run a job with a GPU.")
@click.option("--minutes", default=30, show_default=True, help="Minutes that it may take in all.")
@click.option("--keep", is_flag=True, help="Delete nothing at the end, to look around.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--report",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("aws-report.md"),
    show_default=True,
    help="File of the report.",
)
def main(target: Path, keep: bool, yes: bool, **features: Any) -> None:
    """Try everything on a real AWS account, write a report to send back, and delete everything.

    It needs credentials that may make a stack ('covalent-awsbatch deploy'), and nothing else: it
    has a prefix, a Covalent server and a configuration of its own.
    """
    prefix = f"walk-{secrets.token_hex(3)}"
    announce(prefix, features, keep=keep)
    if not yes:
        click.confirm("Begin?", abort=True)
    with covalent_server() as server:
        site = make_site(prefix, server, features)
        try:
            good = walk(site, server, keep=keep)
        finally:
            report = site.report.markdown()
            target.write_text(report, "utf-8")
            click.echo(f"\n{report}\nThe report is in {target}. Look through it, then send it.")
    sys.exit(0 if good and site.report.good else 1)


def announce(prefix: str, features: dict[str, Any], *, keep: bool) -> None:
    """Print what will be made, and what it will cost at most."""
    minutes, gpu = features["minutes"], features["gpu"]
    dollars = (PRICE * MOST_VCPUS / 2 + (GPU_PRICE if gpu else 0)) * minutes / 60 + 0.05
    at_the_end = (
        f"Nothing is deleted at the end: 'covalent-awsbatch deploy --delete --prefix {prefix}' "
        f"deletes it, and once more with {prefix}-o."
        if keep
        else "Everything is deleted at the end, also after Ctrl-C or a failure."
    )
    texts = (
        f"This makes the CloudFormation stacks {prefix}-awsbatch and {prefix}-o-awsbatch: bucket, "
        "log group, roles, policy, security group, launch template, compute environments, queue.",
        f"It runs about 25 jobs of AWS Batch on at most {MOST_VCPUS} vCPUs "
        f"({TYPES.replace(',', ', ')}){f' and one {GPU_TYPES}' if gpu else ''}, through a "
        f"Covalent server of its own, and takes {minutes} minutes at most.",
        f"At the prices of us-east-1 that is less than {dollars:.2f} dollars.",
        at_the_end,
    )
    for text in texts:
        click.echo(click.wrap_text(text, min(shutil.get_terminal_size().columns, 100)))


@contextmanager
def covalent_server() -> Iterator[CovalentServer]:
    """Give a Covalent server that is not started, with the AWS files and variables of this user.

    This process takes on its environment, and is its client.
    """
    aws = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    files = Path.home() / ".aws"
    server = CovalentServer(environment=aws)
    try:
        if files.is_dir():
            (server.home / ".aws").symlink_to(files)
        os.environ.update(server.environment)
        yield server
    finally:
        server.stop()


def make_site(prefix: str, server: CovalentServer, features: dict[str, Any]) -> Site:
    """Return where the walk is."""
    names = ("profile", "region", "endpoint_url", "credentials")
    access = [
        part
        for name in names
        if features[name]
        for part in (f"--{name.replace('_', '-')}", features[name])
    ]
    hidden = (features["profile"], features["credentials"], HOME)
    seconds = 60.0 * max(features["minutes"] - CLEANING_MINUTES, 1)
    return Site(
        prefix=prefix,
        access=tuple(access),
        environment=server.environment,
        report=Report(hidden=tuple(filter(None, hidden))),
        deadline=time.monotonic() + seconds,
        features={**features, "tag": TAG},
    )


def walk(site: Site, server: CovalentServer, *, keep: bool) -> bool:
    """Take all steps, then delete everything; return whether all of that was possible."""
    names = (PACKAGE, "covalent", "boto3")
    packages = ", ".join(f"{name} {version(name)}" for name in names)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    day = time.strftime("%Y-%m-%d")
    site.report.title = f"A walk through AWS: {packages}, Python {python}, {day}"
    for number in INTERRUPTS:
        signal.signal(number, signal.default_int_handler)
    complete = False
    try:
        take_steps(site, server)
        complete = True
    except KeyboardInterrupt:
        click.echo("\nInterrupted.")
    finally:
        # Deleting is not interrupted: whoever is impatient would pay for what stays.
        for number in INTERRUPTS:
            signal.signal(number, signal.SIG_IGN)
        server.stop(keep_home=True)
        clean = keep or clean_up(site)
    return complete and clean


def clean_up(site: Site) -> bool:
    """Delete the stacks of the walk."""
    from . import cleaning

    return cleaning.clean_up(site)


def take_steps(site: Site, server: CovalentServer) -> None:
    """Take all steps, for which there is time."""
    if not deploy(site):
        return
    # Not before: importing Covalent reads the configuration, once.
    from . import host, measures, update, workflows
    from .trials import run_trials

    site.report.title += f", {site.account.region}"
    check(site)
    step(site, "quotas", lambda: measures.measure_quotas(site))
    step(site, "early validation", lambda: measures.measure_early_validation(site))
    step(site, "Covalent server", server.start)
    with measures.waiting_reasons(site):
        if not site.features["permissions_boundary"]:
            step(site, "older stack", lambda: update.start_older_stack(site))
        step(site, "first jobs", lambda: measures.measure_first_jobs(site))
    ran: list[Any] = []
    step(site, "workflows", lambda: ran.extend(run_trials(site, workflows.WORKFLOWS, 420)))
    for each in (each for each in ran if each.cancelled):
        step(site, "cancelled job", lambda each=each: host.measure_cancelled(site, each))
    step(site, "failures", lambda: run_trials(site, workflows.FAILURES, 420))
    step(site, "host", lambda: host.measure_host(site))
    step(site, "variables", lambda: host.measure_variables(site))
    step(site, "machine images", lambda: measures.measure_images(site))
    if site.features["gpu"]:
        step(site, "GPUs", lambda: host.measure_gpus(site))
    if site.features["permissions_boundary"]:
        site.report.skip("update", "The older template knows no permissions boundary.")
    else:
        step(site, "update", lambda: update.measure_update(site))
    step(site, "idle instance", lambda: host.measure_idle(site))


def step(site: Site, what: str, take: Callable[[], Any]) -> None:
    """Take a step, unless the time is up; a fault of it is reported, and the walk goes on."""
    if site.left <= 0:
        site.report.skip(what, "The time was up.")
        return
    begun = time.monotonic()
    try:
        take()
    except FAULTS as fault:
        site.report.add(what, False, time.monotonic() - begun, f"{type(fault).__name__}: {fault}")


def deploy(site: Site) -> bool:
    """Make the stack; return whether that was possible."""
    click.echo(f"Making the stack {site.prefix}-awsbatch ...")
    names = ("vpc_id", "subnet_ids", "permissions_boundary", "kms_key")
    chosen = [(f"--{n.replace('_', '-')}", site.features[n]) for n in names if site.features[n]]
    done = site.deploy(
        *("--yes", "--instance-types", TYPES, "--max-vcpus", str(MOST_VCPUS)),
        *("--keep-warm", "20", "--tag", TAG),
        *(part for pair in chosen for part in pair),
        *(["--spot"] if site.features["spot"] else []),
        *([f"--gpu={GPU_TYPES}"] if site.features["gpu"] else []),
        limit=600,
    )
    note = "" if done.code == 0 else f"{done.err} {done.out[-1000:]}"
    site.report.add("deploy of a new stack", not done.code, done.seconds, note)
    if site.features["kms_key"] and not done.code:
        site.report.facts["KMS key"] = "the stack was made; the workflows show the rest"
    return done.code == 0


def check(site: Site) -> None:
    """Ask the doctor; what it finds is in the report."""
    import json

    done = site.command("doctor", "--json", *site.access, limit=180)
    with suppress(ValueError):
        found = [f for f in json.loads(done.out)["findings"] if f["status"] != "ok"]
        note = "; ".join(f"{f['status']}: {f['area']}, {f['check']}: {f['found']}" for f in found)
        site.report.add("doctor", done.code == 0, done.seconds, note)
        return
    site.report.add("doctor", False, done.seconds, masked(done.last_line))


if __name__ == "__main__":
    main()
