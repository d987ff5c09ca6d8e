"""The error for a task that returned, whose result did not reach the Covalent server. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ResultNotFetched
from ..protocol.messages import Part


def not_fetched(
    metadata: Mapping[str, Any], job_id: str, folder: str, result: Part | None, cause: Exception
) -> ResultNotFetched:
    """Return the error that names where a result is, and how to fetch it.

    Args:
        metadata: The task's ``dispatch_id`` and ``node_id``.
        job_id: The job's id.
        folder: The address of the task's folder in the bucket.
        result: The result's description.
        cause: What went wrong.
    """
    evidence = [f"Job: {job_id}", f"Outcome: under {folder}"]
    if result is not None and result.key:
        bucket = folder.removeprefix("s3://").partition("/")[0]
        evidence.append(f"Result: s3://{bucket}/{result.key} ({result.size:,} bytes)")
    return ResultNotFetched(
        f"{type(cause).__name__}: {cause}",
        advice="correct that on the Covalent server, then fetch the result with "
        f"'await executor.query_result({dict(metadata)})', or save it to a file with "
        f"'covalent-awsbatch recover {metadata['dispatch_id']} --save FOLDER'. It stays in the "
        "bucket until the bucket's lifecycle rule deletes it.",
        evidence="\n".join(evidence),
    )
