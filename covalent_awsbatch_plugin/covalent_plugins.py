"""Imports Covalent where the executor's module is what a program imports first.

Covalent loads its plugins while it is imported. If that import began in ``awsbatch``, Covalent
would find the module half imported, without the executor's class, and leave it out. So this
module imports Covalent without plugins, and ``awsbatch`` calls ``load_pending`` at its end.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

SWITCH = "COVALENT_PLUGIN_LOAD"


def _import_covalent() -> bool:
    """Import Covalent, unless its import has begun; return whether plugins are to be loaded."""
    if "covalent" in sys.modules:
        return False
    before = os.environ.get(SWITCH)
    os.environ[SWITCH] = "false"
    try:
        import_module("covalent")
    finally:
        del os.environ[SWITCH]
        if before is not None:
            os.environ[SWITCH] = before
    return before is None or before.lower() == "true"


_pending = _import_covalent()


def load_pending() -> None:
    """Load every plugin, as Covalent does itself where it is imported first."""
    if not _pending:
        return
    executor = import_module("covalent.executor")
    manager = executor._executor_manager
    manager.generate_plugins_list()
    for plugin in manager.executor_plugins_map.values():
        setattr(executor, plugin.__name__, plugin)
