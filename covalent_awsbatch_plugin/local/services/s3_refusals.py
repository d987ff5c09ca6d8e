"""What S3 refuses, and moto does not."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Any

from ..http.operations import Call, Environ, body_of
from ..http.responses import Response, error_response
from . import moto_backend

KEY_BYTES = 1024
MOST_DELETED = 1000

# Requests whose content is an object's, or a part of one.
STORED = ("PutObject", "UploadPart")
# Requests after which there is an object.
FINISHING = ("PutObject", "CompleteMultipartUpload")

Refusal = tuple[int, str, str]


def refusal(call: Call, environ: Environ) -> Response | None:
    """Return the answer to a request that S3 refuses; None for any other."""
    if not call.bucket or call.operation == "CreateBucket":
        return None
    for check in (_other_account, _key, _condition, _content, _deletion):
        for status, code, message in check(call, environ):
            return error_response(call, status, code, message)
    return None


def _other_account(call: Call, environ: Environ) -> Iterator[Refusal]:
    """Refuse a bucket of another account than the caller's, or than the expected owner's."""
    expected = environ.get("HTTP_X_AMZ_EXPECTED_BUCKET_OWNER")
    owner = moto_backend.account_of_bucket(call.bucket, call.region)
    allowed = {moto_backend.account_of_key(call.access_key), expected} - {None}
    if owner is not None and allowed != {owner}:
        yield 403, "AccessDenied", "Access Denied"


def _key(call: Call, environ: Environ) -> Iterator[Refusal]:
    _, _, key = str(environ.get("PATH_INFO", "")).lstrip("/").partition("/")
    # WSGI gives each byte of the path as a character.
    if len(key.encode("latin-1", "replace")) > KEY_BYTES:
        yield 400, "KeyTooLongError", "Your key is too long"


def _condition(call: Call, environ: Environ) -> Iterator[Refusal]:
    if call.operation in FINISHING and environ.get("HTTP_IF_NONE_MATCH", "*") != "*":
        words = "A header you provided implies functionality that is not implemented"
        yield 501, "NotImplemented", words


def _content(call: Call, environ: Environ) -> Iterator[Refusal]:
    """Refuse content that its digests do not fit."""
    if call.operation not in STORED or not environ.get("CONTENT_LENGTH"):
        return
    signed = environ.get("HTTP_X_AMZ_CONTENT_SHA256", "")
    digests = {name: environ[name] for name in DIGESTS if environ.get(name)}
    if signed.startswith("STREAMING-"):
        # The content is in chunks, each with a signature or with a digest at the end.
        return
    content = body_of(environ) if digests or re.fullmatch("[0-9a-f]{64}", signed) else b""
    if re.fullmatch("[0-9a-f]{64}", signed) and hashlib.sha256(content).hexdigest() != signed:
        words = "The provided 'x-amz-content-sha256' header does not match what was computed."
        yield 400, "XAmzContentSHA256Mismatch", words
    for name, given in digests.items():
        if base64.b64encode(DIGESTS[name](content).digest()).decode() != given:
            yield 400, "BadDigest", "The digest you specified did not match what we received."


DIGESTS: dict[str, Callable[[bytes], Any]] = {
    "HTTP_CONTENT_MD5": lambda content: hashlib.md5(content, usedforsecurity=False),
    "HTTP_X_AMZ_CHECKSUM_SHA1": lambda content: hashlib.sha1(content, usedforsecurity=False),
    "HTTP_X_AMZ_CHECKSUM_SHA256": hashlib.sha256,
}


def _deletion(call: Call, environ: Environ) -> Iterator[Refusal]:
    if call.operation == "DeleteObjects" and body_of(environ).count(b"<Key>") > MOST_DELETED:
        yield 400, "MalformedXML", "The XML you provided was not well-formed"
