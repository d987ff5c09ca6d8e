"""Where objects lie in the bucket, all under one prefix for a policy and a lifecycle rule to name.

::

    covalent/<dispatch>/blobs/<sha256>                 large inputs, and the worker; shared
    covalent/<dispatch>/<node>/task                    the task's envelope
    covalent/<dispatch>/<node>/<job id>/outcome-<n>    how attempt n ended, written once
    covalent/<dispatch>/<node>/<job id>/result-<n>     its result, where that is large
"""

from __future__ import annotations

import hashlib
import re

PREFIX = "covalent"


def safe_name(name: object) -> str:
    """Return ``name`` where it is harmless in keys, names and tags, else a digest of it."""
    text = str(name)
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", text):
        return text
    return "x" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:31]


def dispatch_prefix(dispatch_id: object) -> str:
    """Return the prefix of everything that belongs to a dispatch."""
    return f"{PREFIX}/{safe_name(dispatch_id)}/"


def node_prefix(dispatch_id: object, node_id: object) -> str:
    """Return the prefix of everything that belongs to one node."""
    return f"{dispatch_prefix(dispatch_id)}{safe_name(node_id)}/"


def blob_key(dispatch_id: object, digest: str) -> str:
    """Return the key of a large input by its SHA-256."""
    return f"{dispatch_prefix(dispatch_id)}blobs/{digest}"


def task_key(dispatch_id: object, node_id: object) -> str:
    """Return the key of a task's envelope."""
    return f"{node_prefix(dispatch_id, node_id)}task"


def outcome_key(outcome_prefix: str, job_id: str, attempt: int) -> str:
    """Return the key of the outcome of one attempt."""
    return f"{outcome_prefix}{safe_name(job_id)}/outcome-{int(attempt)}"


def result_key(outcome_prefix: str, job_id: str, attempt: int) -> str:
    """Return the key of a result too large for the outcome."""
    return f"{outcome_prefix}{safe_name(job_id)}/result-{int(attempt)}"
