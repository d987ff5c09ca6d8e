"""What a job's command runs first: makes the image able to run the worker, then hands over.

Its source, packed, is part of the job's command, so it stands alone, and is written so that any
Python 3 can at least say why it is the wrong one. An image that has the requirements starts at
once; otherwise pip installs what is missing. Then it forks: one process imports Covalent, which
takes longest, while the other imports boto3 and fetches the worker from the bucket: a zip with
the package ``covalent_awsbatch_worker``, which is ``job`` and what it shares with the server.
The worker is not in the command itself because DescribeJobs repeats the command for each of a
hundred jobs.
"""

import contextlib
import importlib
import importlib.util
import os
import site
import subprocess
import sys
import tempfile

EXIT_START_FAILED = 200
EXIT_PYTHON_MISMATCH = 210
EXIT_NO_PERMISSION = 212


def fail(code, message):
    """Say why the job cannot start, where its log shows it, and end it."""
    sys.stderr.write("covalent-awsbatch: " + message + "\n")
    sys.stderr.flush()
    sys.exit(code)


def check_python(wanted):
    """Refuse a Python whose pickles the client's Python cannot exchange."""
    found = "{}.{}".format(*sys.version_info[:2])
    if found != wanted:
        fail(
            EXIT_PYTHON_MISMATCH,
            f"this image runs Python {found}, but the workflow was pickled by {wanted}, and "
            "pickled functions do not cross minor versions. Use an image with Python "
            f"{wanted}, such as public.ecr.aws/docker/library/python:{wanted}-slim "
            f"(container_image_uri), or run the workflow with Python {found}.",
        )


def writable(folder):
    """Tell whether files can be made in ``folder``."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def make_scratch():
    """Return a new private folder; also in an image with a read-only root file system."""
    for folder in (os.environ.get("TMPDIR"), "/tmp", "/var/tmp", "/dev/shm", os.getcwd()):
        if folder and writable(folder):
            return tempfile.mkdtemp(prefix="covalent-awsbatch-", dir=folder)
    fail(
        EXIT_START_FAILED,
        "no folder of this container is writable. Add a tmpfs at /tmp "
        '(container_properties={"linuxParameters": {"tmpfs": [{"containerPath": "/tmp", '
        '"size": 512}]}}).',
    )
    return ""


def ensure_home(scratch):
    """Give the process a home it can write: Covalent and pip keep files there."""
    home = os.environ.get("HOME", "")
    if not (home and home != "/" and writable(home)):
        os.environ["HOME"] = scratch
        site.USER_BASE = site.USER_SITE = None
    if site.ENABLE_USER_SITE is not False:
        user_site = site.getusersitepackages()
        os.makedirs(user_site, exist_ok=True)
        site.addsitedir(user_site)


def missing(requirements):
    """Return the requirements of which no version can be imported."""
    return [
        requirement
        for requirement in requirements
        if importlib.util.find_spec(requirement.split("==")[0].replace("-", "_")) is None
    ]


def install(requirements):
    """Install requirements with pip, or say what to do about it."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input"]
    command += ["--disable-pip-version-check", "--root-user-action=ignore", "--retries=2"]
    # What is imported is compiled then, once; all the rest would take half of pip's time.
    command += ["--no-compile"]
    bounds = [line for line in os.environ["COVALENT_AWSBATCH_BOUNDS"].split() if line]
    environment = dict(os.environ, PIP_BREAK_SYSTEM_PACKAGES="1")
    status = subprocess.call(command + requirements + bounds, env=environment)
    importlib.invalidate_caches()
    left = missing(requirements)
    if status or left:
        fail(
            EXIT_START_FAILED,
            "this image lacks {}, and pip could not install what is missing (its output is "
            "above). Give the job a way to a package index, or use an image that has them: "
            "'covalent-awsbatch image' makes one.".format(" ".join(left or requirements)),
        )


def fetch_worker(client, path):
    """Fetch the worker's archive, or say why that cannot be."""
    bucket, key = os.environ["COVALENT_AWSBATCH_BUCKET"], os.environ["COVALENT_AWSBATCH_WORKER"]
    owner = os.environ["COVALENT_AWSBATCH_BUCKET_OWNER"]
    try:
        answer = client.get_object(Bucket=bucket, Key=key, ExpectedBucketOwner=owner)
        with open(path, "wb") as file:
            file.write(answer["Body"].read())
    except Exception as error:
        denied = "AccessDenied" in str(error) or "Forbidden" in str(error)
        fail(
            EXIT_NO_PERMISSION if denied else EXIT_START_FAILED,
            f"the worker could not be read from s3://{bucket}/{key}: {error}. The job's role "
            "(batch_job_role_name) needs s3:GetObject and s3:PutObject there, and the job a way "
            "to S3.",
        )


def start_task(path):
    """Fork the task's process, which imports Covalent while this one imports boto3 and fetches.

    Returns its id, the ends of its output pipes to read from, and the end of a pipe on which it
    awaits one byte when the worker is at ``path``, and another when the task is there too.
    """
    out, err, go = os.pipe(), os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        sys.exit(become_task(path, out, err, go))
    for end in (out[1], err[1], go[0]):
        os.close(end)
    return child, (out[0], err[0]), go[1]


def become_task(path, out, err, go):
    """Import Covalent, await the worker, and let it run the task."""
    os.close(go[1])
    for (read, write), target in ((out, 1), (err, 2)):
        os.close(read)
        os.dup2(write, target)
        os.close(write)
    import_covalent()
    if not os.read(go[0], 1):
        return EXIT_START_FAILED
    return import_worker(path, "task_process").run_task(os.path.dirname(path), go[0])


def import_covalent():
    """Import Covalent without its plugins, as the worker does; if it fails, that says why."""
    before = os.environ.get("COVALENT_PLUGIN_LOAD")
    os.environ["COVALENT_PLUGIN_LOAD"] = "false"
    with contextlib.suppress(Exception):
        importlib.import_module("covalent.executor.utils.wrappers")
    del os.environ["COVALENT_PLUGIN_LOAD"]
    if before is not None:
        os.environ["COVALENT_PLUGIN_LOAD"] = before


def import_worker(path, process):
    """Import one of the worker's two processes from its archive."""
    sys.path.insert(0, path)
    module = importlib.import_module(f"covalent_awsbatch_worker.job.{process}")
    sys.path.remove(path)
    return module


def main():
    """Prepare, then run the worker; its return value is the job's exit code."""
    check_python(os.environ["COVALENT_AWSBATCH_PYTHON"])
    scratch = make_scratch()
    ensure_home(scratch)
    lacking = missing(os.environ["COVALENT_AWSBATCH_REQUIREMENTS"].split())
    if lacking:
        install(lacking)
    path = os.path.join(scratch, "worker.zip")
    child, streams, go = start_task(path)
    import boto3
    from botocore.config import Config

    client = boto3.client("s3", config=Config(retries={"mode": "adaptive", "max_attempts": 10}))
    fetch_worker(client, path)
    os.write(go, b"1")
    return import_worker(path, "supervisor").main(scratch, client, child, streams, go)


if __name__ == "__main__":
    sys.exit(main())
