"""What every test has: a home, an AWS and a Covalent configuration of its own.

The environment is set before anything imports Covalent, which reads it once, at import.
"""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack

from hypothesis import settings

from covalent_awsbatch_plugin.local.loopback import direct_environment
from covalent_awsbatch_plugin.local.ports import free_port
from covalent_awsbatch_plugin.local.tracking.resource_tracker import temporary_folder

# A test run that is asked to end does so as after Ctrl-C: its fixtures clean up. In the background
# of a script SIGINT is ignored, and what tests start would inherit that.
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.default_int_handler)

_session = ExitStack()
HOME = str(_session.enter_context(temporary_folder("covalent-awsbatch-tests-", processes=True)))
for name in [name for name in os.environ if name.startswith(("AWS_", "COVALENT_"))]:
    # Certificates of the machine are no configuration of an account.
    if name != "AWS_CA_BUNDLE" and not name.startswith("COVALENT_AWSBATCH_TEST"):
        del os.environ[name]
os.environ.update(
    HOME=HOME,
    COVALENT_CONFIG_DIR=os.path.join(HOME, ".config", "covalent"),
    COVALENT_SVC_PORT=str(free_port()),
    COVALENT_DISABLE_DASK="1",
    AWS_EC2_METADATA_DISABLED="true",
)
# Test servers are on this machine, whatever proxies its other programs use.
os.environ.update(direct_environment(os.environ))
for name in ("XDG_CONFIG_DIR", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
    os.environ.pop(name, None)

# A busy machine is no failure: nothing here asserts how long an example takes.
settings.register_profile("ours", deadline=None)
settings.load_profile("ours")


def pytest_unconfigure() -> None:
    _session.close()
