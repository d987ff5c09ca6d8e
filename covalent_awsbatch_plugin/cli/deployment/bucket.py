"""The objects of a deployment's bucket: counted and deleted page by page, with progress."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...aws.calls.aws_errors import code_of
from ...protocol import s3_keys
from ..shared.account import Account
from ..shared.errors import Refusal
from ..shared.formats import count
from ..shared.screen import console

OURS = f"{s3_keys.PREFIX}/"


def count_objects(account: Account, bucket: str) -> tuple[int, int]:
    """Return the numbers of the plugin's objects in a bucket, and of others."""
    ours = others = 0
    # It shows on terminals only.
    with console().status(f"Listing {bucket}") as status:
        for keys in _pages(account, bucket):
            of_page = sum(key.startswith(OURS) for key in keys)
            ours, others = ours + of_page, others + len(keys) - of_page
            status.update(f"Listing {bucket}: {count(ours + others, 'object')}")
    return ours, others


def empty(account: Account, bucket: str, number: int) -> None:
    """Delete the plugin's objects; S3 deletes no bucket that holds any.

    Args:
        account: Where the bucket is.
        bucket: Its name.
        number: How many objects there are, about.

    Raises:
        Refusal: S3 does not delete some of them.
    """
    if not number:
        return
    screen, deleted = console(), 0
    screen.print(f"Deleting {count(number, 'object')} in {bucket}.")
    with screen.status("") as status:
        # A page at a time: there may be millions.
        for keys in _pages(account, bucket, OURS):
            status.update(f"{deleted} of {max(number, deleted)} deleted")
            _delete(account.client("s3"), bucket, keys)
            deleted += len(keys)


def _delete(s3: Any, bucket: str, keys: list[str]) -> None:
    named = [{"Key": key} for key in keys]
    done = s3.delete_objects(Bucket=bucket, Delete={"Objects": named, "Quiet": True})
    if done.get("Errors"):
        first = done["Errors"][0]
        raise Refusal(
            f"S3 did not delete {count(len(done['Errors']), 'object')} in {bucket}, such as "
            f"{first.get('Key')}: {first.get('Message') or first.get('Code')}",
            "allow s3:DeleteObject on the bucket to these credentials, then try again.",
        )


def _pages(account: Account, bucket: str, prefix: str = "") -> Iterator[list[str]]:
    """Yield the keys of a bucket, page by page; none where there is no such bucket."""
    from botocore.exceptions import ClientError

    if not bucket:
        return
    pages = account.client("s3").get_paginator("list_objects_v2")
    try:
        for page in pages.paginate(Bucket=bucket, Prefix=prefix):
            if page.get("Contents"):
                yield [item["Key"] for item in page["Contents"]]
    except ClientError as error:
        if code_of(error) != "NoSuchBucket":
            raise
