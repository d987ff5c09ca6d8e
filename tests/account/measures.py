"""How the facts of ``facts.py`` are measured on the walk's stack."""

from __future__ import annotations

import glob
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from covalent_awsbatch_plugin.cli.deployment.plan import template
from covalent_awsbatch_plugin.cli.shared.optional import Notes
from covalent_awsbatch_plugin.cli.shared.quotas import quotas

from .site import Site
from .trials import ANY, Executors, Trial, run_trials, status_of
from .workflows import single

# What a job prints last, to see when CloudWatch Logs has it.
LAST_LINE = "the last line of the walk's job"
LOG_LIMIT = 60.0

# Folders of the host that a job looks into: ECS's configuration and Docker's containers.
LOOKED_INTO = {"ecs": "/etc/ecs", "containers": "/var/lib/docker/containers"}


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


def look_at_host(executors: Executors) -> Any:
    """Return a workflow whose job looks at its host."""
    mounts = [
        {"sourceVolume": name, "containerPath": f"/host/{name}", "readOnly": True}
        for name in LOOKED_INTO
    ]
    volumes = [{"name": name, "host": {"sourcePath": path}} for name, path in LOOKED_INTO.items()]

    def look(line: str) -> dict[str, Any]:
        config = "none"
        with suppress(OSError), open("/host/ecs/ecs.config") as file:
            settings = [setting.strip() for setting in file if "=" in setting]
            # Values may be secrets, such as those of a registry.
            config = ", ".join(s if "_WAIT_" in s else s.partition("=")[0] for s in settings)
        print(line, flush=True)
        return {
            "variables": sorted(n for n in os.environ if n.startswith(("AWS_", "ECS_"))),
            "ecs.config": config,
            "containers": len(glob.glob("/host/containers/*")),
            "disk": shutil.disk_usage("/").free // 2**20,
        }

    batch = executors(container_properties={"volumes": volumes, "mountPoints": mounts})
    return single(batch, look, LAST_LINE)


def measure_host(site: Site) -> None:
    """Measure what a job sees of its host, its log, and the instance behind it."""
    import covalent as ct

    trial = Trial("job that looks at its host", look_at_host, result=ANY)
    dispatch_id = run_trials(site, [trial], 300.0)[trial.what]
    if status_of(dispatch_id) != "COMPLETED":
        return
    seen = ct.get_result(dispatch_id, wait=True).result
    facts = site.report.facts
    facts["variables"] = ", ".join(seen["variables"])
    facts["ecs.config"] = seen["ecs.config"]
    facts["disk"] = f"{seen['containers']} containers on the host, {seen['disk']} MiB free"
    (job,) = site.jobs(dispatch_id)
    facts["log"] = _log(site, job)
    _measure_instance(site, job)


def _log(site: Site, job: Mapping[str, Any]) -> str:
    """Return when the last line of a job was in its log."""
    logs, begun = site.account.client("logs"), time.monotonic()
    while time.monotonic() - begun < LOG_LIMIT:
        with suppress(logs.exceptions.ResourceNotFoundException):
            events = logs.get_log_events(
                logGroupName=site.options["batch_job_log_group_name"],
                logStreamName=job["container"]["logStreamName"],
                startFromHead=False,
            )["events"]
            if any(LAST_LINE in event["message"] for event in events):
                ended = time.time() - job["stoppedAt"] / 1000
                return f"in the log {ended:.1f} s after the end, at most"
        time.sleep(1)
    return f"not in the log after {LOG_LIMIT:g} s"


def _measure_instance(site: Site, job: Mapping[str, Any]) -> None:
    host = job["container"].get("containerInstanceArn", "")
    if site.is_local or not host:
        return
    ecs, ec2 = site.account.client("ecs"), site.account.client("ec2")
    cluster = host.partition(":container-instance/")[2].rpartition("/")[0]
    (described,) = ecs.describe_container_instances(cluster=cluster, containerInstances=[host])[
        "containerInstances"
    ]
    site.report.facts["agent"] = described["versionInfo"]["agentVersion"]
    key, _, value = site.features["tag"].partition("=")
    tags = ec2.describe_tags(Filters=[{"Name": f"tag:{key}", "Values": [value]}])["Tags"]
    kinds = sorted(tag["ResourceType"] for tag in tags)
    site.report.facts["instance tags"] = ", ".join(kinds) or "none"


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


def measure_cancelled(site: Site, dispatch_id: str) -> None:
    """Measure ``cancelled``: how soon Batch has ended the job of a cancelled workflow."""
    until = time.monotonic() + min(90.0, site.left)
    while time.monotonic() < until:
        jobs = site.jobs(dispatch_id)
        if jobs and all("stoppedAt" in job for job in jobs):
            codes = {job["container"].get("exitCode") for job in jobs}
            spent = max((job["stoppedAt"] - job["startedAt"]) / 1000 for job in jobs)
            site.report.facts["cancelled"] = f"exit codes {codes}, {spent:.1f} s after its start"
            return
        time.sleep(site.pause)
    site.report.facts["cancelled"] = "not ended after 90 s"


def measure_gpus(site: Site) -> None:
    """Measure ``GPUs``."""

    def build(executors: Executors) -> Any:
        def listed() -> str:
            import subprocess

            return subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True).stdout

        return single(executors(num_gpus=1, batch_queue=f"{site.prefix}-batch-gpu-queue"), listed)

    import covalent as ct

    trial = Trial("job with a GPU", build)
    dispatch_id = run_trials(site, [trial], 600.0)[trial.what]
    if status_of(dispatch_id) == "COMPLETED":
        listed = str(ct.get_result(dispatch_id, wait=True).result)
        site.report.facts["GPUs"] = f"{listed.count('GPU ')} in nvidia-smi's list"


def measure_idle(site: Site) -> None:
    """Measure ``keep warm`` after some idle minutes, then ``idle instance`` without it."""
    idle = 1.0 if site.is_local else 240.0
    time.sleep(min(idle, max(site.left, 0)))
    wait = hello(site, 300.0).get("wait for an instance")
    site.report.facts["keep warm"] = f"{wait} s of waiting after {idle:g} idle seconds"
    changed = site.deploy("--yes", "--keep-warm", "0", limit=300.0)
    site.report.add("deploy that changes the stack", not changed.code, changed.seconds)
    begun = time.monotonic()
    while site.left > 0 and time.monotonic() - begun < 360:
        if not _desired(site):
            spent = time.monotonic() - begun
            site.report.facts["idle instance"] = f"no vCPUs are desired after {spent:.0f} s"
            return
        time.sleep(site.pause)
    site.report.facts["idle instance"] = "still there after 360 s, or when the time was up"


def _desired(site: Site) -> int:
    described = site.account.client("batch").describe_compute_environments()
    return sum(
        environment["computeResources"].get("desiredvCpus", 0)
        for environment in described["computeEnvironments"]
        if environment["computeEnvironmentName"].startswith(f"{site.prefix}-")
    )
