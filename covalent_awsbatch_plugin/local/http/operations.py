"""Which AWS operation a request is, such as ``batch:SubmitJob`` or ``s3:GetObject``."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Wsgi = Callable[[Environ, StartResponse], Iterable[bytes]]

_SCOPE = re.compile(r"([^=/\s,]+)/\d{8}/([^/\s]+)/([^/\s]+)/aws4_request")

_BATCH = (
    "CancelJob CreateComputeEnvironment CreateJobQueue DeleteComputeEnvironment DeleteJobQueue "
    "DeregisterJobDefinition DescribeComputeEnvironments DescribeJobDefinitions DescribeJobQueues "
    "DescribeJobs GetJobQueueSnapshot ListJobs RegisterJobDefinition SubmitJob TerminateJob "
    "TerminateJobs UpdateComputeEnvironment UpdateJobQueue"
)
_BATCH_PATHS = {f"/v1/{name.lower()}": name for name in _BATCH.split()}

_OF_OBJECT = {
    "GET": "GetObject",
    "HEAD": "HeadObject",
    "PUT": "PutObject",
    "DELETE": "DeleteObject",
}
_OF_UPLOAD = {
    "PUT": "UploadPart",
    "POST": "CompleteMultipartUpload",
    "DELETE": "AbortMultipartUpload",
    "GET": "ListParts",
}
_OF_LISTING = {"prefix", "delimiter", "marker", "max-keys", "encoding-type"}
_OF_BUCKET = {"GET": "ListObjects", "HEAD": "HeadBucket", "PUT": "CreateBucket"}


@dataclass(frozen=True)
class Call:
    """A request.

    Attributes:
        service: The service's name in signatures, such as ``batch``; empty where none is named.
        operation: The operation's name; empty where it is not known.
        region: The region.
        access_key: Whose request it is.
        bucket: The bucket, for S3.
    """

    service: str = ""
    operation: str = ""
    region: str = "us-east-1"
    access_key: str = ""
    bucket: str = ""

    @property
    def name(self) -> str:
        """Service and operation, as policies name them."""
        return f"{self.service}:{self.operation}"


def call_of(environ: Environ) -> Call:
    """Return which operation a request is. A body that is read is put back."""
    scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", "") or _presigned(environ))
    if scope is None:
        return Call()
    access_key, region, service = scope.groups()
    path = environ.get("PATH_INFO", "")
    if service == "batch":
        return Call(service, _batch_operation(path), region, access_key)
    if service == "s3":
        bucket, _, key = path.lstrip("/").partition("/")
        operation = s3_operation(environ, key) if bucket else "ListBuckets"
        return Call(service, operation, region, access_key, bucket)
    target = str(environ.get("HTTP_X_AMZ_TARGET", ""))
    operation = target.rpartition(".")[2] or _query_action(environ)
    return Call(service, operation, region, access_key)


def _presigned(environ: Environ) -> str:
    query = parse_qs(str(environ.get("QUERY_STRING", "")))
    return query.get("X-Amz-Credential", [""])[0]


def _batch_operation(path: str) -> str:
    return _BATCH_PATHS.get(path.rstrip("/"), "TagResource" if "/tags/" in path else "")


def s3_operation(environ: Mapping[str, Any], key: str) -> str:
    """Return the name of an operation of S3, by method, path and query."""
    method = environ["REQUEST_METHOD"]
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    if not key:
        return _bucket_operation(method, query)
    if "uploads" in query:
        return "CreateMultipartUpload"
    if "uploadId" in query:
        return _OF_UPLOAD.get(method, "")
    if method == "PUT" and environ.get("HTTP_X_AMZ_COPY_SOURCE"):
        return "CopyObject"
    return _OF_OBJECT.get(method, "")


def _bucket_operation(method: str, query: Mapping[str, list[str]]) -> str:
    if "delete" in query:
        return "DeleteObjects"
    if query.get("list-type") == ["2"]:
        return "ListObjectsV2"
    if query.keys() - _OF_LISTING:
        return ""
    return _OF_BUCKET.get(method, "")


def _query_action(environ: Environ) -> str:
    if not environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        return ""
    fields = parse_qs(body_of(environ).decode("utf-8", "replace"))
    return fields.get("Action", [""])[0]


def body_of(environ: Environ) -> bytes:
    """Return a request's body, and leave it there to be read again."""
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body
