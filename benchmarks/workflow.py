"""Dispatch a fan-out of instant electrons and print the seconds it took, by the server's clock.

Run as a script: ``python workflow.py EXECUTOR WIDTH``.
"""

from __future__ import annotations

import sys

import covalent as ct

EXECUTOR, WIDTH = sys.argv[1], int(sys.argv[2])


@ct.electron(executor=EXECUTOR)  # type: ignore[untyped-decorator]
def instant(number: int) -> None:
    """Return at once."""


@ct.lattice(executor="local", workflow_executor="local")  # type: ignore[untyped-decorator]
def fan_out(width: int) -> None:
    """Call ``instant`` ``width`` times."""
    for number in range(width):
        instant(number)


dispatch_id = ct.dispatch(fan_out)(WIDTH)
result = ct.get_result(dispatch_id, wait=True)
if str(result.status) != "COMPLETED":
    sys.exit(f"{dispatch_id} is {result.status}: {result.error}")
print((result.end_time - result.start_time).total_seconds())
