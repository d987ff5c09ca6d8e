"""What AWS's errors mean. The only module that names botocore's and aiohttp's exceptions.

``classify`` returns what to do about one; ``translation`` turns one that is not retried into an
error that the user can act on.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from typing import Any

from ...errors import BatchTaskError


class Kind(enum.Enum):
    """What an exception means for the call that raised it."""

    THROTTLED = "called too fast: slow down and call again"
    TRANSIENT = "no response, or a failure of AWS's own: call again"
    EXPIRED = "the credentials have expired: renew them and call again"
    CLOCK = "this host's clock is wrong: call again once it is right"
    CREDENTIALS = "there are no valid credentials"
    DENIED = "not permitted"
    MISSING = "what was asked for does not exist"
    REFUSED = "anything else that AWS does not accept"
    FOREIGN = "not a response of AWS at all"


THROTTLES = frozenset(
    [
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequests",
        "TooManyRequestsException",
        "TransactionInProgressException",
    ]
)
EXPIRED = frozenset(
    [
        "ExpiredToken",
        "ExpiredTokenException",
        "TokenRefreshRequired",
    ]
)
CLOCK = frozenset(
    ["RequestExpired", "RequestInTheFuture", "RequestInTheRecentPast", "RequestTimeTooSkewed"]
)
# How the services that have no code of their own for it name a wrong clock.
CLOCK_TEXT = re.compile(r"signature (?:has )?expired|not yet current", re.IGNORECASE)
INVALID = frozenset(
    [
        "AuthFailure",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidToken",
        "MissingAuthenticationToken",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    ]
)
DENIED = frozenset(
    [
        "AccessDenied",
        "AccessDeniedException",
        "AllAccessDisabled",
        "Forbidden",
        "NotAuthorized",
        "UnauthorizedOperation",
        "403",
    ]
)
MISSING = frozenset(
    ["404", "NoSuchBucket", "NoSuchEntity", "NoSuchKey", "NotFound", "ResourceNotFoundException"]
)
TRANSIENT = frozenset({"RequestTimeout", "RequestTimeoutException", "InternalError"})

# S3's responses to these have no body: of an expired token they have no more than the status 400.
HEADS = frozenset({"HeadObject", "HeadBucket"})

NOT_IMPLEMENTED = 501


class CredentialHelperFailed(Exception):
    """What provides the credentials failed in a way of its own."""


def classify(error: BaseException) -> Kind:
    """Return what an exception means."""
    from botocore import exceptions

    error = cause_of(error)
    if isinstance(error, exceptions.ClientError):
        return _classify_response(error.response, error.operation_name)
    if isinstance(error, CredentialHelperFailed):
        return Kind.CREDENTIALS
    if isinstance(error, _no_credentials()):
        return Kind.CREDENTIALS
    if isinstance(error, exceptions.SSLError):
        return Kind.REFUSED
    return Kind.TRANSIENT if isinstance(error, _no_response()) else _other(error)


def cause_of(error: BaseException) -> BaseException:
    """Return the cause of an exception that only reports that a call or a transfer failed."""
    if isinstance(error, BatchTaskError) and error.__cause__ is not None:
        return cause_of(error.__cause__)
    if type(error).__name__ == "S3UploadFailedError":
        return error.__context__ or error
    if type(error).__name__ == "RetriesExceededError":
        return getattr(error, "last_exception", None) or error
    return error


def _classify_response(response: Mapping[str, Any], operation: str) -> Kind:
    details = response.get("Error", {})
    code = str(details.get("Code", ""))
    if code in CLOCK or CLOCK_TEXT.search(str(details.get("Message", ""))):
        return Kind.CLOCK
    for codes, kind in (
        (THROTTLES, Kind.THROTTLED),
        (EXPIRED, Kind.EXPIRED),
        (INVALID, Kind.CREDENTIALS),
        (DENIED, Kind.DENIED),
        (MISSING, Kind.MISSING),
        (TRANSIENT, Kind.TRANSIENT),
    ):
        if code in codes:
            return kind
    return _classify_status(response.get("ResponseMetadata", {}), code, operation)


def _classify_status(metadata: Mapping[str, Any], code: str, operation: str) -> Kind:
    status = metadata.get("HTTPStatusCode", 0)
    if status == 429:
        return Kind.THROTTLED
    if code == "400" and operation in HEADS and not _names_region(metadata):
        return Kind.EXPIRED
    return Kind.TRANSIENT if status >= 500 and status != NOT_IMPLEMENTED else Kind.REFUSED


def _names_region(metadata: Mapping[str, Any]) -> bool:
    """Return whether S3 names the bucket's region: then the call went to another one."""
    return "x-amz-bucket-region" in metadata.get("HTTPHeaders", {})


def _no_credentials() -> tuple[type[BaseException], ...]:
    from botocore import exceptions as e

    return (
        e.NoCredentialsError,
        e.PartialCredentialsError,
        e.CredentialRetrievalError,
        e.ProfileNotFound,
        e.TokenRetrievalError,
        e.SSOError,
        e.InvalidConfigError,
    )


def _no_response() -> tuple[type[BaseException], ...]:
    import aiohttp
    from botocore import exceptions as e
    from botocore.parsers import ResponseParserError

    return (
        # Something between us and AWS responded, such as a proxy with a page of its own.
        ResponseParserError,
        e.ConnectionError,
        e.HTTPClientError,
        e.IncompleteReadError,
        e.ResponseStreamingError,
        aiohttp.ClientError,
        ConnectionError,
        TimeoutError,
        _asyncio_timeout(),
    )


def _asyncio_timeout() -> type[BaseException]:
    import asyncio

    return asyncio.TimeoutError  # Another class than TimeoutError before Python 3.11.


def _other(error: BaseException) -> Kind:
    from botocore.exceptions import BotoCoreError

    return Kind.REFUSED if isinstance(error, BotoCoreError) else Kind.FOREIGN


def code_of(error: BaseException) -> str:
    """Return AWS's code of an error, or the exception's name where there was no response."""
    error = cause_of(error)
    response: Mapping[str, Any] = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code") or type(error).__name__)
