"""What S3 stores, and the small rules of its requests and answers."""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import format_datetime
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from tests.fake_aws.errors import ApiError

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
KEY_LIMIT = 1024


@dataclass(frozen=True)
class Object:
    """A stored object."""

    data: bytes
    etag: str
    headers: Mapping[str, str] = field(default_factory=dict)
    modified: datetime = field(default_factory=lambda: datetime.now(timezone.utc))


@dataclass
class Bucket:
    """A bucket with its objects and its unfinished multipart uploads.

    Its policy may require each write to name an encryption and a KMS key.
    """

    owner: str
    region: str
    objects: dict[str, Object] = field(default_factory=dict)
    uploads: dict[str, dict[int, Object]] = field(default_factory=dict)
    encryption: tuple[str, str] | None = None


ENCRYPTION_HEADERS = (
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
)


@dataclass(frozen=True)
class Request:
    """One request, as S3 sees it."""

    method: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """One answer."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def find_object(bucket: Bucket, key: str) -> Object:
    """Return an object."""
    try:
        return bucket.objects[key]
    except KeyError:
        raise ApiError("NoSuchKey", "The specified key does not exist.", 404) from None


def parts_of(bucket: Bucket, request: Request) -> dict[int, Object]:
    """Return the parts of the upload that a request names."""
    try:
        return bucket.uploads[request.query["uploadId"]]
    except KeyError:
        raise ApiError("NoSuchUpload", "The upload does not exist.", 404) from None


def check_encryption(bucket: Bucket, request: Request) -> None:
    """Refuse a write that does not name the encryption that the bucket's policy requires."""
    named = tuple(request.headers.get(header, "") for header in ENCRYPTION_HEADERS)
    if bucket.encryption not in (None, named):
        raise ApiError(
            "AccessDenied",
            "User: arn:aws:iam::123456789012:user/fake is not authorized to perform: s3:PutObject "
            f"on resource: arn:aws:s3:::{request.bucket}/{request.key} with an explicit deny in a "
            "resource-based policy",
            403,
        )


def check_condition(bucket: Bucket, request: Request) -> None:
    """Refuse to overwrite an object that must not exist."""
    if request.headers.get("If-None-Match") == "*" and request.key in bucket.objects:
        text = "At least one of the pre-conditions you specified did not hold"
        raise ApiError("PreconditionFailed", text, 412)


def check_body(request: Request) -> None:
    """Refuse a body that is not what its headers promise."""
    if len(request.key.encode()) > KEY_LIMIT:
        raise ApiError("KeyTooLongError", "Your key is too long")
    promised = request.headers.get("x-amz-checksum-crc32")
    if promised is not None:
        found = zlib.crc32(request.body).to_bytes(4, "big")
        if base64.b64encode(found).decode() != promised:
            raise ApiError("BadDigest", "The CRC32 you specified did not match")
    digest = request.headers.get("Content-MD5")
    if digest is not None:
        found = hashlib.md5(request.body, usedforsecurity=False).digest()
        if base64.b64encode(found).decode() != digest:
            raise ApiError("BadDigest", "The Content-MD5 you specified did not match")


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that come back with the object."""
    kept = ("content-type", "content-encoding", "x-amz-meta-", "x-amz-server-side-encryption")
    return {name: value for name, value in headers.items() if name.lower().startswith(kept)}


def object_headers(found: Object) -> dict[str, str]:
    """Return the headers that describe an object."""
    return {
        **found.headers,
        "ETag": found.etag,
        "Last-Modified": format_datetime(found.modified, usegmt=True),
        "Accept-Ranges": "bytes",
    }


def byte_range(text: str, size: int) -> tuple[int, int]:
    """Return the first and last byte that a Range header asks for."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", text)
    if match is None or match.group() == "bytes=-":
        return 0, size - 1
    first, last = match.groups()
    if not first:
        return max(0, size - int(last)), size - 1
    if int(first) >= size:
        raise ApiError("InvalidRange", "The requested range is not satisfiable", 416)
    return int(first), min(int(last or size), size - 1)


def parse_xml(body: bytes) -> ElementTree.Element:
    """Read a request's document."""
    try:
        return ElementTree.fromstring(body)
    except ElementTree.ParseError:
        raise malformed() from None


def malformed() -> ApiError:
    """Return S3's answer to a document that it cannot take."""
    return ApiError("MalformedXML", "The XML you provided was not well-formed")


def listed(key: str, found: Object) -> str:
    """Return an object's entry in a listing."""
    return (
        f"<Contents><Key>{escape(key)}</Key><Size>{len(found.data)}</Size>"
        f"<LastModified>{found.modified:%Y-%m-%dT%H:%M:%S.000Z}</LastModified>"
        f"<ETag>{escape(found.etag)}</ETag><StorageClass>STANDARD</StorageClass></Contents>"
    )


def xml_answer(root: str, *content: str) -> Answer:
    """Return an answer that is a document."""
    body = f'<{root} xmlns="{NAMESPACE}">{"".join(content)}</{root}>'
    return Answer(body.encode(), headers={"Content-Type": "application/xml"})
