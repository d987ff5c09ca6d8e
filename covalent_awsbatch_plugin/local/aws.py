"""The local AWS: server, resources and jobs, started and stopped together."""

from __future__ import annotations

import atexit
import os
import threading
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

from .batch.actions import Jobs
from .batch.attempts import Attempts
from .batch.scheduler import Scheduler
from .batch.task_credentials import TaskCredentials
from .faults.injection import Faults
from .faults.plan import FaultPlan
from .gateway import Gateway
from .http.server import HOST, Server
from .runners.runner import Runner
from .runners.selection import make_runner
from .services import access_keys, moto_backend
from .services.clients import clients
from .services.stack import create_stack
from .tracking.process import remove_file
from .tracking.resource_tracker import temporary_folder, track_file

NEEDED = ("moto", "flask", "flask_cors", "docker")
MISSING = (
    "The local AWS needs packages that the plugin itself does not. Install them with: "
    'pip install "covalent-awsbatch-plugin[local]"'
)

# AWS's seconds between SIGTERM and SIGKILL.
GRACE_SECONDS = 30.0

# moto's state is the process's.
_only_one = threading.Lock()


class LocalAws:
    """AWS on this machine, for as long as the context lasts: jobs run as processes or containers.

    All of it ends, and its files are removed, even if this process is killed.

    Its resources are those of the template that ``covalent-awsbatch deploy`` deploys. One can run
    at a time in a process; several one after the other do not see each other's state.

    Args:
        runner: What runs jobs: ``processes``, ``containers``, or ``auto`` for containers where a
            container engine answers and processes elsewhere. Or a runner of one's own.
        prefix: The prefix of the stack that is there from the beginning; empty for none.
        port: The port; a free one below 32768 by default.
        region: The region of the stack.
        slots: How many attempts run at once; the others wait in RUNNABLE. By default twice the
            number of cores, since an attempt waits about half of its time.
        folder: Where its credentials file is, while it runs; a temporary folder by default. The
            folder is removed too if nothing else is in it.
        faults: What goes wrong; nothing by default.
        time_scale: Seconds that a second of AWS's time limits takes: of a job's timeout, and of
            the time between SIGTERM and SIGKILL. For tests, since AWS allows no timeout below 60.

    Attributes:
        region: The region.

    Raises:
        ImportError: The extra ``local`` is not installed; the message names the command.
    """

    def __init__(
        self,
        runner: str | Runner = "auto",
        *,
        prefix: str = "covalent",
        port: int = 0,
        region: str = "us-east-1",
        slots: int = 0,
        folder: Path | None = None,
        faults: FaultPlan | None = None,
        time_scale: float = 1.0,
    ) -> None:
        if not all(find_spec(name) for name in NEEDED):
            raise ImportError(MISSING)
        self.region = region
        self._wanted_runner = runner
        self._prefix = prefix
        self._wanted_port = port
        self._slots = slots or 2 * (os.cpu_count() or 1)
        self._folder = folder
        self._faults = Faults(faults or FaultPlan())
        self._time_scale = time_scale
        self._parts = ExitStack()
        self._options: dict[str, str] = {}

    # Start and stop

    def start(self) -> LocalAws:
        """Start it, with its first stack.

        Raises:
            RuntimeError: Another one runs in this process.
            OSError: The port is taken.
        """
        if not _only_one.acquire(blocking=False):
            raise RuntimeError("A local AWS runs in this process already; stop it first.")
        self._parts.callback(_only_one.release)
        atexit.register(self.stop)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def _start(self) -> None:
        moto_backend.install_patches()
        moto_backend.forget_everything()
        self._parts.callback(moto_backend.forget_everything)
        self._runner = make_runner(self._wanted_runner)
        self._parts.callback(self._runner.close)
        self._server = Server(self._wanted_port)
        self._parts.callback(self._server.stop)
        # Not before the port is bound: what has it may use the same folder.
        self._write_credentials()
        self._credentials_of_jobs = TaskCredentials(self.endpoint_url)
        self._gateway = Gateway(
            self._new_jobs(),
            moto_backend.application(),
            self._credentials_of_jobs,
            self._faults,
            self.reset,
        )
        self._parts.callback(self._end_jobs)
        self._server.serve(self._gateway)
        self._deploy()

    def _new_jobs(self) -> Jobs:
        grace = GRACE_SECONDS * self._time_scale
        attempts = Attempts(
            self._runner,
            self._job_environment(),
            self._credentials_of_jobs,
            grace,
            self._time_scale,
            self._faults,
        )
        self._scheduler = Scheduler(attempts, self._slots, grace)
        return Jobs(self._scheduler)

    def _job_environment(self) -> dict[str, str]:
        """Return what on AWS a job gets from its network, and here from variables.

        No region: ECS gives jobs none, or only AWS_REGION, by the age of the host's agent.
        """
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def _end_jobs(self) -> None:
        self._scheduler.close()

    def _deploy(self) -> None:
        self._options = self.create_stack(self._prefix) if self._prefix else {}

    def stop(self) -> None:
        """End all jobs and the server, and remove every file. Doing it twice does no harm."""
        atexit.unregister(self.stop)
        self._parts.close()

    def reset(self) -> None:
        """End all jobs and forget everything, then make the first stack again.

        ``POST /moto-api/reset`` does the same.
        """
        self._end_jobs()
        moto_backend.forget_everything()
        self._gateway.jobs = self._new_jobs()
        self._deploy()

    def __enter__(self) -> LocalAws:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # How to use it

    @property
    def endpoint_url(self) -> str:
        """The address of every service."""
        return f"http://{HOST}:{self._server.port}"

    @property
    def runner_name(self) -> str:
        """What runs jobs, ``processes`` or ``containers``."""
        return self._runner.name

    @property
    def credentials_file(self) -> Path:
        """A credentials file with keys that are accepted, in the profile ``default``."""
        return self._credentials

    def _write_credentials(self) -> None:
        folder = self._folder or self._parts.enter_context(
            temporary_folder("covalent-awsbatch-local-")
        )
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._credentials = folder / "credentials"
        self._parts.callback(track_file(self._credentials))
        self._parts.callback(remove_file, str(self._credentials))
        self._credentials.write_text(
            f"[default]\naws_access_key_id = {access_keys.USER}\n"
            f"aws_secret_access_key = {access_keys.SECRET}\n"
        )

    def client(self, service: str) -> Any:
        """Return a boto3 client of a service, the same on every call.

        It sees the truth: no fault of the plan concerns its calls.
        """
        return clients(self.endpoint_url, self.region)(service)

    @property
    def faults(self) -> FaultPlan:
        """What goes wrong. A plan that is set counts calls and attempts from the beginning."""
        return self._faults.plan

    @faults.setter
    def faults(self, plan: FaultPlan) -> None:
        self._faults.use(plan)

    @property
    def injected(self) -> dict[str, int]:
        """How many calls and attempts had a fault injected, such as ``job host_lost``."""
        return dict(self._faults.injected)

    def executor_options(self) -> dict[str, str]:
        """Return the executor's options, or the configuration's, for the first stack."""
        return dict(self._options)

    def create_stack(self, prefix: str) -> dict[str, str]:
        """Make another set of resources; return the executor's options for it.

        Args:
            prefix: The prefix of its names, 1 to 15 lower-case letters, digits and hyphens.

        Raises:
            RuntimeError: It could not be made.
        """
        # Each process has a Python at a path of its own, where no other's packages fit.
        sharing = {"share_packages": "never"} if self.runner_name == "processes" else {}
        return {
            **create_stack(self.client, prefix),
            **sharing,
            "endpoint_url": self.endpoint_url,
            "credentials": str(self.credentials_file),
            "profile": "default",
        }
