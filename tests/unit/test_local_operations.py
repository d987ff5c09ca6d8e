"""Requests are recognized as the operations that botocore made them for."""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config

from covalent_awsbatch_plugin.local.http.operations import body_of, call_of

OBJECT = {"Bucket": "bucket", "Key": "some/key"}
PART = {**OBJECT, "UploadId": "upload"}

CALLS: list[tuple[str, str, dict[str, Any]]] = [
    ("batch", "SubmitJob", {"jobName": "n", "jobQueue": "q", "jobDefinition": "d"}),
    ("batch", "DescribeJobs", {"jobs": ["x"]}),
    ("batch", "ListJobs", {"jobQueue": "q"}),
    ("batch", "TerminateJob", {"jobId": "x", "reason": "y"}),
    ("batch", "CancelJob", {"jobId": "x", "reason": "y"}),
    ("batch", "RegisterJobDefinition", {"jobDefinitionName": "d", "type": "container"}),
    ("batch", "DescribeJobDefinitions", {}),
    ("batch", "DeregisterJobDefinition", {"jobDefinition": "d"}),
    ("batch", "DescribeJobQueues", {}),
    ("batch", "DescribeComputeEnvironments", {}),
    ("batch", "GetJobQueueSnapshot", {"jobQueue": "q"}),
    ("batch", "TagResource", {"resourceArn": "arn:aws:batch:x", "tags": {}}),
    ("s3", "GetObject", OBJECT),
    ("s3", "PutObject", OBJECT),
    ("s3", "HeadObject", OBJECT),
    ("s3", "DeleteObject", OBJECT),
    ("s3", "CopyObject", {**OBJECT, "CopySource": "bucket/other"}),
    ("s3", "CreateMultipartUpload", OBJECT),
    ("s3", "UploadPart", {**PART, "PartNumber": 1}),
    ("s3", "CompleteMultipartUpload", PART),
    ("s3", "AbortMultipartUpload", PART),
    ("s3", "ListParts", PART),
    ("s3", "DeleteObjects", {"Bucket": "bucket", "Delete": {"Objects": [{"Key": "x"}]}}),
    ("s3", "ListObjects", {"Bucket": "bucket", "Prefix": "x"}),
    ("s3", "ListObjectsV2", {"Bucket": "bucket", "Prefix": "x"}),
    ("s3", "HeadBucket", {"Bucket": "bucket"}),
    ("s3", "CreateBucket", {"Bucket": "bucket"}),
    ("s3", "ListBuckets", {}),
    ("sts", "GetCallerIdentity", {}),
    ("iam", "GetRole", {"RoleName": "role"}),
    ("ec2", "DescribeSubnets", {}),
    ("cloudformation", "DescribeStacks", {}),
    ("logs", "GetLogEvents", {"logStreamName": "x", "logGroupName": "y"}),
]


class Sent(Exception):
    """A request, instead of being sent."""


def environ_of(service: str, operation: str, params: dict[str, Any]) -> dict[str, Any]:
    """Return what a WSGI server makes of the request that botocore sends."""
    session = boto3.Session("key-id", "secret", region_name="eu-west-1")
    client = session.client(service, endpoint_url="http://127.0.0.1:1")

    def catch(request: AWSPreparedRequest, **_: Any) -> None:
        raise Sent(request)

    client.meta.events.register("before-send", catch)
    method = {v: k for k, v in client.meta.method_to_api_mapping.items()}[operation]
    with pytest.raises(Sent) as caught:
        getattr(client, method)(**params)
    request = caught.value.args[0]
    parts = urlsplit(request.url)
    body = request.body or b""
    body = body.encode() if isinstance(body, str) else body
    body = body if isinstance(body, bytes) else body.read()
    text = {k: v.decode() if isinstance(v, bytes) else v for k, v in request.headers.items()}
    return {
        "REQUEST_METHOD": request.method,
        "PATH_INFO": unquote(parts.path),
        "QUERY_STRING": parts.query,
        "CONTENT_TYPE": text.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        **{f"HTTP_{k.upper().replace('-', '_')}": v for k, v in text.items()},
    }


@pytest.mark.parametrize(
    ("service", "operation", "params"), CALLS, ids=lambda each: str(each)[:24]
)
def test_the_operation_is_recognized(service: str, operation: str, params: dict[str, Any]) -> None:
    environ = environ_of(service, operation, params)
    before = environ["wsgi.input"].getvalue()
    call = call_of(environ)
    assert call.name == f"{service}:{operation}"
    assert (call.region, call.access_key) == ("eu-west-1", "key-id")
    assert call.bucket == params.get("Bucket", "")
    assert body_of(environ) == body_of(environ) == before


def test_a_presigned_request_is_recognized() -> None:
    session = boto3.Session("key-id", "secret", region_name="eu-west-1")
    newer = Config(signature_version="s3v4")
    s3 = session.client("s3", endpoint_url="http://127.0.0.1:1", config=newer)
    parts = urlsplit(s3.generate_presigned_url("get_object", Params=OBJECT))
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": parts.path,
        "QUERY_STRING": parts.query,
    }
    assert call_of(environ).name == "s3:GetObject"


def test_what_is_not_signed_is_no_operation() -> None:
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/moto-api/reset", "QUERY_STRING": ""}
    assert call_of(environ).operation == ""
