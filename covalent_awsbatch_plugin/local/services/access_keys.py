"""Access keys, by which requests are distinguished. Every key is accepted."""

from __future__ import annotations

USER = "local"
JOB = "local-job"

# Of this program's own requests, which no fault concerns.
ITSELF = "local-aws"

SECRET = "local"  # noqa: S105 - no secret
