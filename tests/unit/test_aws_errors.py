"""What each way in which a call fails means for it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from covalent_awsbatch_plugin.aws.calls.aws_errors import Kind, classify
from covalent_awsbatch_plugin.aws.calls.session import Session
from covalent_awsbatch_plugin.aws.model.access import Access
from covalent_awsbatch_plugin.errors import CredentialsFailed


def error(
    code: str, status: int, operation: str, message: str = "", **headers: str
) -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers},
    }
    return ClientError(response, operation)


REGION = {"x-amz-bucket-region": "eu-west-1"}


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (error("400", 400, "HeadObject"), Kind.EXPIRED),
        (error("400", 400, "HeadBucket"), Kind.EXPIRED),
        (error("400", 400, "HeadObject", **REGION), Kind.REFUSED),
        (error("400", 400, "DescribeJobs"), Kind.REFUSED),
        (error("", 400, "SubmitJob", "Job definition not found"), Kind.REFUSED),
        (error("501", 501, "GetJobQueueSnapshot"), Kind.REFUSED),
        (error("NotImplemented", 501, "DeleteObjects"), Kind.REFUSED),
        (error("503", 503, "DescribeJobs"), Kind.TRANSIENT),
        (error("RequestTimeTooSkewed", 403, "GetObject"), Kind.CLOCK),
        (error("RequestInTheFuture", 403, "GetObject"), Kind.CLOCK),
        (error("RequestExpired", 400, "GetObject"), Kind.CLOCK),
        (
            error("InvalidSignatureException", 403, "DescribeJobs", "Signature expired: 1"),
            Kind.CLOCK,
        ),
        (error("SignatureDoesNotMatch", 403, "Get", "Signature not yet current: 2"), Kind.CLOCK),
        (error("SignatureDoesNotMatch", 403, "Get", "We calculated another"), Kind.CREDENTIALS),
        (error("InvalidSignatureException", 403, "Get", "should be scoped to"), Kind.REFUSED),
        (error("ExpiredToken", 400, "PutObject"), Kind.EXPIRED),
        (error("SlowDown", 503, "PutObject"), Kind.THROTTLED),
    ],
)
def test_kinds(failure: ClientError, kind: Kind) -> None:
    assert classify(failure) is kind


HELPERS = {
    "a program that is missing": "/no/such/program",
    "one that prints no JSON": f"{sys.executable} -c print()",
    "one that fails": f"{sys.executable} -c 1/0",
    "one that prints too little": f"{sys.executable} -c print(dict())",
}


@pytest.mark.parametrize("name", HELPERS)
async def test_a_credential_helper_that_fails_in_its_own_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Whatever it raises, the error names the credentials and the cause."""
    config = tmp_path / "config"
    config.write_text(f"[profile helped]\ncredential_process = {HELPERS[name]}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    session = Session(Access("", "helped", "us-east-1", "http://127.0.0.1:9"))
    try:
        with pytest.raises(CredentialsFailed, match="sts:get_caller_identity"):
            await session.identity()
    finally:
        await session.close()


async def test_a_role_with_mfa_and_no_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, credentials = tmp_path / "config", tmp_path / "credentials"
    role = "role_arn = arn:aws:iam::123456789012:role/r\nsource_profile = base\nmfa_serial = mfa\n"
    config.write_text(f"[profile helped]\n{role}")
    credentials.write_text("[base]\naws_access_key_id = a\naws_secret_access_key = b\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setattr(sys, "stdin", None)

    def no_terminal(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("getpass.getpass", no_terminal)
    session = Session(Access(str(credentials), "helped", "us-east-1", "http://127.0.0.1:9"))
    try:
        with pytest.raises(CredentialsFailed, match=r"terminal|EOFError"):
            await session.identity()
    finally:
        await session.close()
