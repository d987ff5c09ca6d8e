"""How the facts are measured that jobs and their hosts show."""

from __future__ import annotations

import glob
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import covalent as ct

from covalent_awsbatch_plugin.options import resolution

from .measures import hello
from .site import Site
from .trials import Dispatched, Executors, Trial, run_trials, status_of
from .workflows import single

# What a job prints last, to see when CloudWatch Logs has it.
LAST_LINE = "the last line of the walk's job"
LOG_LIMIT = 60.0

# More than the five minutes after which ended containers are to leave the disk.
IDLE_SECONDS = 330.0

# Folders of the host that a job looks into: ECS's configuration and Docker's containers.
LOOKED_INTO = {"ecs": "/etc/ecs", "containers": "/var/lib/docker/containers"}


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
            "ecs.config": config,
            "containers": len(glob.glob("/host/containers/*")),
            "disk": shutil.disk_usage("/").free // 2**20,
        }

    batch = executors(container_properties={"volumes": volumes, "mountPoints": mounts})
    return single(batch, look, LAST_LINE)


def measure_host(site: Site) -> None:
    """Measure what a job sees of its host, its log, and the instance behind it."""
    seen, dispatch_id = _look(site, "job that looks at its host")
    if not seen:
        return
    site.report.facts["ecs.config"] = seen["ecs.config"]
    site.report.facts["disk"] = _disk(seen)
    (job,) = site.jobs(dispatch_id)
    site.report.facts["log"] = _log(site, dispatch_id, job)
    _measure_instance(site, job)


def _look(site: Site, what: str) -> tuple[dict[str, Any], str]:
    """Return what a job sees of its host, empty where it failed, and its dispatch."""
    (ran,) = run_trials(site, [Trial(what, look_at_host)], 300.0)
    good = status_of(ran.dispatch_id) == "COMPLETED"
    return (ct.get_result(ran.dispatch_id).result if good else {}), ran.dispatch_id


def _disk(seen: Mapping[str, Any]) -> str:
    return f"{seen['containers']} containers on the host, {seen['disk']} MiB free"


def _log(site: Site, dispatch_id: str, job: Mapping[str, Any]) -> str:
    """Return when the command ``logs`` had the last line of a job."""
    begun = time.monotonic()
    while time.monotonic() - begun < LOG_LIMIT:
        if LAST_LINE in site.command("logs", dispatch_id, *site.access, limit=60).out:
            ended = time.time() - job["stoppedAt"] / 1000
            return f"in the log {ended:.1f} s after the end, at most"
        time.sleep(1)
    return f"not in the log after {LOG_LIMIT:g} s"


def measure_variables(site: Site) -> None:
    """Measure ``variables``, with a job to which the plugin adds none."""
    batch, image = site.account.client("batch"), resolution.default_image()
    properties = {
        "image": image,
        "command": ["sh", "-c", "env | cut -d= -f1 | grep -E '^(AWS|ECS)_' | sort"],
        "executionRoleArn": _execution_role(site),
        "resourceRequirements": [
            {"type": "VCPU", "value": "1"},
            {"type": "MEMORY", "value": "1024"},
        ],
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {"awslogs-group": site.options["batch_job_log_group_name"]},
        },
    }
    # Of the name of the plugin's definitions: they are deregistered with the stack.
    definition = batch.register_job_definition(
        jobDefinitionName=site.options["batch_job_definition_name"],
        type="container",
        containerProperties=properties,
    )["jobDefinitionArn"]
    job_id = batch.submit_job(
        jobName="variables", jobQueue=site.options["batch_queue"], jobDefinition=definition
    )["jobId"]
    job = _ended(site, job_id)
    names = _log_lines(site, job)
    site.report.facts["variables"] = ", ".join(names) or f"none, or no log ({job['status']})"


def _execution_role(site: Site) -> str:
    role = site.account.client("iam").get_role(RoleName=site.options["batch_execution_role_name"])
    return str(role["Role"]["Arn"])


def _ended(site: Site, job_id: str) -> Mapping[str, Any]:
    until = time.monotonic() + min(300.0, site.left)
    while time.monotonic() < until:
        (job,) = site.account.client("batch").describe_jobs(jobs=[job_id])["jobs"]
        if job["status"] in ("SUCCEEDED", "FAILED"):
            return dict(job)
        time.sleep(site.pause)
    raise TimeoutError(f"the job {job_id} had not ended in time")


def _log_lines(site: Site, job: Mapping[str, Any]) -> list[str]:
    """Return the lines of a job, once there are any."""
    logs, begun = site.account.client("logs"), time.monotonic()
    while time.monotonic() - begun < LOG_LIMIT:
        with suppress(logs.exceptions.ResourceNotFoundException):
            events = logs.filter_log_events(
                logGroupName=site.options["batch_job_log_group_name"],
                logStreamNames=[job["container"]["logStreamName"]],
            )["events"]
            if events:
                return [event["message"] for event in events]
        time.sleep(1)
    return []


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


def measure_cancelled(site: Site, ran: Dispatched) -> None:
    """Measure ``cancelled``: how soon Batch has ended the job of a cancelled workflow."""
    (job,) = site.jobs(ran.dispatch_id)
    job = _ended(site, job["jobId"])
    spent, code = job["stoppedAt"] / 1000 - ran.cancelled, job["container"].get("exitCode")
    site.report.facts["cancelled"] = (
        f"ended {spent:.1f} s after it was cancelled, exit code {code}"
    )


def measure_gpus(site: Site) -> None:
    """Measure ``GPUs``."""

    def build(executors: Executors) -> Any:
        def listed() -> str:
            import subprocess

            return subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True).stdout

        return single(executors(num_gpus=1, batch_queue=f"{site.prefix}-batch-gpu-queue"), listed)

    (ran,) = run_trials(site, [Trial("job with a GPU", build)], 600.0)
    if status_of(ran.dispatch_id) == "COMPLETED":
        listed = str(ct.get_result(ran.dispatch_id).result)
        site.report.facts["GPUs"] = f"{listed.count('GPU ')} in nvidia-smi's list"


def measure_idle(site: Site) -> None:
    """Measure ``keep warm`` after some idle minutes, then ``idle instance`` without it."""
    idle = 1.0 if site.is_local else IDLE_SECONDS
    time.sleep(min(idle, max(site.left, 0)))
    wait = hello(site, 300.0).get("wait for an instance")
    site.report.facts["keep warm"] = f"{wait} s of waiting after {idle:g} idle seconds"
    seen, _ = _look(site, "job on a host that was idle")
    if seen:
        site.report.facts["disk"] += f"; after {idle:g} idle seconds {_disk(seen)}"
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
