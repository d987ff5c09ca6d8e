"""Runs of the executor against the fake AWS, each in a process of its own."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
from typing import Any

from benchmarks import places
from benchmarks.fake_server import FakeServer

LATENCY, JOB_SECONDS, POLL_FREQ = 0.03, 2.0, 1
OLD, OURS = "0.42", "ours"
MB = 1024 * 1024

# What release 0.42 knows of the options.
OLD_OPTIONS = (
    "credentials",
    "profile",
    "region",
    "s3_bucket_name",
    "batch_queue",
    "batch_execution_role_name",
    "batch_job_role_name",
    "batch_job_log_group_name",
)

Run = dict[str, Any]


def tasks(release: str, count: int) -> Run:
    """Run ``count`` instant tasks whose jobs take two seconds, as a second run of the day."""
    with FakeServer(latency=LATENCY, job_seconds=JOB_SECONDS) as aws:
        if release == OURS:
            # Whatever is registered once is registered by now.
            drive(release, aws, tasks=1)
        aws.forget()
        return _with_counters(drive(release, aws, tasks=count), aws)


def shared_argument(release: str, count: int, size: int) -> Run:
    """Run tasks that share one argument."""
    with FakeServer(latency=LATENCY, job_seconds=JOB_SECONDS) as aws:
        return _with_counters(drive(release, aws, tasks=count, argument_size=size), aws)


def private_payload(release: str, size: int) -> Run:
    """Run one task with an argument and a result of ``size`` bytes each, after a first small one.

    The first one has everything imported that is imported on first use.
    """
    with FakeServer(latency=LATENCY, job_seconds=JOB_SECONDS) as aws:
        then = {"url": f"{aws.options['endpoint_url']}/_fake/set", "values": {"result_size": size}}
        return _with_counters(drive(release, aws, tasks=1, argument_size=size, warm=then), aws)


def waiting(count: int, seconds: float) -> Run:
    """Let tasks wait for jobs that never end, at the documented poll_freq of 10."""
    with FakeServer(latency=LATENCY, job_seconds=math.inf) as aws:
        found = _with_counters(drive(OURS, aws, poll_freq=10, tasks=count, wait=seconds), aws)
    window = found["window"]
    inside = [t for t in found["describe_times"] if window["from"] <= t < window["to"]]
    found["describes_a_second"] = len(inside) / (window["to"] - window["from"])
    return found


def ends(count: int, job_seconds: float) -> Run:
    """Run tasks whose jobs take a minute, at the documented poll_freq of 10.

    What is measured is the time from each job's end to its task's result.
    """
    with FakeServer(latency=LATENCY, job_seconds=job_seconds) as aws:
        found = _with_counters(drive(OURS, aws, poll_freq=10, tasks=count), aws)
        ended = {_node(name): moment for name, moment in aws.ends().items()}
    late = [moment - ended[int(node)] for node, moment in found["finished"].items()]
    return {**found, "late_mean": sum(late) / count, "late_max": max(late)}


def _node(job_name: str) -> int:
    """Return the node of a job, whose name ends with it and a number of its run."""
    return int(job_name.split("-")[-2])


def worker_seconds(count: int) -> list[float]:
    """Return how long each of some real workers took from its start to the user's function."""
    with FakeServer(latency=LATENCY, script="process") as aws:
        found = drive(
            OURS,
            aws,
            tasks=count,
            function="seconds_since_start",
            one_by_one=True,
            keep_results=True,
        )
    return list(found["results"])


def drive(release: str, aws: FakeServer, poll_freq: int = POLL_FREQ, **work: Any) -> Run:
    """Run ``drive.py`` with a release's Python and return what it measured."""
    options = {**aws.options, "poll_freq": poll_freq}
    python, more = sys.executable, {}
    if release == OLD:
        options = {name: options[name] for name in (*OLD_OPTIONS, "poll_freq")}
        python, more = str(places.old_python()), {"AWS_ENDPOINT_URL": aws.options["endpoint_url"]}
    with tempfile.TemporaryDirectory(prefix="benchmark-") as home:
        options["cache_dir"] = f"{home}/cache"
        command = [python, str(places.ROOT / "benchmarks" / "drive.py")]
        done = subprocess.run(
            [*command, json.dumps({"options": options, **work})],
            cwd=home,
            env=places.environment(home, **more),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _with_counters(found: Run, aws: FakeServer) -> Run:
    return {**found, **aws.state()}
