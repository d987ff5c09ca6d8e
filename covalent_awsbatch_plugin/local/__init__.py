"""AWS on this machine: moto for the services, processes or containers for the jobs.

::

    LocalAws ── Server ── Gateway ─┬─ Jobs ── Scheduler ── Attempts ── Runner
                                   │                     (processes or containers)
                                   └─ moto, patched by services/

All that is known of moto's insides is in ``services``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .aws import LocalAws
    from .faults.plan import ApiFault, FaultPlan, JobFault

__all__ = ["ApiFault", "FaultPlan", "JobFault", "LocalAws"]


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import aws, faults

    return getattr(aws if name == "LocalAws" else faults, name)
