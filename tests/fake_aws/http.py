"""HTTP: which service and operation a request is for, and how its answer looks."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

from aiohttp import web

from tests.fake_aws import control
from tests.fake_aws.errors import ApiError, CutError, throttled
from tests.fake_aws.objects import Request
from tests.fake_aws.s3 import S3
from tests.fake_aws.validation import check_request

if TYPE_CHECKING:
    from tests.fake_aws.aws import FakeAws

SCOPE = re.compile(r"Credential=(?P<key>[^/]+)/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/")
BATCH_OPERATIONS = (
    "RegisterJobDefinition",
    "DeregisterJobDefinition",
    "DescribeJobDefinitions",
    "SubmitJob",
    "DescribeJobs",
    "ListJobs",
    "TerminateJob",
    "TerminateJobs",
    "CancelJob",
    "DescribeJobQueues",
)
BATCH_PATHS = {f"/v1/{name.lower()}": name for name in BATCH_OPERATIONS}
# Where jobs ask for the credentials of their roles.
TASKS = "/v2/credentials/"
LOGS_OPERATIONS = ("GetLogEvents", "FilterLogEvents", "DescribeLogGroups")

Answer = tuple[int, dict[str, str], bytes]


def handler(aws: FakeAws) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    """Return what answers requests."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if request.path.startswith(control.PATH):
            return control.answer(aws, request.path, await request.content.read())
        if request.path.startswith(TASKS):
            keys = aws.task_credentials(request.path.removeprefix(TASKS))
            return web.json_response(keys, status=200 if keys else 400)
        return await _handle(aws, request)

    return handle


def too_many(operation: str) -> ApiError:
    """Return the service's own error for a call that is beyond its rate."""
    if operation.startswith("batch:"):
        return throttled()
    if operation.startswith("s3:"):
        return ApiError("SlowDown", "Please reduce your request rate.", 503)
    return ApiError("ThrottlingException", "Rate exceeded")


@dataclass(frozen=True)
class _Call:
    """One request: what it is for, and with what."""

    region: str
    service: str
    operation: str
    request: web.BaseRequest
    body: bytes

    @property
    def name(self) -> str:
        return f"{self.service}:{self.operation}"


async def _handle(aws: FakeAws, request: web.BaseRequest) -> web.StreamResponse:
    await _invite_body(request)
    body = await request.content.read()
    service = "s3"
    try:
        region, service = _signed_for(request, aws)
        call = _Call(region, service, _operation(service, request, body), request, body)
        answer = await _timed(aws, call)
    except CutError:
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)
    except ApiError as error:
        answer = _error(service, error)
    return _response(request, answer)


async def _timed(aws: FakeAws, call: _Call) -> Answer:
    aws.bytes_up[call.name] += len(call.body)
    if aws.latency:
        await asyncio.sleep(aws.latency)
    answer = _counted(aws, call)
    aws.bytes_down[call.name] += len(answer[2])
    return answer


async def _invite_body(request: web.BaseRequest) -> None:
    """Answer "Expect: 100-continue": S3 clients wait a second for it."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


def _counted(aws: FakeAws, call: _Call) -> Answer:
    """Count the call and do it, unless it is refused or its answer is to get lost."""
    try:
        aws.count(call.name)
    except CutError as cut:
        if cut.done:
            _answer(aws, call)
        raise
    return _answer(aws, call)


def _signed_for(request: web.BaseRequest, aws: FakeAws) -> tuple[str, str]:
    """Return the region and service in the signature's scope."""
    scope = SCOPE.search(request.headers.get("Authorization", ""))
    if scope is None:
        raise ApiError("MissingAuthenticationToken", "Missing Authentication Token", 403)
    if not scope["key"].startswith("AKIAFAKE"):
        text = "The security token included in the request is invalid."
        raise ApiError("UnrecognizedClientException", text, 403)
    if scope["key"] in aws.expired_keys:
        aws.expired_calls += 1
        raise ApiError("ExpiredToken", "The provided token has expired.", 400)
    return scope["region"], scope["service"]


def _operation(service: str, request: web.BaseRequest, body: bytes) -> str:
    name: str | None = None
    if service == "batch":
        name = BATCH_PATHS.get(request.path)
    elif service == "logs":
        name = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
    elif service == "sts":
        name = parse_qs(body.decode()).get("Action", [""])[0]
    elif service == "s3":
        name = S3.operation(_s3_request(request, body))
    if name is None:
        raise ApiError("UnknownOperationException", f"{service} {request.path}", 404)
    return name


def _answer(aws: FakeAws, call: _Call) -> Answer:
    if call.service == "s3":
        given = aws.s3.call(call.operation, _s3_request(call.request, call.body), call.region)
        return given.status, dict(given.headers), given.body
    if call.region != aws.region:
        raise ApiError("InvalidSignatureException", f"Credential should be scoped to {aws.region}")
    if call.service == "sts":
        return _sts(call.operation, aws.account)
    return _json_answer(aws, call.service, call.operation, call.body)


def _json_answer(aws: FakeAws, service: str, operation: str, body: bytes) -> Answer:
    params = json.loads(body or b"{}")
    if service == "batch":
        check_request(service, operation, params)
    elif operation not in LOGS_OPERATIONS:
        raise ApiError("UnknownOperationException", operation)
    method = getattr(aws.batch if service == "batch" else aws.logs, _snake(operation))
    headers = {"Content-Type": "application/json"}
    return 200, headers, json.dumps(method(params)).encode()


def _snake(operation: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation).lower()


def _sts(operation: str, account: str) -> Answer:
    if operation != "GetCallerIdentity":
        raise ApiError("InvalidAction", f"Could not find operation {operation}")
    body = (
        '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
        f"<GetCallerIdentityResult><Arn>arn:aws:iam::{account}:user/fake</Arn>"
        f"<UserId>AIDAFAKE</UserId><Account>{account}</Account></GetCallerIdentityResult>"
        "<ResponseMetadata><RequestId>0</RequestId></ResponseMetadata>"
        "</GetCallerIdentityResponse>"
    )
    return 200, {"Content-Type": "text/xml"}, body.encode()


def _s3_request(request: web.BaseRequest, body: bytes) -> Request:
    bucket, _, key = unquote(request.rel_url.raw_path).lstrip("/").partition("/")
    return Request(request.method, bucket, key, request.query, request.headers, body)


def _error(service: str, error: ApiError) -> Answer:
    """Return an error in the service's protocol."""
    headers = {"x-amzn-ErrorType": error.code, "x-amzn-RequestId": "0", **error.headers}
    if error.body is not None:
        return error.status, headers, error.body
    if service in ("batch", "logs"):
        document = {"__type": error.code, "message": error.message}
        headers["Content-Type"] = "application/json"
        return error.status, headers, json.dumps(document).encode()
    detail = f"<Code>{error.code}</Code><Message>{escape(error.message)}</Message>"
    body = f"<Error>{detail}</Error>"
    if service == "sts":
        body = f"<ErrorResponse>{body}</ErrorResponse>"
    return error.status, {**headers, "Content-Type": "application/xml"}, body.encode()


def _response(request: web.BaseRequest, answer: Answer) -> web.Response:
    status, headers, body = answer
    if request.method == "HEAD":
        return web.Response(status=status, headers=headers)
    headers.pop("Content-Length", None)
    return web.Response(status=status, headers=headers, body=body)
