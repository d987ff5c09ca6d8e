"""Answers of AWS's services, in each one's protocol."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from xml.sax.saxutils import escape

from .operations import Call

JSON_SERVICES = ("batch", "logs", "ecr", "ecr-public")


@dataclass(frozen=True)
class Response:
    """An answer over HTTP."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    def send(self, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Send it, the WSGI way."""
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(self.body)),
            **self.headers,
        }
        phrase = HTTPStatus(self.status).phrase
        start_response(f"{self.status} {phrase}", list(headers.items()))
        return [self.body]


def error_response(call: Call, status: int, code: str, message: str) -> Response:
    """Return an error in the protocol of the service that was called.

    Args:
        call: What was asked.
        status: The HTTP status.
        code: AWS's code of the error.
        message: AWS's words.
    """
    if call.service in JSON_SERVICES:
        body = json.dumps({"__type": code, "message": message})
        return Response(status, body.encode(), {"x-amzn-ErrorType": code})
    if call.operation in ("HeadObject", "HeadBucket"):
        return Response(status)
    inner = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    if call.service == "s3":
        text = f"<Error>{inner}</Error>"
    elif call.service == "ec2":
        text = f"<Response><Errors><Error>{inner}</Error></Errors></Response>"
    else:
        text = f"<ErrorResponse><Error>{inner}</Error></ErrorResponse>"
    return Response(status, text.encode(), {"Content-Type": "text/xml"})
