"""Where objects lie in the bucket, all under one prefix for a policy and a lifecycle rule to name.

::

    covalent/<dispatch>/blobs/<owner>/<sha256>            large inputs; shared
    covalent/<dispatch>/blobs/<owner>/packages-<sha256>   what DepsPip installs; shared
    covalent/_shared/packages-<sha256>                    the same, for all dispatches
    covalent/_shared/<sha256>                             the worker, and the server's packages
                                                          for jobs that import Covalent
    covalent/<dispatch>/<node>/<run>/task                 the task's envelope
    covalent/<dispatch>/<node>/<run>/<job id>/result-<n>  a large result of attempt n
    covalent/outcomes/<server>/<dispatch>/<node>/<job id>/outcome-<n>
                                                          how attempt n ended, written once
    covalent/<dispatch>/<node>/<job id>/outcome-<n>       an outcome that is kept

One prefix holds the outcomes that a server waits for: one listing shows all of them, whatever
dispatches they belong to. ``<owner>`` is one process and ``<run>`` one run, so that no other
process writes or deletes the same objects. What is shared and has an encryption of its own is in
a folder of that encryption, below ``<owner>`` or ``_shared``. ``<server>`` is the server's name in
its jobs' tags.
"""

from __future__ import annotations

import hashlib
import re

PREFIX = "covalent"

# The outcomes that servers wait for, by server.
OUTCOMES = f"{PREFIX}/outcomes/"

# What outlives dispatches: no dispatch's prefix begins so, whatever its id.
SHARED = f"{PREFIX}/_shared/"

_OUTCOME = re.compile(
    r"(?P<folder>.+/)(?P<job>[A-Za-z0-9_-]+)/outcome-(?P<attempt>[1-9][0-9]{0,3})"
)


# How the key of a claim to make an archive of packages ends.
CLAIM = ".claim"


def safe_name(name: object) -> str:
    """Return ``name`` where it is harmless in keys, names and tags, else a digest of it."""
    text = str(name)
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", text):
        return text
    return "x" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:31]


def dispatch_prefix(dispatch_id: object) -> str:
    """Return the prefix of a dispatch's objects, all but the outcomes that are waited for."""
    return f"{PREFIX}/{safe_name(dispatch_id)}/"


def node_prefix(dispatch_id: object, node_id: object) -> str:
    """Return the prefix of one node's objects in its dispatch."""
    return f"{dispatch_prefix(dispatch_id)}{safe_name(node_id)}/"


def blobs_prefix(dispatch_id: object, owner: str, encryption: str = "") -> str:
    """Return the prefix of the large inputs that one owner stores for a dispatch.

    Args:
        dispatch_id: The dispatch.
        owner: What names the owner.
        encryption: What names an encryption other than the bucket's.
    """
    return f"{dispatch_prefix(dispatch_id)}blobs/{safe_name(owner)}/{_folder(encryption)}"


def shared_prefix(encryption: str = "") -> str:
    """Return the prefix of what tasks of all dispatches share, by its encryption's name."""
    return f"{SHARED}{_folder(encryption)}"


def _folder(name: str) -> str:
    return f"{safe_name(name)}/" if name else ""


def packages_key(prefix: str, digest: str) -> str:
    """Return the key of the archive of packages that tasks share.

    Args:
        prefix: A dispatch's prefix of shared objects, or that of all dispatches.
        digest: A digest of what was asked for.
    """
    return f"{prefix}packages-{digest}"


def task_key(dispatch_id: object, node_id: object, run: str = "") -> str:
    """Return the key of a task's envelope."""
    folder = node_prefix(dispatch_id, node_id)
    return f"{folder}{safe_name(run)}/task" if run else f"{folder}task"


def is_task_key(key: str) -> bool:
    """Return whether a key is that of a task's envelope."""
    return key.endswith("/task")


def server_prefix(server: str) -> str:
    """Return the prefix of the outcomes that a server waits for."""
    return f"{OUTCOMES}{safe_name(server)}/"


def outcome_prefix(server: str, dispatch_id: object, node_id: object) -> str:
    """Return the prefix of the outcomes of one node, while its server waits for them."""
    return f"{server_prefix(server)}{safe_name(dispatch_id)}/{safe_name(node_id)}/"


def outcome_key(outcome_prefix: str, job_id: str, attempt: int) -> str:
    """Return the key of the outcome of one attempt."""
    return f"{outcome_prefix}{safe_name(job_id)}/outcome-{int(attempt)}"


def parse_outcome_key(key: str) -> tuple[str, int] | None:
    """Return the job's id and the attempt of an outcome's key; None for any other key."""
    found = _OUTCOME.fullmatch(key)
    return (found["job"], int(found["attempt"])) if found else None


def result_key(task_key: str, job_id: str, attempt: int) -> str:
    """Return the key of a result that is too large for the outcome."""
    folder = task_key.rpartition("/")[0]
    return f"{folder}/{safe_name(job_id)}/result-{int(attempt)}"
