"""What a job's command runs first: it fetches the worker from the bucket and hands over.

Its source, packed with that of ``s3_request``, is part of the job's command. It needs a Python and
nothing installed, and any Python 3 can run it far enough to report why it is the wrong one. Its
messages are short: the server adds what to do about them. The worker is an archive with the
package ``covalent_awsbatch_worker``: ``job``, what it shares with the server, and cloudpickle. It
is not in the command itself because DescribeJobs repeats the command for each of a hundred jobs.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
import tempfile

from .s3_request import S3

EXIT_START_FAILED = 200
EXIT_PYTHON_MISMATCH = 210
EXIT_NO_PERMISSION = 212


def fail(code, message):
    """Write why the job cannot start to its log, and end it."""
    sys.stderr.write("covalent-awsbatch: " + message + "\n")
    sys.stderr.flush()
    sys.exit(code)


def check_python(wanted):
    """Refuse a Python whose pickles the client's Python cannot exchange."""
    found = "{}.{}".format(*sys.version_info[:2])
    if found != wanted:
        fail(
            EXIT_PYTHON_MISMATCH,
            f"this image runs Python {found}, the workflow was pickled by {wanted}.",
        )


def make_scratch():
    """Return a new private folder; also in an image with a read-only root file system."""
    for folder in (os.environ.get("TMPDIR"), "/tmp", "/var/tmp", "/dev/shm", os.getcwd()):
        try:
            if folder:
                return tempfile.mkdtemp(prefix="covalent-awsbatch-", dir=folder)
        except OSError:
            continue
    fail(EXIT_START_FAILED, "no folder of this container is writable: mount a tmpfs at /tmp.")


def fetch_worker(s3, key, path):
    """Fetch the worker's archive, whose key ends with its digest, or report why that cannot be."""
    try:
        content = s3.send("GET", key)[1]
        if not key.endswith(hashlib.sha256(content).hexdigest()):
            raise ValueError("damaged")
        with open(path, "wb") as file:
            file.write(content)
    except Exception as error:
        fail(
            EXIT_NO_PERMISSION if getattr(error, "status", 0) == 403 else EXIT_START_FAILED,
            f"the worker could not be read from s3://{s3.bucket}/{key}: {error}",
        )


def main():
    """Fetch the worker and run it; its return value is the job's exit code."""
    environ = os.environ
    check_python(environ["COVALENT_AWSBATCH_PYTHON"])
    scratch = make_scratch()
    path = os.path.join(scratch, "worker.zip")
    owner = environ["COVALENT_AWSBATCH_BUCKET_OWNER"]
    s3 = S3(environ["COVALENT_AWSBATCH_BUCKET"], owner, environ)
    fetch_worker(s3, environ["COVALENT_AWSBATCH_WORKER"], path)
    sys.path.insert(0, path)
    launch = importlib.import_module("covalent_awsbatch_worker.job.launch")
    return launch.main(scratch, s3)


if __name__ == "__main__":
    sys.exit(main())
