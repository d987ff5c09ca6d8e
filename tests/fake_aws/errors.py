"""What a call is answered with when it is not answered as it should be."""

from __future__ import annotations


class ApiError(Exception):
    """An error answer in the service's own protocol, or with a body that is in none."""

    def __init__(
        self,
        code: str,
        message: str = "",
        status: int = 400,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message or code
        self.status = status
        self.headers = headers or {}
        self.body = body


class CutError(Exception):
    """Cut the connection.

    ``done=False`` cuts it before the call is done, ``done=True`` afterwards: its answer is lost.
    """

    def __init__(self, done: bool = False) -> None:
        super().__init__("connection dropped")
        self.done = done


def client_error(message: str) -> ApiError:
    """Return AWS Batch's answer to a request it cannot take."""
    return ApiError("ClientException", message)


def throttled() -> ApiError:
    """Return AWS Batch's answer to a call above its rate."""
    return ApiError("TooManyRequestsException", "Too Many Requests", status=429)
