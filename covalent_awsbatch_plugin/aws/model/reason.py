"""Why a job is ended, as AWS shows it."""

from __future__ import annotations

from dataclasses import dataclass

from ...protocol import s3_keys
from .description import CANCELLED


@dataclass(frozen=True)
class Reason:
    """Why a job is ended.

    Attributes:
        own: The reason of one job.
        shared: That of all jobs that are ended for the same cause; empty where there are none.
    """

    own: str
    shared: str = ""


def cancelled(dispatch_id: str, node_id: int) -> Reason:
    """Return the reason for a cancelled job."""
    dispatch = f"{CANCELLED} dispatch {s3_keys.safe_name(dispatch_id)}"
    return Reason(f"{dispatch}, node {s3_keys.safe_name(node_id)}", dispatch)


def server_stopped(dispatch_id: str, node_id: int) -> Reason:
    """Return the reason for the job of a server that stops."""
    own = cancelled(dispatch_id, node_id).own
    return Reason(
        f"{own}: the Covalent server stopped", f"{CANCELLED} the Covalent server stopped"
    )
