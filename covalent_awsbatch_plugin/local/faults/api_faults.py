"""Faults of calls, as the services would answer."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time
from collections.abc import Iterable, Mapping
from typing import Any

from ..http.operations import Call, Environ, StartResponse, Wsgi
from ..http.responses import Response, error_response
from .plan import ApiFault

# Status and code by kind and service; "" is for every other service.
REFUSALS: Mapping[str, Mapping[str, tuple[int, str]]] = {
    "throttle": {
        "batch": (429, "TooManyRequestsException"),
        "logs": (400, "ThrottlingException"),
        "s3": (503, "SlowDown"),
        "ec2": (503, "RequestLimitExceeded"),
        "": (400, "Throttling"),
    },
    "server_error": {
        "batch": (500, "ServerException"),
        "s3": (500, "InternalError"),
        "": (500, "InternalFailure"),
    },
    "slow_down": {"s3": (503, "SlowDown"), "": (503, "ServiceUnavailable")},
    "expired_token": {
        "batch": (403, "ExpiredTokenException"),
        "logs": (400, "ExpiredTokenException"),
        "s3": (400, "ExpiredToken"),
        "": (403, "ExpiredToken"),
    },
    "access_denied": {
        "batch": (403, "AccessDeniedException"),
        "logs": (400, "AccessDeniedException"),
        "ec2": (403, "UnauthorizedOperation"),
        "": (403, "AccessDenied"),
    },
}
MESSAGES: Mapping[str, str] = {
    "throttle": "Rate exceeded",
    "server_error": "We encountered an internal error. Please try again.",
    "slow_down": "Please reduce your request rate.",
    "expired_token": "The security token included in the request is expired",
    "access_denied": (
        "User: arn:aws:iam::123456789012:user/local is not authorized to perform: {name} "
        "because no identity-based policy allows the {name} action"
    ),
}


def inject(
    fault: ApiFault, call: Call, application: Wsgi, environ: Environ, start: StartResponse
) -> Iterable[bytes]:
    """Respond to a call into which a fault is injected.

    Args:
        fault: The fault.
        call: The call.
        application: What answers it otherwise.
        environ: The request.
        start: WSGI's ``start_response``.
    """
    if fault.kind == "slow":
        time.sleep(fault.seconds)
        return application(environ, start)
    if fault.kind == "reset":
        _reset(environ)
    if fault.kind == "lost_answer":
        _do(application, environ)
        _reset(environ)
    return refusal(fault.kind, call).send(start)


def refusal(kind: str, call: Call) -> Response:
    """Return what a service answers to a call that it refuses."""
    by_service = REFUSALS[kind]
    status, code = by_service.get(call.service) or by_service[""]
    return error_response(call, status, code, MESSAGES[kind].format(name=call.name))


def _do(application: Wsgi, environ: Environ) -> None:
    answer: Any = application(environ, lambda *_: None)
    for _ in answer:
        pass
    if hasattr(answer, "close"):
        answer.close()


def _reset(environ: Environ) -> None:
    _reset_connection(environ["werkzeug.socket"])
    raise ConnectionResetError("reset on purpose")


def _reset_connection(connection: socket.socket) -> None:
    """End a connection as a crash does: the other side sees a reset."""
    on, seconds = 1, 0
    with contextlib.suppress(OSError):
        linger = struct.pack("ii", on, seconds)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    # Closed the usual way, it would first send an alert.
    os.close(connection.detach())
