"""The KMS key of the objects in the bucket: that it is there, and can be used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...aws.calls.aws_errors import Kind, classify, code_of
from ..shared.errors import aws_message
from .finding import Case, Finding, ok, problem, unknown

AREA = "KMS key"

# What can be done about a key that cannot be used, by its state.
FIXES = {
    "Disabled": "aws kms enable-key --key-id {key}",
    "PendingDeletion": "aws kms cancel-key-deletion --key-id {key}, then aws kms enable-key "
    "--key-id {key}",
}


def find_key(case: Case) -> str:
    """Return the key with which objects are encrypted; empty where it is S3's own.

    It is that of the option ``s3_kms_key_id``, else that of the bucket.
    """
    from botocore.exceptions import ClientError

    chosen = str(case.options["s3_kms_key_id"] or "")
    if chosen:
        return chosen
    try:
        rules = case.account.client("s3").get_bucket_encryption(
            Bucket=case.options["s3_bucket_name"], ExpectedBucketOwner=case.identity.account
        )["ServerSideEncryptionConfiguration"]["Rules"]
    except ClientError:
        # The check of the bucket reports it.
        return ""
    defaults = (rule.get("ApplyServerSideEncryptionByDefault") or {} for rule in rules)
    return next((d["KMSMasterKeyID"] for d in defaults if d.get("KMSMasterKeyID")), "")


def check_key(case: Case) -> Iterator[Finding]:
    """Check the key; nothing where it is S3's own."""
    from botocore.exceptions import ClientError

    key = find_key(case)
    if not key:
        return
    try:
        described = case.account.client("kms").describe_key(KeyId=key)["KeyMetadata"]
    except ClientError as error:
        yield _unseen(key, error)
        return
    yield _state(key, described)


def _unseen(key: str, error: Any) -> Finding:
    if code_of(error) == "NotFoundException":
        return problem(
            AREA,
            "exists",
            f"There is no key {key}: objects can be neither written nor read.",
            "correct s3_kms_key_id or the bucket's encryption, or deploy with another --kms-key.",
        )
    if classify(error) is not Kind.DENIED:
        raise error
    return unknown(AREA, "exists", f"DescribeKey was denied: {aws_message(error)}")


def _state(key: str, described: Mapping[str, Any]) -> Finding:
    state = described["KeyState"]
    if state == "Enabled":
        return ok(AREA, "enabled", f"{key}.")
    return problem(
        AREA,
        "enabled",
        f"The key {key} is {state}: objects can be neither written nor read.",
        FIXES.get(state, "wait until it is Enabled, or name another key.").format(key=key),
    )
