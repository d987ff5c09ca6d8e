"""Runs a local AWS as a process of its own; it ends when its standard input closes.

One process can hold one local AWS, and other tests have theirs.
"""

from __future__ import annotations

import json
import sys

from covalent_awsbatch_plugin.local import LocalAws

SLOTS = 4

if __name__ == "__main__":
    with LocalAws(runner="processes", slots=SLOTS) as local:
        print(json.dumps(local.executor_options()), flush=True)
        sys.stdin.read()
