"""The worker's own requests to S3: botocore decides what is right."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.retries import standard
from botocore.session import Session
from hypothesis import given
from hypothesis import strategies as st

from covalent_awsbatch_plugin.job import s3_request

# What S3 takes for keys and header values of ours.
KEYS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60)
VALUES = st.text("abcXYZ019=/+;:. -_", min_size=1, max_size=40).map(str.strip).filter(bool)
NAMES = st.sampled_from(["if-none-match", "range", "x-amz-checksum-sha256", "content-type"])
QUERIES = st.sampled_from(["", "uploads=", "uploadId=a%2Fb%3D", "partNumber=7&uploadId=x"])


def without_runs(value: str) -> str:
    """Return a value with no runs of spaces, which no header of ours has."""
    return " ".join(value.split())


@given(
    key=KEYS,
    query=QUERIES,
    headers=st.dictionaries(NAMES, VALUES.map(without_runs), max_size=3),
    body=st.binary(max_size=64),
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE"]),
    token=st.sampled_from([None, "a-token/+="]),
)
def test_a_signature_is_botocore_s(key, query, headers, body, method, token):
    url = "https://bucket.s3.eu-central-1.amazonaws.com/" + quote(key, safe="/-_.~")
    full = f"{url}?{query}" if query else url
    request = AWSRequest(method, full, headers, data=body)
    request.context["payload_signing_enabled"] = True
    S3SigV4Auth(Credentials("AKID", "secret", token), "s3", "eu-central-1").add_auth(request)
    keys = {"AccessKeyId": "AKID", "SecretAccessKey": "secret", "Token": token}
    now = request.headers["X-Amz-Date"]
    signed = s3_request.sign(method, full, headers, keys, "eu-central-1", body, now)
    assert signed["authorization"] == request.headers["Authorization"]


def address(session: Session, region: str, bucket: str, key: str, **options: Any) -> str:
    """Return where botocore sends GetObject."""
    styles = {"us_east_1_regional_endpoint": "regional"}
    endpoint = options.pop("endpoint_url", None)
    config = Config(s3=styles, **options)
    client = session.create_client("s3", region_name=region, config=config, endpoint_url=endpoint)
    return sent_to(client, bucket, key)


def sent_to(client: Any, bucket: str, key: str) -> str:
    """Return where a client sends GetObject; nothing is sent."""
    found: list[str] = []

    def catch(request: Any, **_: Any) -> AWSResponse:
        found.append(request.url)
        return AWSResponse(request.url, 204, {}, BytesIO())

    client.meta.events.register_first("before-send.s3.GetObject", catch)
    client.get_object(Bucket=bucket, Key=key)
    client.meta.events.unregister("before-send.s3.GetObject", catch)
    return found[0]


@pytest.fixture(scope="module")
def session() -> Session:
    created = Session()
    created.set_credentials("AKID", "secret")
    return created


def regions() -> list[str]:
    session = Session()
    partitions = session.get_available_partitions()
    return [r for p in partitions for r in session.get_available_regions("s3", p)]


@pytest.mark.parametrize("region", regions())
def test_a_bucket_s_address_is_botocore_s_in_every_region(session, region):
    expected = address(session, region, "a-bucket", "key")
    assert s3_request.bucket_url("a-bucket", region, {}) + "/key" == expected


@pytest.mark.parametrize("bucket", ["a-bucket", "with.dots"])
@pytest.mark.parametrize(
    "endpoint",
    [
        "http://127.0.0.1:4566",
        "http://[::1]:4566",
        "http://localhost:4566",
        "http://s3.example:9000/path/",
        "https://vpce-1.s3.eu-central-1.vpce.amazonaws.com",
        "https://bucket.vpce-1.s3.eu-central-1.vpce.amazonaws.com",
    ],
)
def test_an_endpoint_of_the_job_s_own_is_used_as_botocore_uses_it(session, bucket, endpoint):
    expected = address(session, "eu-central-1", bucket, "key", endpoint_url=endpoint)
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        found = s3_request.bucket_url(bucket, "eu-central-1", {name: endpoint})
        assert found + "/key" == expected


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "us-gov-west-1"])
@pytest.mark.parametrize("fips", [False, True])
@pytest.mark.parametrize("dual", [False, True])
@pytest.mark.parametrize("bucket", ["a-bucket", "with.dots"])
def test_fips_and_dual_stack(session, region, fips, dual, bucket):
    expected = address(
        session, region, bucket, "key", use_fips_endpoint=fips, use_dualstack_endpoint=dual
    )
    environ = {"AWS_USE_FIPS_ENDPOINT": str(fips), "AWS_USE_DUALSTACK_ENDPOINT": str(dual)}
    assert s3_request.bucket_url(bucket, region, environ) + "/key" == expected


@given(key=KEYS)
def test_a_key_is_quoted_as_botocore_quotes_it(key):
    url = sent_to(_client(Session()), "a-bucket", key)
    assert urlsplit(url).path == "/" + quote(key, safe="/-_.~")


_clients: list[Any] = []


def _client(session: Session) -> Any:
    if not _clients:
        session.set_credentials("AKID", "secret")
        _clients.append(session.create_client("s3", region_name="eu-central-1"))
    return _clients[0]


def botocore_repeats(status: int, code: str) -> bool:
    """Return whether botocore's retry conditions ask for another attempt."""

    class Response:
        status_code = status

    operation = _client(Session()).meta.service_model.operation_model("GetObject")
    context = standard.RetryContext(1, operation, {"Error": {"Code": code}}, Response(), None, {})
    return bool(standard.StandardRetryConditions(3).is_retryable(context))


