"""How the facts are measured that the stack and its first jobs show."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from botocore.exceptions import BotoCoreError, ClientError

from covalent_awsbatch_plugin.cli.deployment.plan import template
from covalent_awsbatch_plugin.cli.shared.optional import Notes
from covalent_awsbatch_plugin.cli.shared.quotas import quotas

from .site import Site


def measure_quotas(site: Site) -> None:
    """Measure ``quotas``."""
    found = quotas(site.account, spot=True, gpu=True, notes=Notes())
    site.report.facts["quotas"] = "; ".join(f"{name}: {value:g}" for name, value in found.items())


def measure_early_validation(site: Site) -> None:
    """Measure ``early validation``: a second stack with the first one's names, never made."""
    stacks = site.account.client("cloudformation")
    given = stacks.describe_stacks(StackName=f"{site.prefix}-awsbatch")["Stacks"][0]["Parameters"]
    kept = [{k: p[k] for k in ("ParameterKey", "ParameterValue")} for p in given]
    made = stacks.create_change_set(
        StackName=f"{site.prefix}-twice",
        ChangeSetName="twice",
        ChangeSetType="CREATE",
        TemplateBody=template(),
        Parameters=kept,
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    try:
        site.report.facts["early validation"] = _validation(site, made["Id"])
    finally:
        stacks.delete_stack(StackName=made["StackId"])


def _validation(site: Site, change_set: str) -> str:
    stacks = site.account.client("cloudformation")
    until = time.monotonic() + min(120.0, site.left)
    described = stacks.describe_change_set(ChangeSetName=change_set)
    while described["Status"].startswith("CREATE_") and "COMPLETE" not in described["Status"]:
        if time.monotonic() > until:
            return "no result within two minutes"
        time.sleep(site.pause)
        described = stacks.describe_change_set(ChangeSetName=change_set)
    events = stacks.describe_events(ChangeSetName=change_set, Filters={"FailedEvents": True})
    found = [
        f"{event.get('LogicalResourceId')}: {event['ValidationStatusReason']}"
        for event in events["OperationEvents"]
        if event.get("ValidationStatusReason")
    ]
    return f"{described['Status']}: {described.get('StatusReason', '')} {' '.join(found)}"


@contextmanager
def waiting_reasons(site: Site) -> Iterator[None]:
    """Measure ``reasons while scaling up``: whatever jobs show while they wait."""
    over, seen = threading.Event(), dict[str, None]()
    thread = threading.Thread(target=_note_reasons, args=(site, over, seen))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        site.report.facts["reasons while scaling up"] = "; ".join(seen) or "none was shown"


def _note_reasons(site: Site, over: threading.Event, seen: dict[str, None]) -> None:
    batch, queue = site.account.client("batch"), site.options["batch_queue"]
    while not over.wait(site.pause):
        # The next look may succeed.
        with suppress(ClientError, BotoCoreError):
            for job in batch.list_jobs(jobQueue=queue, jobStatus="RUNNABLE")["jobSummaryList"]:
                if job.get("statusReason"):
                    seen.setdefault(job["statusReason"])


def hello(site: Site, limit: float) -> Mapping[str, float]:
    """Run the doctor's hello job, and return its seconds by stage."""
    done = site.command("doctor", "--live", "--json", *site.access, limit=limit)
    report = json.loads(done.out) if done.out.startswith("{") else {}
    stages: Mapping[str, float] = report.get("live") or {}
    note = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in stages.items())
    site.report.add("hello job of the doctor", bool(stages), done.seconds, note or done.last_line)
    return stages


def measure_first_jobs(site: Site) -> None:
    """Measure ``first job``: the hello job on a cold and on a warm compute environment."""
    waits = [hello(site, limit).get("wait for an instance") for limit in (900.0, 300.0)]
    site.report.facts["first job"] = " s, then ".join(str(wait) for wait in waits) + " s"


def measure_images(site: Site) -> None:
    """Measure ``machine image``."""
    described = site.account.client("batch").describe_compute_environments()
    mine = [
        environment["computeResources"]
        for environment in described["computeEnvironments"]
        if environment["computeEnvironmentName"].startswith(f"{site.prefix}-")
    ]
    statuses = [
        f"{ec2.get('imageType')}: {ec2.get('batchImageStatus') or 'no status'}"
        for resources in mine
        for ec2 in resources.get("ec2Configuration") or ({},)
    ]
    site.report.facts["machine image"] = "; ".join(statuses)
