"""Exit codes of the job's process, which retry strategies and the diagnosis read."""

from __future__ import annotations

# Exit codes of the worker. 210 to 219 mean that another attempt cannot do better; retry
# strategies match them with NEVER_RETRIED.
EXIT_RETURNED = 0
EXIT_RAISED = 1
EXIT_START_FAILED = 200
EXIT_PYTHON_MISMATCH = 210
EXIT_NOT_SERIALIZABLE = 211
EXIT_NO_PERMISSION = 212
EXIT_BAD_TASK = 213
EXIT_NO_PYTHON = 214
# The task ran, but its outcome could not be stored.
EXIT_NOT_STORED = 215
# A part of the task could not be unpickled, for want of a module for example.
EXIT_CANNOT_UNPICKLE = 216
NEVER_RETRIED = "21*"


def of_job(code: int) -> int:
    """Return the exit code of a job whose task ended its own process with ``code``.

    It is the same, unless it is one of the worker's or ``NEVER_RETRIED`` matches it (21 too):
    then it is 1. The outcome has the task's own.
    """
    matched = str(code).startswith(NEVER_RETRIED.rstrip("*"))
    return EXIT_RAISED if matched or code == EXIT_START_FAILED else code
