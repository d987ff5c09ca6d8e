"""A Covalent server of one's own, for demonstrations and tests: its own home, its own port.

Nothing of a user's server, database or configuration is touched.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from .loopback import direct_environment, open_directly
from .ports import free_port
from .tracking.resource_tracker import temporary_folder, track_group

START_LIMIT = 90.0
STOP_LIMIT = 20.0

# Makes the database, then becomes the server, in one process that can be ended by its id.
LAUNCH = """
import runpy, sys
from covalent_dispatcher._db.datastore import workflow_db
workflow_db.run_migrations(logging_enabled=False)
import covalent_ui, os
folder = os.path.dirname(covalent_ui.__file__)
os.chdir(folder)
sys.path.insert(0, folder)
sys.argv = ["app.py", "--port", sys.argv[1], "--no-cluster"]
runpy.run_path("app.py", run_name="__main__")
"""


class CovalentServer:
    """A Covalent server on 127.0.0.1 for as long as the context lasts.

    It ends, and a temporary home is removed, even if this process is killed.

    Args:
        home: Its home, where configuration, database and results go; a temporary one by default.
        port: Its port; a free one by default.
        environment: Further environment variables of the server.

    Attributes:
        home: Its home.
        port: Its port, below 32768.
        url: Its address.
    """

    def __init__(
        self,
        home: Path | None = None,
        port: int = 0,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._temporary = ExitStack()
        self.home = home or self._temporary.enter_context(
            temporary_folder("covalent-home-", processes=True)
        )
        self.port = port or free_port()
        self.url = f"http://localhost:{self.port}"
        self._extra = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._untrack = ExitStack()

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the server, and of clients that are to find it."""
        inherited = {
            k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "COVALENT_"))
        }
        return {
            **direct_environment(inherited),
            "HOME": str(self.home),
            # Covalent leaves a database behind in the folder for temporary files.
            "TMPDIR": str(self.home / "tmp"),
            "COVALENT_CONFIG_DIR": str(self.home / ".config" / "covalent"),
            "COVALENT_SVC_PORT": str(self.port),
            # Electrons without an executor run in processes of the server, not in a Dask cluster.
            "COVALENT_DISABLE_DASK": "1",
            **self._extra,
        }

    @property
    def config_file(self) -> Path:
        """The Covalent configuration of the server and its clients."""
        return self.home / ".config" / "covalent" / "covalent.conf"

    @property
    def log_file(self) -> Path:
        """What the server writes."""
        return self.home / "server.log"

    def start(self) -> CovalentServer:
        """Start the server and wait until it answers.

        Raises:
            RuntimeError: It ended, or did not answer in time; the text has the end of its log.
        """
        (self.home / "tmp").mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
                [sys.executable, "-c", LAUNCH, str(self.port)],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._untrack.callback(track_group(self._process.pid, STOP_LIMIT))
        deadline = time.monotonic() + START_LIMIT
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop(keep_home=True)
                tail = self.log_file.read_text("utf-8", "replace")[-2000:]
                raise RuntimeError(f"The Covalent server did not start. Its log ends:\n{tail}")
            time.sleep(0.1)
        return self

    def _answers(self) -> bool:
        try:
            with open_directly(self.url, timeout=2):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def stop(self, keep_home: bool = False) -> None:
        """Stop the server as ``covalent stop`` does, and whatever it left running."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_LIMIT)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            self._untrack.close()
            process.wait()
        if not keep_home:
            self._temporary.close()

    def __enter__(self) -> CovalentServer:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
