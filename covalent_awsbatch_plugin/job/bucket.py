"""The objects of the task's bucket: small ones whole, large ones in parts and in parallel."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote
from xml.sax.saxutils import escape

from ..protocol import env_names

MEBIBYTE = 1024 * 1024
PART = 8 * MEBIBYTE
# S3's limit.
PARTS = 10_000
# The condition under which S3 stores an object: there is none yet.
ONCE = ("if-none-match", "*")
# Parts that are moved at once.
AT_ONCE = 4

Part = tuple[int, int]
Headers = Iterable[tuple[str, str]]


class Requests(Protocol):
    """What sends signed requests to the bucket: ``S3``, which the job's command carries."""

    def send(
        self,
        method: str,
        key: str,
        query: str = "",
        headers: Headers = (),
        body: bytes | None = None,
    ) -> tuple[Any, bytes]:
        """Send a request; return its response's headers and content."""


class Damaged(Exception):
    """What came from the bucket does not match its name."""


def error_code(error: BaseException) -> str:
    """Return S3's code for an error, or an empty text; the error's class is in the command."""
    return str(getattr(error, "code", ""))


def is_denied(error: BaseException) -> bool:
    """Return whether S3 refused a request for want of a permission."""
    return getattr(error, "status", 0) == 403


class Bucket:
    """The task's bucket.

    Args:
        requests: What sends requests to it.
        encryption: Headers that ask S3 to encrypt what is stored.
    """

    def __init__(self, requests: Requests, encryption: Headers = ()) -> None:
        self._requests = requests
        self._encryption = list(encryption)

    def get(self, key: str) -> bytes:
        """Return a small object."""
        return self._requests.send("GET", key)[1]

    def age(self, key: str) -> float:
        """Return how many seconds ago an object was stored, by the clock of S3."""
        headers, _ = self._requests.send("GET", key)
        now, then = (parsedate_to_datetime(headers[name]) for name in ("date", "last-modified"))
        return (now - then).total_seconds()

    def put_once(self, key: str, content: bytes) -> bool:
        """Store an object unless there is one; return whether there was none.

        A late attempt on a host believed lost must not overwrite an outcome.
        """
        try:
            headers = [*_describe(content), *self._encryption, ONCE]
            self._requests.send("PUT", key, headers=headers, body=content)
        except Exception as error:
            if error_code(error) != "PreconditionFailed":
                raise
            return False
        return True

    def download(self, key: str, path: Path) -> None:
        """Fetch a large object.

        Raises:
            Damaged: Its name is a digest, and not that of its content.
        """
        headers, first = self._requests.send("GET", key, headers=[_range(0, PART)])
        size = int(headers["content-range"].rpartition("/")[2])
        unchanged = ("if-match", headers["etag"])
        with path.open("wb") as file:
            os.pwrite(file.fileno(), first, 0)

            def fetch(part: Part) -> None:
                ranged = [_range(*part), unchanged]
                content = self._requests.send("GET", key, headers=ranged)[1]
                os.pwrite(file.fileno(), content, part[0])

            _each([(start, min(PART, size - start)) for start in range(PART, size, PART)], fetch)
        check_digest(key, path)

    def upload(self, path: Path, key: str, once: bool = False) -> None:
        """Store a large file.

        Args:
            path: The file.
            key: The object's key.
            once: Whether to leave an object that is there already as it is.
        """
        try:
            self._upload(path, key, [ONCE] if once else [])
        except Exception as error:
            if not once or error_code(error) != "PreconditionFailed":
                raise

    def _upload(self, path: Path, key: str, condition: Headers) -> None:
        size = path.stat().st_size
        if size <= PART:
            content = path.read_bytes()
            headers = [*_describe(content), *self._encryption, *condition]
            self._requests.send("PUT", key, headers=headers, body=content)
            return
        opening = [("x-amz-checksum-algorithm", "SHA256"), *self._encryption]
        _, opened = self._requests.send("POST", key, "uploads=", opening, b"")
        upload_id = "uploadId=" + quote(_element(opened, "UploadId"), safe="-_.~")
        try:
            self._upload_parts(path, key, upload_id, part_length(size), condition)
        except BaseException:
            self._requests.send("DELETE", key, upload_id)
            raise

    def _upload_parts(
        self, path: Path, key: str, upload_id: str, length: int, condition: Headers
    ) -> None:
        def store(part: Part) -> str:
            start, number = part
            content = _read(path, start, length)
            query = f"partNumber={number}&{upload_id}"
            headers, _ = self._requests.send("PUT", key, query, _describe(content), content)
            digest = headers["x-amz-checksum-sha256"]
            checksum = f"<ChecksumSHA256>{digest}</ChecksumSHA256>" if digest else ""
            return (
                f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(headers['etag'])}</ETag>"
                f"{checksum}</Part>"
            )

        starts = range(0, path.stat().st_size, length)
        parts = _each([(start, number) for number, start in enumerate(starts, 1)], store)
        root = 'CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
        body = f"<{root}>{''.join(parts)}</CompleteMultipartUpload>".encode()
        headers = [("content-type", "application/xml"), *condition]
        # S3 may take long over this, so it sends its status, 200, before it knows the end.
        for last in (False, False, True):
            _, content = self._requests.send("POST", key, upload_id, headers, body)
            if b"<Error>" not in content:
                return
            if last:
                raise OSError(f"S3 could not complete the upload: {content[:500]!r}")


def part_length(size: int) -> int:
    """Return how long the parts of an upload are, so that there are no more than S3 takes."""
    least = -(-size // PARTS)
    return max(PART, -(-least // MEBIBYTE) * MEBIBYTE)


def check_digest(key: str, path: Path) -> None:
    """Refuse content that its name, where that is a digest, does not fit.

    Raises:
        Damaged: It does not fit.
    """
    expected = key.rpartition("/")[2]
    if not re.fullmatch(r"[0-9a-f]{64}", expected):
        return
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(MEBIBYTE):
            digest.update(piece)
    if digest.hexdigest() != expected:
        raise Damaged(f"the content of {key} has the SHA-256 {digest.hexdigest()}")


def encryption_headers(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the headers of the encryption that the job's environment names."""
    variables = {
        "x-amz-server-side-encryption": env_names.ENV_ENCRYPTION,
        "x-amz-server-side-encryption-aws-kms-key-id": env_names.ENV_KMS_KEY,
    }
    return [(header, environ[name]) for header, name in variables.items() if environ.get(name)]


def _describe(content: bytes) -> list[tuple[str, str]]:
    """Return the headers of what is stored. S3 checks the checksum, and some buckets want one."""
    checksum = base64.b64encode(hashlib.sha256(content).digest()).decode("ascii")
    return [("content-type", "binary/octet-stream"), ("x-amz-checksum-sha256", checksum)]


def _range(start: int, length: int) -> tuple[str, str]:
    return "range", f"bytes={start}-{start + length - 1}"


def _read(path: Path, start: int, length: int) -> bytes:
    with path.open("rb") as file:
        return os.pread(file.fileno(), length, start)


def _element(content: bytes, name: str) -> str:
    found = re.search(f"<{name}>([^<]+)</{name}>", content.decode("utf-8", "replace"))
    if found is None:
        raise OSError(f"S3's response lacks {name}: {content[:500]!r}")
    return found[1]


def _each(parts: list[Part], work: Callable[[Part], Any]) -> list[Any]:
    """Return what ``work`` makes of each part, a few at once."""
    # Imported here because a small task has no use for it.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return list(threads.map(work, parts))
