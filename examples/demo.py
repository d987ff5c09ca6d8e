"""Run an example on a local AWS and a Covalent server of its own, and leave nothing behind.

python examples/demo.py examples/svm.py
"""

from __future__ import annotations

import subprocess
import sys
import threading

import toml

from covalent_awsbatch_plugin.local import LocalAws
from covalent_awsbatch_plugin.local.covalent_server import CovalentServer

POLL_SECONDS = 1


def main(example: str) -> int:
    print("Starting a local AWS and a Covalent server ...", flush=True)
    with LocalAws() as aws:
        server = CovalentServer()
        write_configuration(server, aws)
        with server:
            print(f"  AWS       {aws.endpoint_url}  (jobs run as {aws.runner_name})")
            print(f"  Covalent  {server.url}\nRunning {example}", flush=True)
            return run(example, server, aws)


def write_configuration(server: CovalentServer, aws: LocalAws) -> None:
    options = {**aws.executor_options(), "poll_freq": POLL_SECONDS}
    server.config_file.parent.mkdir(parents=True)
    server.config_file.write_text(toml.dumps({"executors": {"awsbatch": options}}))


def run(example: str, server: CovalentServer, aws: LocalAws) -> int:
    process = subprocess.Popen([sys.executable, example], env=server.environment)
    done = threading.Event()
    progress = threading.Thread(target=show_progress, args=(aws, done))
    progress.start()
    try:
        return process.wait()
    finally:
        process.terminate()
        process.wait()
        done.set()
        progress.join()


def show_progress(aws: LocalAws, done: threading.Event) -> None:
    """Print every job's changes of status as they happen."""
    batch = aws.client("batch")
    queue, seen = aws.executor_options()["batch_queue"], {}
    finished = False
    while not finished:
        finished = done.wait(0.5)
        for job in all_jobs(batch, queue):
            if seen.get(job["jobId"]) != job["status"]:
                seen[job["jobId"]] = job["status"]
                print(f"  job {job['jobId'][:8]}  {job['status']:10} {job['jobName']}", flush=True)


def all_jobs(batch, queue: str) -> list:
    pages = batch.get_paginator("list_jobs").paginate(
        jobQueue=queue, filters=[{"name": "JOB_NAME", "values": ["covalent-*"]}]
    )
    jobs = [job for page in pages for job in page["jobSummaryList"]]
    return sorted(jobs, key=lambda job: job["createdAt"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
