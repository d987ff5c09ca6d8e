"""A local AWS on which the walk's failures happen: with processes alone, most would not.

It ends when its standard input closes.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from covalent_awsbatch_plugin.local import LocalAws
from covalent_awsbatch_plugin.local.runners.processes import ProcessRunner
from covalent_awsbatch_plugin.local.runners.runner import (
    AttemptExit,
    AttemptNotStarted,
    AttemptSpec,
    RunningAttempt,
)

from .workflows import NO_IMAGE

NO_PERMISSION = (
    b"<Error><Code>AccessDenied</Code><Message>is not authorized to perform: s3:GetObject"
    b"</Message></Error>"
)

# Jobs that ask for less are watched; looking costs processor time.
WATCHED_MIB = 600

# Ends a command whose processes have more memory than so many MiB.
WATCH = """
import psutil, subprocess, sys, time
limit, command = int(sys.argv[1]), sys.argv[2:]
watched = subprocess.Popen(command)
while watched.poll() is None:
    used = 0
    for process in [psutil.Process(watched.pid), *psutil.Process(watched.pid).children(True)]:
        try:
            used += process.memory_info().rss
        except psutil.NoSuchProcess:
            pass
    if used > limit * 2**20:
        sys.exit(137)
    time.sleep(0.05)
sys.exit(watched.returncode)
"""


@dataclass
class Watched:
    """An attempt with a limit of memory."""

    running: RunningAttempt

    def wait(self) -> AttemptExit:
        ended = self.running.wait()
        reason = "OutOfMemoryError: Container killed due to memory usage"
        return replace(ended, reason=reason) if ended.exit_code == 137 else ended

    def stop(self, grace: float) -> None:
        self.running.stop(grace)


class StrictRunner(ProcessRunner):
    """Runs processes, and looks at the image, the roles and the memory too.

    Args:
        refusing: The URL of a service that refuses everything.
    """

    def __init__(self, refusing: str) -> None:
        super().__init__()
        self._refusing = refusing

    def start(self, spec: AttemptSpec, on_line: Callable[[bytes], None]) -> RunningAttempt:
        if spec.image == NO_IMAGE:
            raise AttemptNotStarted(
                f"CannotPullContainerError: Error response from daemon: manifest for {spec.image} "
                "not found: manifest unknown"
            )
        roles = spec.container_properties
        if roles.get("jobRoleArn") == roles["executionRoleArn"]:
            denied = {**spec.environment, "AWS_ENDPOINT_URL": self._refusing}
            spec = replace(spec, environment=denied)
        if spec.memory_mib > WATCHED_MIB:
            return super().start(spec, on_line)
        watching = (sys.executable, "-c", WATCH, str(spec.memory_mib), *spec.command)
        return Watched(super().start(replace(spec, command=watching), on_line))


class Refusing(BaseHTTPRequestHandler):
    """Refuses everything, as S3 does."""

    def _refuse(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(403)
        self.send_header("Content-Length", str(len(NO_PERMISSION)))
        self.end_headers()
        self.wfile.write(NO_PERMISSION)

    do_GET = do_PUT = do_POST = do_DELETE = _refuse  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def main() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        runner = StrictRunner(f"http://127.0.0.1:{server.server_port}")
        # A time limit of a minute, the least that AWS takes, is fifteen seconds here.
        with LocalAws(runner=runner, time_scale=0.25, prefix="") as local:
            access = {
                "endpoint_url": local.endpoint_url,
                "credentials": str(local.credentials_file),
            }
            print(json.dumps(access), flush=True)
            sys.stdin.read()
        server.shutdown()


if __name__ == "__main__":
    main()
