"""Errors that the user can act on, for calls that failed for good; and what to do meanwhile."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...errors import (
    AWSError,
    AWSUnavailable,
    BatchTaskError,
    BucketElsewhere,
    CredentialsFailed,
    NotPermitted,
    ResourceMissing,
)
from .aws_errors import Kind, cause_of, code_of

CLOCK_ADVICE = "set the clock of the Covalent server's host; 'timedatectl' shows its state."
CREDENTIALS_ADVICE = (
    "renew them ('aws sso login', a new key, a role for the server's host), or check the options "
    "profile= and credentials=. The Covalent server looks for them, not the client."
)
NETWORK_ADVICE = "check the network and https://health.aws.amazon.com"


def while_waiting(kind: Kind) -> str:
    """Return what to do while a call of this kind is retried."""
    return {
        Kind.CLOCK: CLOCK_ADVICE,
        Kind.EXPIRED: CREDENTIALS_ADVICE,
        Kind.CREDENTIALS: CREDENTIALS_ADVICE,
        Kind.DENIED: "grant it again; 'covalent-awsbatch doctor' checks permissions.",
        Kind.THROTTLED: "nothing; calls are made more slowly.",
    }.get(kind, f"{NETWORK_ADVICE}.")


def translate(
    error: BaseException, kind: Kind, service: str, operation: str, params: Mapping[str, Any]
) -> BatchTaskError:
    """Return the error that the user is to see for a call that failed for good."""
    error = cause_of(error)
    call = f"{service}:{operation}"
    text = f"{call} answered {code_of(error)}: {_message(error)}"
    if kind in (Kind.CREDENTIALS, Kind.EXPIRED):
        return CredentialsFailed(text, advice=CREDENTIALS_ADVICE)
    if kind in (Kind.THROTTLED, Kind.TRANSIENT, Kind.CLOCK):
        advice = CLOCK_ADVICE if kind is Kind.CLOCK else f"{NETWORK_ADVICE}, then dispatch again."
        return AWSUnavailable(text, advice=advice)
    if kind is Kind.DENIED:
        return _denied(error, call, params)
    if kind is Kind.MISSING and code_of(error) == "NoSuchBucket":
        return BucketElsewhere(
            f"There is no bucket {params.get('Bucket')!r}.",
            advice="check s3_bucket_name=, or create it: 'covalent-awsbatch deploy' does.",
        )
    if kind is Kind.MISSING or _is_missing(error):
        return ResourceMissing(
            text, advice="'covalent-awsbatch doctor' shows what is missing and how to create it."
        )
    return AWSError(text, advice="'covalent-awsbatch doctor' checks the account's set-up.")


def _message(error: BaseException) -> str:
    response: Mapping[str, Any] = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Message") or error)[:1000]


def _is_missing(error: BaseException) -> bool:
    # Batch has one code for everything it does not accept: ClientException.
    return bool(re.search(r"not found|does not exist|not exist", _message(error), re.IGNORECASE))


def _denied(error: BaseException, call: str, params: Mapping[str, Any]) -> NotPermitted:
    message = _message(error)
    found = re.search(r"not authorized to perform: (\S+)(?: on resource: (\S+))?", message)
    action = found.group(1) if found else call
    resource = (found and found.group(2)) or _resource(params)
    where = f" on {resource}" if resource else ""
    advice = (
        f"let the caller of the Covalent server do {action}{where}. The policy that it needs is "
        "in the documentation; 'covalent-awsbatch doctor' checks it."
    )
    if action == "s3:PutObject":
        advice += " A bucket whose policy requires encryption headers needs s3_encryption=."
    return NotPermitted(f"It denied {action}{where}: {message}", advice=advice)


def _resource(params: Mapping[str, Any]) -> str:
    if "Bucket" in params:
        return f"s3://{params['Bucket']}/{params.get('Key', '')}".rstrip("/")
    for name in ("jobQueue", "jobDefinitionName", "jobId", "logGroupName"):
        if name in params:
            return str(params[name])
    return ""
