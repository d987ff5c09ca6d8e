"""The bucket: that it is there, ours, here, writable and encrypted."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from ...aws.calls.aws_errors import Kind, classify, code_of
from ...protocol import s3_keys
from ..shared.errors import aws_message
from .finding import Case, Finding, ok, problem, unknown

AREA = "bucket"


def check_bucket(case: Case) -> Iterator[Finding]:
    """Check the bucket of tasks and results."""
    from botocore.exceptions import ClientError

    bucket = case.options["s3_bucket_name"]
    try:
        head = case.account.client("s3").head_bucket(
            Bucket=bucket, ExpectedBucketOwner=case.identity.account
        )
    except ClientError as error:
        yield _no_access(case, bucket, error)
        return
    yield ok(AREA, "exists", f"{bucket} is this account's.")
    region = _region(head)
    if region and region != case.account.region:
        yield _elsewhere(case, bucket, region)
        return
    yield ok(AREA, "region", f"It is in {case.account.region}.")
    yield _writable(case, bucket)
    yield _encrypted(case, bucket)


def _no_access(case: Case, bucket: str, error: Any) -> Finding:
    """Find out why a bucket cannot be had: missing, elsewhere, another's, or forbidden."""
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    if status == 404:
        return problem(
            AREA,
            "exists",
            f"There is no bucket {bucket}.",
            "correct s3_bucket_name, or make it: 'covalent-awsbatch deploy'.",
        )
    region = _region(error.response)
    if region and region != case.account.region:
        return _elsewhere(case, bucket, region)
    return problem(
        AREA,
        "owner",
        f"{bucket} exists, but is another account's, or these credentials may not see it "
        f"({status}).",
        "choose another name (s3_bucket_name): bucket names are shared by all accounts; or allow "
        "s3:ListBucket on it.",
    )


def _elsewhere(case: Case, bucket: str, region: str) -> Finding:
    return problem(
        AREA,
        "region",
        f"{bucket} is in {region}, the configuration has {case.account.region}.",
        "correct region or s3_bucket_name: queue, bucket and logs are in one region.",
    )


def _region(answer: Any) -> str:
    headers = answer["ResponseMetadata"].get("HTTPHeaders", {})
    return str(answer.get("BucketRegion") or headers.get("x-amz-bucket-region", ""))


def _writable(case: Case, bucket: str) -> Finding:
    from botocore.exceptions import ClientError

    s3 = case.account.client("s3")
    where = {
        "Bucket": bucket,
        "Key": f"{s3_keys.PREFIX}/doctor/{uuid.uuid4()}",
        "ExpectedBucketOwner": case.identity.account,
    }
    try:
        s3.put_object(**where, Body=b"covalent-awsbatch doctor")
        s3.get_object(**where)["Body"].read()
        s3.delete_object(**where)
    except ClientError as error:
        if classify(error) is not Kind.DENIED:
            raise
        return problem(
            AREA,
            "writable",
            f"These credentials may not write, read and delete in it: {aws_message(error)}",
            f"allow s3:PutObject, s3:GetObject and s3:DeleteObject on {bucket}/covalent/*.",
        )
    return ok(AREA, "writable", "An object could be written, read and deleted.")


def _encrypted(case: Case, bucket: str) -> Finding:
    from botocore.exceptions import ClientError

    try:
        answer = case.account.client("s3").get_bucket_encryption(
            Bucket=bucket, ExpectedBucketOwner=case.identity.account
        )
    except ClientError as error:
        if classify(error) is Kind.DENIED:
            return unknown(
                AREA, "encrypted", f"GetBucketEncryption was denied: {aws_message(error)}"
            )
        if code_of(error) != "ServerSideEncryptionConfigurationNotFoundError":
            raise
        return problem(
            AREA,
            "encrypted",
            "It does not encrypt what is written to it.",
            f"aws s3api put-bucket-encryption --bucket {bucket} --server-side-encryption-"
            'configuration \'{"Rules":[{"ApplyServerSideEncryptionByDefault":'
            '{"SSEAlgorithm":"AES256"}}]}\'',
        )
    rules = answer["ServerSideEncryptionConfiguration"]["Rules"]
    algorithm = rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"]
    return ok(AREA, "encrypted", f"With {algorithm}.")
