"""For how long a call is retried, by what its failure means and what has happened before."""

from __future__ import annotations

import pytest

from covalent_awsbatch_plugin.aws.calls.aws_errors import Kind
from covalent_awsbatch_plugin.aws.calls.patience import (
    FIRST_PATIENCE,
    FOREVER,
    NONE,
    PATIENCE,
    History,
    patience_with,
)

NEW = History(frozenset(), other_keys=False)
USED = History(frozenset({"batch:describe_jobs", "s3:get_object"}), other_keys=False)
OTHER_KEYS = History(frozenset({"sts:get_caller_identity"}), other_keys=True)

DESCRIBE, GET, SUBMIT = "batch:describe_jobs", "s3:get_object", "batch:submit_job"


@pytest.mark.parametrize(
    ("kind", "name", "longest", "history", "seconds"),
    [
        # Before anything has succeeded, a wrong set-up is likelier than an outage.
        (Kind.TRANSIENT, SUBMIT, PATIENCE, NEW, FIRST_PATIENCE),
        (Kind.EXPIRED, DESCRIBE, FOREVER, NEW, FIRST_PATIENCE),
        (Kind.CREDENTIALS, SUBMIT, PATIENCE, NEW, NONE),
        (Kind.DENIED, DESCRIBE, FOREVER, NEW, NONE),
        # What passes is waited for.
        (Kind.TRANSIENT, SUBMIT, PATIENCE, USED, PATIENCE),
        (Kind.THROTTLED, DESCRIBE, FOREVER, USED, FOREVER),
        (Kind.CLOCK, GET, FOREVER, USED, FOREVER),
        (Kind.CREDENTIALS, DESCRIBE, FOREVER, USED, FOREVER),
        (Kind.TRANSIENT, SUBMIT, 5.0, USED, 5.0),
        # What was permitted once may be so again; a job that runs depends on it.
        (Kind.DENIED, DESCRIBE, FOREVER, USED, FOREVER),
        (Kind.REFUSED, DESCRIBE, FOREVER, USED, FOREVER),
        (Kind.DENIED, DESCRIBE, FOREVER, OTHER_KEYS, FOREVER),
        # S3 denies a single object where it is missing.
        (Kind.DENIED, GET, FOREVER, USED, PATIENCE),
        (Kind.MISSING, GET, FOREVER, USED, NONE),
        # Before there is a job, a refusal is one.
        (Kind.DENIED, SUBMIT, PATIENCE, USED, NONE),
        (Kind.REFUSED, SUBMIT, PATIENCE, OTHER_KEYS, NONE),
        (Kind.DENIED, "batch:list_jobs", FOREVER, USED, NONE),
    ],
)
def test_how_long_a_call_is_retried(
    kind: Kind, name: str, longest: float, history: History, seconds: float
) -> None:
    assert patience_with(kind, name, longest, history) == seconds
