"""Every request of the worker's own S3 client is one that botocore's model of S3 has.

Each is read as an operation with its parameters, by the model; botocore then makes the request of
these parameters, and both have to be the same.
"""

from __future__ import annotations

import io
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from botocore.serialize import create_serializer
from botocore.session import get_session
from botocore.validate import ParamValidator

from covalent_awsbatch_plugin.job import s3_request
from covalent_awsbatch_plugin.job.bucket import PART, Bucket, encryption_headers
from covalent_awsbatch_plugin.protocol import env_names
from tests.fake_aws.validation import violations

BUCKET, OWNER = "a-bucket", "123456789012"
KEY = "covalent/d/0/it's \u00fc+%20 one"
SIGNED = {"host", "authorization", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"}
# urllib's own, and what botocore's handlers add to a request after it was made.
OF_HTTP = {"content-length", "user-agent", "connection", "accept-encoding", "content-type"}
ENCRYPTED = {env_names.ENV_ENCRYPTION: "aws:kms", env_names.ENV_KMS_KEY: "alias/team"}
ENVIRON = {
    "AWS_ENDPOINT_URL": "https://s3.example",
    "AWS_ACCESS_KEY_ID": "AKID",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_SESSION_TOKEN": "token",
}
S3 = get_session().get_service_model("s3")


@dataclass
class Wire:
    """Takes what urllib would send, and answers as S3 does."""

    size: int = 0

    def __post_init__(self) -> None:
        self.requests: list[urllib.request.Request] = []

    def open(self, request: urllib.request.Request, timeout: float) -> Any:
        self.requests.append(request)
        return _Response(request, self.size)


class _Response(io.BytesIO):
    def __init__(self, request: urllib.request.Request, size: int) -> None:
        self.headers = Message()
        content = b""
        if request.get_method() == "GET":
            start, _, end = (request.get_header("Range") or "bytes=0-0")[6:].partition("-")
            content = bytes(min(int(end) + 1, size) - int(start))
        elif request.full_url.endswith("?uploads="):
            content = b"<r><UploadId>an id/+=</UploadId></r>"
        for name, value in {
            "content-range": f"bytes 0-1/{size}",
            "etag": '"an-etag"',
            "x-amz-checksum-sha256": "c",
            "date": "Wed, 25 Nov 2026 20:00:00 GMT",
            "last-modified": "Wed, 25 Nov 2026 19:00:00 GMT",
        }.items():
            self.headers[name] = value
        super().__init__(content)


def sent(work: Any, wire: Wire, encryption: Mapping[str, str] = {}) -> list[Any]:
    """Return what a use of the bucket sends."""
    requests = s3_request.S3(BUCKET, OWNER, ENVIRON)
    requests.opener = wire
    work(Bucket(requests, encryption_headers(encryption)))
    return wire.requests


def operation_of(request: urllib.request.Request) -> Any:
    """Return the model of the operation that a request is."""
    query = dict(parse_qsl(urlsplit(request.full_url).query, keep_blank_values=True))
    found = []
    for name in S3.operation_names:
        http = S3.operation_model(name).http
        path, _, fixed = http["requestUri"].partition("?")
        wanted = dict(parse_qsl(fixed, keep_blank_values=True))
        wanted.pop("x-id", None)
        members = S3.operation_model(name).input_shape
        required = _at(members, "querystring", required=True) if members else set()
        if (
            http["method"] == request.get_method()
            and path == "/{Bucket}/{Key+}"
            and wanted.items() <= query.items()
            and required <= set(query)
            and set(query) - set(wanted) <= _at(members, "querystring")
        ):
            found.append((len(wanted) + len(required), name))
    # Those that want the most of the query; of the rest, copies differ by a header.
    most = max(found)[0]
    names = [name for count, name in found if count == most and "Copy" not in name]
    names = [name for name in names if not name.endswith(("Tagging", "Acl", "Torrent"))]
    assert len(names) == 1, names
    return S3.operation_model(names[0])


def _at(shape: Any, location: str, required: bool = False) -> set[str]:
    return {
        member.serialization.get("name", name)
        for name, member in shape.members.items()
        if member.serialization.get("location") == location
        and (not required or name in shape.required_members)
    }


def parameters(request: urllib.request.Request, operation: Any) -> dict[str, Any]:
    """Return the parameters of a request; each header and each part of the query has to be one."""
    url = urlsplit(request.full_url)
    _, bucket, key = unquote(url.path).split("/", 2)
    headers = {name.lower(): value for name, value in request.header_items()}
    query = dict(parse_qsl(url.query, keep_blank_values=True))
    found: dict[str, Any] = {"Bucket": bucket, "Key": key}
    shape = operation.input_shape
    for name, member in shape.members.items():
        place, wire_name = (member.serialization.get(k) for k in ("location", "name"))
        if place == "header" and wire_name.lower() in headers:
            found[name] = headers.pop(wire_name.lower())
        if place == "querystring" and wire_name in query:
            text = query.pop(wire_name)
            found[name] = int(text) if member.type_name == "integer" else text
    unknown = set(headers) - SIGNED - OF_HTTP
    assert not unknown, (operation.name, unknown)
    fixed = urlsplit(operation.http["requestUri"]).query
    assert set(query) <= dict(parse_qsl(fixed, keep_blank_values=True)).keys()
    if request.data is not None and "Body" in shape.members:
        found["Body"] = request.data
    elif operation.name == "CompleteMultipartUpload":
        found["MultipartUpload"] = {
            "Parts": [{"PartNumber": 1, "ETag": '"an-etag"', "ChecksumSHA256": "c"}]
        }
    return found


def problems(request: urllib.request.Request) -> Iterator[str]:
    operation = operation_of(request)
    given = parameters(request, operation)
    report = ParamValidator().validate(given, operation.input_shape)
    if report.has_errors():
        yield report.generate_report()
    yield from violations(given, operation.input_shape, operation.name)
    yield from differences(request, operation, given)


def differences(
    request: urllib.request.Request, operation: Any, given: dict[str, Any]
) -> Iterator[str]:
    """Yield what botocore's request of these parameters has that the worker's has not."""
    made = create_serializer("rest-xml").serialize_to_request(given, operation)
    if made["method"] != request.get_method():
        yield f"{operation.name}: {request.get_method()}"
    ours = {name.lower(): value for name, value in request.header_items()}
    for name, value in made["headers"].items():
        if name.lower() not in OF_HTTP and ours.get(name.lower()) != value:
            yield f"{operation.name}: {name} is {ours.get(name.lower())!r}, not {value!r}"


USES: dict[str, tuple[Any, list[str]]] = {
    "get": (lambda bucket, path: bucket.get(KEY), ["GetObject"]),
    "age": (lambda bucket, path: bucket.age(KEY), ["GetObject"]),
    "put_once": (lambda bucket, path: bucket.put_once(KEY, b"x"), ["PutObject"]),
    "download": (lambda bucket, path: bucket.download(KEY, path), ["GetObject"] * 3),
    "upload of a small file": (
        lambda bucket, path: (path.write_bytes(b"x"), bucket.upload(path, KEY, once=True)),
        ["PutObject"],
    ),
    "upload of a large file": (
        lambda bucket, path: (path.write_bytes(bytes(PART + 1)), bucket.upload(path, KEY, True)),
        ["CreateMultipartUpload", "UploadPart", "UploadPart", "CompleteMultipartUpload"],
    ),
}


@pytest.mark.parametrize("encryption", [{}, ENCRYPTED], ids=["plain", "encrypted"])
@pytest.mark.parametrize("use", USES)
def test_a_request_is_botocore_s(use: str, encryption: dict[str, str], tmp_path: Path) -> None:
    work, operations = USES[use]
    wire = Wire(size=2 * PART + 5 if use == "download" else 1)
    requests = sent(lambda bucket: work(bucket, tmp_path / "file"), wire, encryption)
    assert [operation_of(each).name for each in requests] == operations
    assert [problem for each in requests for problem in problems(each)] == []
    for each in requests:
        given = parameters(each, operation_of(each))
        assert (given["Bucket"], given["Key"]) == (BUCKET, KEY)
        assert given["ExpectedBucketOwner"] == OWNER


def test_an_upload_that_fails_is_aborted_as_botocore_aborts_it(tmp_path: Path) -> None:
    class Refusing(Wire):
        def open(self, request: urllib.request.Request, timeout: float) -> Any:
            answer = super().open(request, timeout)
            if request.get_method() == "PUT":
                raise urllib.error.HTTPError(request.full_url, 403, "no", Message(), io.BytesIO())
            return answer

    (tmp_path / "file").write_bytes(bytes(PART + 1))
    wire = Refusing()
    with pytest.raises(s3_request.S3Error):
        sent(lambda bucket: bucket.upload(tmp_path / "file", KEY), wire)
    last = wire.requests[-1]
    assert operation_of(last).name == "AbortMultipartUpload"
    assert list(problems(last)) == []


def test_what_s3_does_not_know_is_found() -> None:
    wire = Wire(size=1)
    requests = s3_request.S3(BUCKET, OWNER, ENVIRON)
    requests.opener = wire
    requests.send("GET", KEY, headers=[("x-amz-unknown", "1")])
    with pytest.raises(AssertionError, match="x-amz-unknown"):
        parameters(wire.requests[0], operation_of(wire.requests[0]))