def error_codes() -> list[str]:
    """Return error codes of S3's own, and all that botocore knows for throttling."""
    throttled = standard.ThrottledRetryableChecker._THROTTLED_ERROR_CODES
    transient = standard.TransientRetryableChecker._TRANSIENT_ERROR_CODES
    final = (
        "AccessDenied NoSuchKey NoSuchBucket PreconditionFailed InvalidAccessKeyId "
        "SignatureDoesNotMatch RequestTimeTooSkewed InvalidRange EntityTooLarge MalformedXML "
        "InvalidDigest BadDigest NotImplemented ExpiredToken MethodNotAllowed InvalidRequest"
    )
    return [*throttled, *transient, *final.split()]


@pytest.mark.parametrize("code", error_codes())
@pytest.mark.parametrize("status", [400, 403, 404, 412, 429, 500, 502, 503, 504])
def test_what_botocore_retries_is_retried(status, code):
    assert s3_request.should_repeat(status, code) == botocore_repeats(status, code)


class Server(ThreadingHTTPServer):
    """Gives the responses it is given, in turn, the last one again and again."""

    daemon_threads = True

    def __init__(self, *responses: tuple[int, dict[str, str], bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.responses = list(responses)
        self.requests: list[tuple[str, str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append((self.command, self.path, headers))
        queue = self.server.responses
        status, headers, content = queue.pop(0) if len(queue) > 1 else queue[0]
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_PUT = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Write nothing."""


@contextmanager
def serving(*responses: tuple[int, dict[str, str], bytes]) -> Iterator[Server]:
    server = Server(*responses)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def s3_at(url: str, **environ: str) -> s3_request.S3:
    keys = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret"}
    return s3_request.S3("a-bucket", "1", {"AWS_ENDPOINT_URL": url, **keys, **environ})


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Pauses between attempts take no time."""
    monkeypatch.setattr(s3_request.time, "sleep", lambda _: None)


def refusal(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>why</Message></Error>".encode()


def test_failures_that_pass_are_waited_for():
    busy, cut = (503, {}, refusal("SlowDown")), (200, {"Content-Length": "9"}, b"half")
    with serving(busy, cut, (200, {}, b"content")) as server:
        assert s3_at(server.url).send("GET", "a key")[1] == b"content"
    assert [path for _, path, _ in server.requests] == ["/a-bucket/a%20key"] * 3
    assert server.requests[0][2]["x-amz-expected-bucket-owner"] == "1"


def test_a_refusal_is_final_and_has_s3_s_own_words():
    denied = (403, {}, refusal("AccessDenied"))
    words = pytest.raises(s3_request.S3Error, match="AccessDenied: why")
    with serving(denied) as server, words as caught:
        s3_at(server.url).send("GET", "key")
    assert (caught.value.code, caught.value.status) == ("AccessDenied", 403)
    assert len(server.requests) == 1


def test_endless_failures_end_after_ten_attempts():
    with serving((500, {}, b"")) as server, pytest.raises(s3_request.S3Error):
        s3_at(server.url).send("GET", "key")
    assert len(server.requests) == 10


def test_an_address_that_nothing_listens_at():
    with serving((200, {}, b"")) as server:
        url = server.url
    with pytest.raises(s3_request.S3Error, match="Unreachable"):
        s3_at(url).send("GET", "key")


def test_a_bucket_of_another_region_is_asked_there():
    moved = (301, {"x-amz-bucket-region": "eu-west-3"}, refusal("PermanentRedirect"))
    with serving(moved, (200, {}, b"content")) as server:
        assert s3_at(server.url, AWS_REGION="us-east-1").send("GET", "key")[1] == b"content"
    regions = [headers["authorization"].split("/")[2] for _, _, headers in server.requests]
    assert regions == ["us-east-1", "eu-west-3"]


def credentials(token: str, expiration: str) -> tuple[int, dict[str, str], bytes]:
    found = {"AccessKeyId": "AKID", "SecretAccessKey": "s", "Token": token}
    return 200, {}, json.dumps({**found, "Expiration": expiration}).encode()


def test_the_role_s_credentials_are_renewed_before_they_end(monkeypatch):
    ended, lasting = (
        credentials("1", "2001-01-01T00:00:00Z"),
        credentials("2", "2999-01-01T00:00Z"),
    )
    with serving((500, {}, b""), ended, lasting) as container, serving((200, {}, b"")) as server:
        monkeypatch.setattr(s3_request, "CONTAINER", container.url)
        # A proxy is for the way out, never for what is inside the host.
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        monkeypatch.setenv("no_proxy", f"127.0.0.1:{server.server_port}")
        environ = {
            "AWS_ENDPOINT_URL": server.url,
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/x",
        }
        s3 = s3_request.S3("a-bucket", "1", environ)
        for _ in range(3):
            s3.send("GET", "key")
    tokens = [headers["x-amz-security-token"] for _, _, headers in server.requests]
    assert tokens == ["1", "2", "2"]
    assert {path for _, path, _ in container.requests} == {"/v2/credentials/x"}


def test_a_role_s_credentials_may_be_at_a_whole_address():
    with serving(credentials("1", "2999-01-01T00:00Z")) as container:
        url = f"{container.url}/keys"
        variables = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": url}
        assert s3_request.find_keys(variables)["Token"] == "1"
    assert [path for _, path, _ in container.requests] == ["/keys"]


def test_an_address_with_a_token_is_left_to_botocore(monkeypatch):
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    names = ("FULL_URI", "RELATIVE_URI")
    for name in names:
        variables = {
            f"AWS_CONTAINER_CREDENTIALS_{name}": "http://127.0.0.1:1/",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": "secret",
        }
        with pytest.raises(s3_request.S3Error, match="no botocore"):
            s3_request.find_keys(variables)


def test_credentials_that_s3_calls_expired_are_renewed(monkeypatch):
    first, second = credentials("1", "2999-01-01T00:00Z"), credentials("2", "2999-01-01T00:00Z")
    expired = (400, {}, refusal("ExpiredToken"))
    with serving(first, second) as container, serving(expired, (200, {}, b"")) as server:
        monkeypatch.setattr(s3_request, "CONTAINER", container.url)
        environ = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/", "AWS_ENDPOINT_URL": server.url}
        s3_request.S3("a-bucket", "1", environ).send("GET", "key")
    assert [headers["x-amz-security-token"] for _, _, headers in server.requests] == ["1", "2"]


def test_a_profile_is_left_to_botocore(monkeypatch, tmp_path):
    file = tmp_path / "credentials"
    file.write_text("[other]\naws_access_key_id = FROMFILE\naws_secret_access_key = s\n")
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    environ = {"AWS_PROFILE": "other", "AWS_SHARED_CREDENTIALS_FILE": str(file)}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    container = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/"}
    assert s3_request.find_keys({**environ, **container})["AccessKeyId"] == "FROMFILE"


def test_keys_in_the_environment_come_first():
    environ = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SESSION_TOKEN": "t", "AWS_PROFILE": "other"}
    found = s3_request.find_keys(environ)
    assert (found["AccessKeyId"], found["Token"]) == ("AKID", "t")


def test_certificates_that_are_not_there_are_named(tmp_path):
    with pytest.raises(s3_request.S3Error, match="FileNotFoundError"):
        s3_at("https://127.0.0.1:1", AWS_CA_BUNDLE=str(tmp_path / "none.pem")).send("GET", "key")


def test_a_job_without_credentials_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    with pytest.raises(s3_request.S3Error, match="no role, no keys"):
        s3_request.S3("a-bucket", "1", {}).send("GET", "key")
