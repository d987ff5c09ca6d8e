"""``covalent-awsbatch doctor``: what prevents tasks from running, and how to fix it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import click

from ..options import resolution
from .checks.bucket import check_bucket
from .checks.client import bad_keys, check_client, check_configuration
from .checks.environments import check_machine_images, check_network, check_quotas
from .checks.finding import PROBLEM, Case, Finding, ok, problem, unknown
from .checks.image import check_image
from .checks.key import check_key
from .checks.loggroup import check_log_group
from .checks.queue import check_queue
from .checks.report import show_findings
from .checks.roles import check_execution_role, check_job_role, check_permissions
from .checks.server import check_server
from .shared.account import Account, access_of, account_options, connect
from .shared.configuration import read_section
from .shared.errors import Denied, Refusal, WrongCall, explained
from .shared.screen import console, table

Check = Callable[[Case], Iterable[Finding]]

# Run in parallel; a check that AWS answers slowly holds up no other.
CHECKS: Mapping[str, Check] = {
    "credentials": check_permissions,
    "bucket": check_bucket,
    "KMS key": check_key,
    "queue": check_queue,
    "network": check_network,
    "quota": check_quotas,
    "machine image": check_machine_images,
    "job role": check_job_role,
    "execution role": check_execution_role,
    "log group": check_log_group,
    "image": check_image,
}

# Tasks need no more than these of AWS; what the other checks ask only completes the picture.
ESSENTIAL = ("bucket", "queue")


@click.command()
@account_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--live", is_flag=True, help="Run one hello job, and print its seconds by stage.")
@click.option("--verbose", is_flag=True, help="Also list the checks that are ok.")
def doctor(as_json: bool, live: bool, verbose: bool, **options: Any) -> None:
    """Check everything that tasks need, and report how to fix what is wrong.

    It looks at the account and at this machine, as a Covalent server that starts in this
    environment would. Exit code 0 where nothing prevents tasks from running, else 1.
    """
    findings, case = examine(options)
    healthy = not any(finding.status == PROBLEM for finding in findings)
    stages = None
    if live and healthy and case is not None:
        from .checks.live import run_hello

        with console(stderr=True).status("Running a hello job"):
            stages = run_hello(case)
    if as_json:
        report = {"healthy": healthy, "findings": [asdict(finding) for finding in findings]}
        click.echo(json.dumps(report if stages is None else {**report, "live": stages}, indent=2))
    else:
        show_findings(findings, verbose=verbose)
        _show_live(stages, skipped=live and not healthy)
    if not healthy:
        sys.exit(1)


def examine(options: Mapping[str, Any]) -> tuple[list[Finding], Case | None]:
    """Return all findings, and the case, where there is an account to speak of."""
    configured = read_section()
    findings = [*check_client(), *check_configuration(configured), *check_server(configured)]
    # Wrong values are reported; the rest is checked with the right ones.
    usable = {k: v for k, v in configured.items() if k not in bad_keys(configured)}
    access = access_of(options, usable)
    try:
        with explained():
            account = connect(access)
            findings.append(ok("region", "known", f"{access.region}."))
            case = _case(account, usable)
    except Refusal as refusal:
        wrong_region = isinstance(refusal, WrongCall)
        area, check = ("region", "known") if wrong_region else ("credentials", "valid")
        return [*findings, problem(area, check, refusal.message, refusal.fix)], None
    findings.append(ok("credentials", "valid", f"{case.identity.arn}."))
    with ThreadPoolExecutor(len(CHECKS)) as pool:
        for found in pool.map(lambda area: _run(area, case), CHECKS):
            findings += found
    return findings, case


def _case(account: Account, configured: Mapping[str, Any]) -> Case:
    values = resolution.resolve({}, configured)
    values.update(region=account.access.region, endpoint_url=account.endpoint_url)
    values.update(credentials_file=account.access.credentials_file, profile=account.access.profile)
    return Case(
        account=account,
        identity=account.identity(),
        options=values,
        image=values["container_image_uri"] or resolution.default_image(),
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
    )


def _run(area: str, case: Case) -> list[Finding]:
    findings: list[Finding] = []
    try:
        with explained():
            findings.extend(CHECKS[area](case))
    except Denied as refusal:
        # Looking is not what tasks need; what they need is checked by itself.
        findings.append(unknown(area, "answer", refusal.message, refusal.fix))
    except Refusal as refusal:
        kind = problem if area in ESSENTIAL else unknown
        findings.append(kind(area, "answer", refusal.message, refusal.fix))
    except (KeyError, IndexError) as missing:
        # AWS's answers are whole; those of emulators and proxies may not be.
        findings.append(unknown(area, "answer", f"The answer does not have {missing}."))
    return findings


def _show_live(stages: Mapping[str, float] | None, *, skipped: bool) -> None:
    if skipped:
        console().print("No hello job was run: fix the problems first.")
    if stages is None:
        return
    shown = table("Stage of the hello job", "Seconds")
    for stage, seconds in stages.items():
        shown.add_row(stage, f"{seconds:.2f}")
    console().print(shown)
