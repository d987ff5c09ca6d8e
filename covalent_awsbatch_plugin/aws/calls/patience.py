"""For how long a call that fails is retried. Pure."""

from __future__ import annotations

import math
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from .aws_errors import Kind

# Seconds for which a call is retried: through an outage or throttling of AWS while tasks run; for
# what a job that was submitted depends on; and before any call has succeeded, when a wrong set-up
# is likelier.
PATIENCE = 3600.0
FOREVER = math.inf
FIRST_PATIENCE = 20.0

# The patience with what is not retried.
NONE = -1.0

# Failures after which credentials are looked for anew. What is denied may be so because they are
# of another account.
RENEWABLE = frozenset({Kind.EXPIRED, Kind.CREDENTIALS, Kind.DENIED})

PASSING = frozenset({Kind.EXPIRED, Kind.CLOCK, Kind.THROTTLED, Kind.TRANSIENT})


@dataclass(frozen=True)
class History:
    """What has happened to a session's calls so far.

    Attributes:
        succeeded: The calls that have succeeded once, as ``service:operation``.
        other_keys: Whether other credentials were found since the session began: they may be of
            another account.
    """

    succeeded: AbstractSet[str]
    other_keys: bool


def patience_with(kind: Kind, name: str, longest: float, history: History) -> float:
    """Return for how many seconds a call is retried that fails in this way.

    Args:
        kind: What its failure means.
        name: The call, as ``service:operation``.
        longest: For how long it is retried at most.
        history: What has happened to the session's calls so far.
    """
    if kind in PASSING:
        return longest if history.succeeded else min(FIRST_PATIENCE, longest)
    if kind is Kind.CREDENTIALS:
        # They were valid once, so they can be again.
        return longest if history.succeeded else NONE
    if longest < FOREVER or not (name in history.succeeded or history.other_keys):
        return NONE
    if name.startswith("s3:"):
        # What is denied may be one object, which S3 does not distinguish from a missing one.
        return PATIENCE if kind is Kind.DENIED else NONE
    return FOREVER
