"""Every rule of the diagnosis in order: the first that applies counts."""

from __future__ import annotations

from .container_rules import CONTAINER
from .job_rules import DECIDED, HOST_LOST, OUT_OF_MEMORY, SIGKILL, WAITING, WORKER
from .rule import Rule

__all__ = [
    "AFTER_TERMINATION",
    "BEFORE_TERMINATION",
    "DECIDED",
    "HOST_LOST",
    "OUT_OF_MEMORY",
    "RULES",
    "SIGKILL",
    "Rule",
]

# For a job without an outcome. A termination is a flag of the job, not words: between the two.
BEFORE_TERMINATION = (*DECIDED, *WAITING)
AFTER_TERMINATION = (OUT_OF_MEMORY, HOST_LOST, *CONTAINER, *WORKER)
RULES = (*BEFORE_TERMINATION, *AFTER_TERMINATION)
