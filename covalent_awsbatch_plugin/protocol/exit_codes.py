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
NEVER_RETRIED = "21*"
