"""Requests to S3 with the standard library alone: address, credentials, signature, retries.

Part of every job's command, before anything else of ours can be there: it fetches the rest. So it
runs on any Python 3, and is short, since DescribeJobs repeats it for every job. Its rules are
AWS's, and tests hold them against botocore: the address of a bucket, Signature Version 4, where
credentials come from, and which failures are worth another attempt.
"""

from __future__ import annotations

import hashlib
import hmac
import importlib
import json
import os
import ssl
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

ATTEMPTS = 10
LONGEST_PAUSE = 20.0
# Seconds for which a connection may be silent: to S3, and to the container's credentials.
TIMEOUT, METADATA_TIMEOUT = 60, 2
# Credentials are renewed this many seconds before they end.
MARGIN = 600

CONTAINER = "http://169.254.170.2"

# How the regions of a partition begin, and its domain.
DOMAINS = (
    ("cn-", "amazonaws.com.cn"),
    ("us-iso-", "c2s.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("us-isof-", "csp.hci.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk"),
    ("eusc-", "amazonaws.eu"),
    ("", "amazonaws.com"),
)

# Parts of the error codes that ask for another attempt.
AGAIN = (
    "Throttl",
    "RequestTimeout",
    "LimitExceeded",
    "ThroughputExceeded",
    "TooManyRequests",
    "SlowDown",
    "NotComplete",
    "InProgress",
    "RequestConflict",
)


class S3Error(Exception):
    """S3 refused a request, or was not reached (code ``Unreachable``)."""

    def __init__(self, code: str, message: str, status: int = 0) -> None:
        Exception.__init__(self, code + ": " + message)
        self.code = code
        self.status = status


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected request needs another signature, so it is not simply repeated."""

    def redirect_request(self, *_: Any) -> None:
        """Follow nothing."""


def container_url(get: Any) -> Any:
    """Return the address of the credentials of the job's role, where there is one."""
    path = get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
    return CONTAINER + path if path else get("AWS_CONTAINER_CREDENTIALS_FULL_URI")


def container_keys(url: str) -> Any:
    """Return the credentials of the job's role, from the address that its container was given."""
    # Never through a proxy.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for attempt in (1, 2, 3):
        try:
            with opener.open(url, timeout=METADATA_TIMEOUT) as response:
                return json.loads(response.read())
        except (OSError, HTTPException, ValueError):
            if attempt == 3:
                raise
            time.sleep(attempt)
    return None


def botocore_keys() -> Any:
    """Return what else botocore finds, in profiles for example, where the image has it."""
    try:
        from botocore.session import get_session
    except ImportError:
        raise S3Error("NoCredentials", "no role, no keys, no botocore to find others with")
    found = get_session().get_credentials()
    if not found:
        raise S3Error("NoCredentials", "no role, no keys")
    keys = found.get_frozen_credentials()
    # Ended already, so asked for again at each request: botocore knows when they end.
    return {
        "AccessKeyId": keys.access_key,
        "SecretAccessKey": keys.secret_key,
        "Token": keys.token,
        "Expiration": "0",
    }


def find_keys(environ: Mapping[str, str]) -> Any:
    """Return credentials as ECS writes them, from the first place where botocore finds some."""
    get = environ.get
    if get("AWS_ACCESS_KEY_ID"):
        return {
            "AccessKeyId": get("AWS_ACCESS_KEY_ID"),
            "SecretAccessKey": get("AWS_SECRET_ACCESS_KEY", ""),
            "Token": get("AWS_SESSION_TOKEN") or get("AWS_SECURITY_TOKEN"),
        }
    files = ("PROFILE", "WEB_IDENTITY_TOKEN_FILE", "SHARED_CREDENTIALS_FILE", "CONFIG_FILE")
    chosen = any(get("AWS_" + name) for name in files)
    url = container_url(get)
    # With a token, the address is one that only botocore's rules may be trusted with.
    if chosen or not url or get("AWS_CONTAINER_AUTHORIZATION_TOKEN"):
        return botocore_keys()
    return container_keys(url)


def bucket_url(bucket: str, region: str, environ: Mapping[str, str]) -> str:
    """Return the address of a bucket, without a slash at its end."""

    def is_set(name: str) -> bool:
        return environ.get(name, "").lower() == "true"

    custom = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")
    if custom and not is_set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"):
        return custom.rstrip("/") + "/" + bucket
    domain = next(domain for start, domain in DOMAINS if region.startswith(start))
    dual = "dualstack." if is_set("AWS_USE_DUALSTACK_ENDPOINT") else ""
    fips = "-fips" if is_set("AWS_USE_FIPS_ENDPOINT") else ""
    host = f"s3{fips}.{dual}{region}.{domain}"
    # A certificate for any one name before the host's does not hold for names with dots.
    return f"https://{host}/{bucket}" if "." in bucket else f"https://{bucket}.{host}"


def sign(
    method: str,
    url: str,
    headers: Mapping[str, str],
    keys: Any,
    region: str,
    body: bytes | None,
    now: str,
) -> dict[str, str]:
    """Return the headers with those of Signature Version 4.

    Args:
        method: The HTTP method.
        url: The address, its path quoted and its query sorted.
        headers: Headers to be signed.
        keys: The credentials.
        region: The bucket's region.
        body: The request's content.
        now: The time, as ``20260102T030405Z``.
    """
    where = urlsplit(url)
    digest = hashlib.sha256(body or b"").hexdigest()
    signed = dict(headers)
    signed.update({"host": where.netloc, "x-amz-content-sha256": digest, "x-amz-date": now})
    if keys.get("Token"):
        signed["x-amz-security-token"] = keys["Token"]
    names = ";".join(sorted(signed))
    lines = [name + ":" + signed[name] for name in sorted(signed)]
    canonical = [method, where.path or "/", where.query, *lines, "", names, digest]
    scope = "/".join([now[:8], region, "s3", "aws4_request"])
    hashed = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
    key = ("AWS4" + keys["SecretAccessKey"]).encode()
    for part in (*scope.split("/"), "\n".join(["AWS4-HMAC-SHA256", now, scope, hashed])):
        key = hmac.new(key, part.encode(), "sha256").digest()
    signed["authorization"] = (
        "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}".format(
            keys["AccessKeyId"], scope, names, key.hex()
        )
    )
    return signed


def should_repeat(status: int, code: str) -> bool:
    """Return whether a failed request is worth another attempt."""
    return status in (500, 502, 503, 504) or any(part in code for part in AGAIN)


class S3:
    """One bucket, to which requests are sent."""

    def __init__(self, bucket: str, owner: str, environ: Mapping[str, str]):
        self.bucket, self.owner, self.environ = bucket, owner, environ
        get = environ.get
        self.region = get("AWS_REGION") or get("AWS_DEFAULT_REGION") or "us-east-1"
        self.keys: Any = None
        # For images without certificates of their own.
        self.certificates = ["pip._vendor.certifi", "certifi"]
        self.opener: Any = None

    def open_with(self, certificates: str | None) -> Any:
        """Return what opens addresses, trusting the image's certificates or a file's."""
        get = self.environ.get
        file = certificates or get("AWS_CA_BUNDLE") or get("REQUESTS_CA_BUNDLE")
        context = ssl.create_default_context(cafile=file or None)
        return urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=context), NoRedirect
        )

    def credentials(self) -> Any:
        """Return credentials that are valid for a while."""
        soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + MARGIN))
        if not self.keys or (self.keys.get("Expiration") or "9") <= soon:
            self.keys = find_keys(self.environ)
        return self.keys

    def send(
        self, method: str, key: str, query: str = "", headers: Any = (), body: bytes | None = None
    ) -> Any:
        """Send a request until it succeeds; return its response's headers and content.

        Args:
            method: The HTTP method.
            key: The object's key.
            query: The query, quoted and sorted.
            headers: Further headers, their names in lower case.
            body: The content, where there is one.

        Raises:
            S3Error: S3 refused it, or was not reached in all attempts.
        """
        for attempt in range(ATTEMPTS):
            try:
                return self.once(method, key, query, headers, body)
            except urllib.error.HTTPError as refusal:
                error = self.understand(refusal)
            except (OSError, HTTPException, ValueError) as failure:
                error = self.unreachable(failure)
            if error:
                if attempt == ATTEMPTS - 1:
                    raise error
                time.sleep(min(2**attempt, LONGEST_PAUSE) * os.urandom(1)[0] / 255)
        raise AssertionError

    def once(self, method: str, key: str, query: str, headers: Any, body: bytes | None) -> Any:
        """Send a request once; return its response's headers and content."""
        url = bucket_url(self.bucket, self.region, self.environ) + "/" + quote(key, safe="/-_.~")
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        every = dict(headers)
        every["x-amz-expected-bucket-owner"] = self.owner
        if query:
            url += "?" + query
        signed = sign(method, url, every, self.credentials(), self.region, body, now)
        request = urllib.request.Request(url, body, signed, method=method)
        self.opener = self.opener or self.open_with(None)
        with self.opener.open(request, timeout=TIMEOUT) as response:
            return response.headers, response.read()

    def understand(self, refusal: urllib.error.HTTPError) -> S3Error | None:
        """Return the error to retry after a pause, or None to try at once; raise what is final."""
        with refusal:
            text = refusal.read().decode("utf-8", "replace")
        code = text.partition("<Code>")[2].partition("<")[0] or str(refusal.code)
        region = refusal.headers.get("x-amz-bucket-region")
        if refusal.code in (301, 307, 400) and region and region != self.region:
            self.region = region
            return None
        message = text.partition("<Message>")[2].partition("<")[0] or str(refusal.reason)
        error = S3Error(code, message, refusal.code)
        if code == "ExpiredToken" and self.keys.get("Expiration"):
            self.keys = None
        elif not should_repeat(refusal.code, code):
            raise error
        return error

    def unreachable(self, failure: Exception) -> S3Error | None:
        """Return the error to retry later, or None to try at once with other certificates."""
        if isinstance(getattr(failure, "reason", None), ssl.SSLCertVerificationError):
            while self.certificates:
                try:
                    file = importlib.import_module(self.certificates.pop()).where()
                    self.opener = self.open_with(file)
                    return None
                except ImportError:
                    continue
        return S3Error("Unreachable", repr(failure))
