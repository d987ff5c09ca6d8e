"""A proxy before the local AWS that notes every call, and can deny some or change their answers.

It speaks for no service: it names a call by the request's signature, headers and path, as AWS
does, and hands it on.
"""

from __future__ import annotations

import http.client
import json
import re
import threading
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import parse_qs, urlsplit

import botocore.session

from covalent_awsbatch_plugin.local.ports import free_port

S3_SUBRESOURCES = ("encryption", "versioning", "location", "lifecycle", "policy", "tagging")


class Proxy:
    """The proxy, for as long as the context lasts.

    Attributes:
        endpoint_url: Its address.
        calls: The calls that came, as ``service:Operation``.
        denied: The calls that it answers with AccessDenied.
        changed: By call, how the content of its answer is changed.
    """

    def __init__(self, target: str) -> None:
        self.calls: Counter[str] = Counter()
        self.denied: set[str] = set()
        self.changed: dict[str, Callable[[bytes], bytes]] = {}
        host, port = urlsplit(target).hostname, urlsplit(target).port
        handler = type("Handler", (_Handler,), {"proxy": self, "target": (host, port)})
        self._server = ThreadingHTTPServer(("127.0.0.1", free_port()), handler)
        self._server.daemon_threads = True
        self.endpoint_url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy
    target: tuple[str, int]

    def log_message(self, format: str, *args: object) -> None:
        """Write no log."""

    def _pass_on(self) -> None:
        body = self._body()
        service = _service(self.headers.get("Authorization", ""))
        call = f"{service}:{_operation(service, self.command, self.path, self.headers, body)}"
        self.proxy.calls[call] += 1
        if call in self.proxy.denied:
            self._deny(service, call)
            return
        connection = http.client.HTTPConnection(*self.target, timeout=60)
        headers = {k: v for k, v in self.headers.items() if k.lower() != "transfer-encoding"}
        # The local AWS calls itself at the host it is called by, which is no call of ours.
        headers["Host"] = f"{self.target[0]}:{self.target[1]}"
        if body:
            headers["Content-Length"] = str(len(body))
        connection.request(self.command, self.path, body=body, headers=headers)
        answer = connection.getresponse()
        content = self.proxy.changed.get(call, bytes)(answer.read())
        connection.close()
        self._answer(answer.status, content, dict(answer.getheaders()))

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _deny(self, service: str, call: str) -> None:
        message = f"User: caller is not authorized to perform: {call}"
        error = f"<Error><Code>AccessDenied</Code><Message>{message}</Message></Error>"
        if service in ("batch", "logs", "ecr"):
            content = json.dumps({"message": message, "__type": "AccessDeniedException"})
        elif service == "ec2":
            content = f"<Response><Errors>{error}</Errors></Response>"
        else:
            content = error if service == "s3" else f"<ErrorResponse>{error}</ErrorResponse>"
        headers = {"x-amzn-errortype": "AccessDeniedException"} if service == "batch" else {}
        self._answer(403, content.encode(), headers)

    def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date"):
                self.send_header(name, value)
        length = headers.get("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on  # noqa: N815


def _service(authorization: str) -> str:
    found = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", authorization)
    return found[1] if found else "unsigned"


def _operation(
    service: str, method: str, path: str, headers: http.client.HTTPMessage, body: bytes
) -> str:
    target = headers.get("X-Amz-Target")
    if target:
        return target.rpartition(".")[2]
    if service == "s3":
        return _s3_operation(method, path)
    if service == "batch":
        name = _batch_operations().get((method, urlsplit(path).path), "TagResource")
        # There is no action of this name: AWS asks for that of each job.
        return "TerminateJob" if name == "TerminateJobs" else name
    return parse_qs(body.decode("utf-8", "replace")).get("Action", ["unknown"])[0]


def _s3_operation(method: str, path: str) -> str:
    parts = urlsplit(path)
    query = parse_qs(parts.query, keep_blank_values=True)
    _bucket, _, key = parts.path.strip("/").partition("/")
    sub = next((name for name in S3_SUBRESOURCES if name in query), "")
    if sub:
        return f"{method.capitalize()}Bucket{sub.capitalize()}"
    if "uploads" in query or "uploadId" in query:
        verbs = {"POST": "Multipart", "PUT": "UploadPart", "DELETE": "AbortMultipartUpload"}
        return verbs[method]
    if "delete" in query:
        return "DeleteObjects"
    if not key:
        return {"GET": "ListObjectsV2", "HEAD": "HeadBucket"}.get(method, f"{method}Bucket")
    return f"{method.capitalize()}Object"


@lru_cache(maxsize=1)
def _batch_operations() -> dict[tuple[str, str], str]:
    model = botocore.session.Session().get_service_model("batch")
    operations = (model.operation_model(name) for name in model.operation_names)
    return {(o.http["method"], o.http["requestUri"]): o.name for o in operations}
