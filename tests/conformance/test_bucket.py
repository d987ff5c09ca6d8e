"""The worker's access to its bucket, beside boto3's to the same objects."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from covalent_awsbatch_plugin.job import s3_request
from covalent_awsbatch_plugin.job.bucket import (
    MEBIBYTE,
    PART,
    Bucket,
    Damaged,
    encryption_headers,
    error_code,
    is_denied,
    part_length,
)
from covalent_awsbatch_plugin.local import LocalAws
from covalent_awsbatch_plugin.protocol import env_names

pytestmark = pytest.mark.emulator


@pytest.fixture
def client(local: LocalAws) -> Any:
    return local.client("s3")


@pytest.fixture
def name(local: LocalAws) -> str:
    return local.executor_options()["s3_bucket_name"]


@pytest.fixture
def bucket(local: LocalAws, name: str, client: Any) -> Bucket:
    return Bucket(requests_to(local, name))


def requests_to(local: LocalAws, name: str, owner: str = "123456789012") -> s3_request.S3:
    environ = {
        "AWS_ENDPOINT_URL": local.endpoint_url,
        "AWS_REGION": local.region,
        "AWS_ACCESS_KEY_ID": "AKID",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }
    return s3_request.S3(name, owner, environ)


def content_of(client: Any, name: str, key: str) -> bytes:
    return bytes(client.get_object(Bucket=name, Key=key)["Body"].read())


def test_an_object_is_stored_once(bucket, client, name):
    key = "covalent/d/0/it's ü+%20 one"
    assert bucket.put_once(key, b"first")
    assert not bucket.put_once(key, b"second")
    assert content_of(client, name, key) == bucket.get(key) == b"first"


@pytest.mark.parametrize("size", [0, 1, PART, PART + 1, 3 * PART - 1])
def test_a_file_is_stored_whole(bucket, client, name, tmp_path: Path, size: int):
    (tmp_path / "file").write_bytes(os.urandom(size))
    bucket.upload(tmp_path / "file", "covalent/d/0/file")
    assert content_of(client, name, "covalent/d/0/file") == (tmp_path / "file").read_bytes()


@pytest.mark.parametrize("size", [1, PART, PART + 1, 3 * PART - 1])
def test_an_object_is_fetched_whole(bucket, client, name, tmp_path: Path, size: int):
    content = os.urandom(size)
    key = f"covalent/d/blobs/{hashlib.sha256(content).hexdigest()}"
    client.put_object(Bucket=name, Key=key, Body=content)
    bucket.download(key, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == content


def test_content_that_is_not_what_its_name_says_is_refused(bucket, client, name, tmp_path):
    key = f"covalent/d/blobs/{hashlib.sha256(b'this').hexdigest()}"
    client.put_object(Bucket=name, Key=key, Body=b"that")
    with pytest.raises(Damaged):
        bucket.download(key, tmp_path / "file")


def test_a_missing_object(bucket):
    with pytest.raises(s3_request.S3Error) as caught:
        bucket.get("covalent/d/0/none")
    assert error_code(caught.value) == "NoSuchKey"
    assert not is_denied(caught.value)


def test_a_bucket_of_another_account_is_refused(local: LocalAws, name: str):
    with pytest.raises(s3_request.S3Error) as caught:
        Bucket(requests_to(local, name, "999999999999")).put_once("covalent/d/0/x", b"")
    assert is_denied(caught.value)


def test_an_upload_that_fails_leaves_no_parts(local, bucket, client, name, tmp_path):
    class Failing:
        """Requests of which those that store parts fail."""

        def send(self, method: str, key: str, query: str = "", *rest: Any, **named: Any) -> Any:
            if "partNumber" in query:
                raise s3_request.S3Error("Unreachable", "gone")
            return requests_to(local, name).send(method, key, query, *rest, **named)

    (tmp_path / "file").write_bytes(b"x" * (PART + 1))
    with pytest.raises(s3_request.S3Error):
        Bucket(Failing()).upload(tmp_path / "file", "covalent/d/0/failed")
    assert not client.list_multipart_uploads(Bucket=name).get("Uploads")


@pytest.mark.parametrize("size", [1, PART + 1])
def test_what_is_stored_asks_for_the_encryption_of_the_options(
    local, client, name, tmp_path, size
):
    environ = {env_names.ENV_ENCRYPTION: "aws:kms", env_names.ENV_KMS_KEY: "a-key"}
    encrypting = Bucket(requests_to(local, name), encryption_headers(environ))
    (tmp_path / "file").write_bytes(b"x" * size)
    encrypting.upload(tmp_path / "file", "covalent/d/0/file")
    encrypting.put_once(f"covalent/d/0/once-{size}", b"x")
    for key in ("covalent/d/0/file", f"covalent/d/0/once-{size}"):
        head = client.head_object(Bucket=name, Key=key)
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", "a-key")


@pytest.mark.parametrize("size", [1, PART, 10_000 * PART, 10_000 * PART + 1, 5 * 1024**4])
def test_no_upload_has_more_parts_than_s3_takes(size: int):
    length = part_length(size)
    assert length % MEBIBYTE == 0
    assert -(-size // length) <= 10_000
    assert length <= 5 * 1024 * MEBIBYTE
