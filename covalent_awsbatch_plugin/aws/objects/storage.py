"""S3: small objects by the event loop, large ones by s3transfer in threads."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any, BinaryIO, TypeVar

from ...errors import BatchTaskError, BucketElsewhere
from ..calls.aws_errors import Kind, classify
from ..calls.patience import PATIENCE
from ..calls.session import ObjectMissing, Owner, Session
from ..model.encryption import DEFAULT_ENCRYPTION, Encryption
from .cache_folder import CacheFolder
from .transfers import Transfers, transfer_config

log = logging.getLogger("covalent_awsbatch_plugin")

T = TypeVar("T")

# What S3 lists and deletes in one call.
LIST_LIMIT = DELETE_LIMIT = 1000

# Writes a large object's content to a file.
Write = Callable[[BinaryIO], None]


class Storage:
    """The objects of one bucket.

    Args:
        session: The identity's calls.
        bucket: The bucket's name.
        transfers: The large transfers of the whole event loop.
    """

    def __init__(self, session: Session, bucket: str, transfers: Transfers) -> None:
        self.bucket = bucket
        self._session = session
        self._transfers = transfers

    def __repr__(self) -> str:
        return f"<Storage {self.bucket}>"

    # ---- Small objects

    async def _call(
        self, operation: str, patience: float = PATIENCE, /, **params: Any
    ) -> dict[str, Any]:
        params["Bucket"] = self.bucket
        try:
            return await self._session.call(
                "s3", operation, patience=patience, owned=True, **params
            )
        except BatchTaskError as error:
            raise await self._explain(error) from error

    async def put(
        self, key: str, content: bytes, encryption: Encryption = DEFAULT_ENCRYPTION
    ) -> None:
        """Store a small object.

        Raises:
            AWSError: AWS refused it.
        """
        await self._call("put_object", Key=key, Body=content, **encryption.parameters())

    async def get(self, key: str, patience: float = PATIENCE) -> bytes:
        """Return a small object.

        Raises:
            ObjectMissing: There is none at this key.
            BodyTooLarge: It is larger than an envelope ever is.
            AWSError: AWS refused it.
        """
        content: bytes = (await self._call("get_object", patience, Key=key))["Body"]
        return content

    async def keys(self, prefix: str, patience: float = PATIENCE) -> list[str]:
        """Return the keys under a prefix, the last written last; a thousand at most.

        Raises:
            AWSError: AWS refused it.
        """
        page = await self._call("list_objects_v2", patience, Prefix=prefix)
        found = sorted(page.get("Contents", ()), key=lambda entry: entry["LastModified"])
        return [entry["Key"] for entry in found]

    async def page(self, prefix: str, after: str) -> list[str]:
        """Return a thousand keys at most of those under a prefix that come after another key.

        Raises:
            AWSError: AWS refused it.
        """
        more: dict[str, Any] = {"StartAfter": after} if after else {}
        page = await self._call("list_objects_v2", Prefix=prefix, **more)
        return [entry["Key"] for entry in page.get("Contents", ())]

    async def stored_at(self, key: str) -> datetime | None:
        """Return when an object was stored; None where there is none.

        Raises:
            AWSError: AWS refused it.
        """
        page = await self._call("list_objects_v2", Prefix=key, MaxKeys=1)
        times = [each["LastModified"] for each in page.get("Contents", ()) if each["Key"] == key]
        return times[0] if times else None

    async def delete(self, keys: list[str]) -> bool:
        """Delete objects, a thousand at most; return whether they are gone.

        A failure is only logged: the lifecycle rule removes what stays, and a task must not fail
        for an object that it no longer needs.
        """
        objects = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        try:
            response = await self._call("delete_objects", Delete=objects)
        except (BatchTaskError, ObjectMissing) as error:
            log.warning("AWS Batch: %d objects could not be deleted: %s", len(keys), error)
            return False
        for failed in response.get("Errors", ()):
            log.warning("AWS Batch: %s was not deleted: %s", failed["Key"], failed["Code"])
        return not response.get("Errors")

    async def _explain(self, error: BatchTaskError) -> BatchTaskError:
        """Distinguish a bucket of another account from a missing permission: both are 403."""
        if not isinstance(error.__cause__, Exception):
            return error
        if classify(error.__cause__) is not Kind.DENIED:
            return error
        if await self._has_bucket() and not await self._has_bucket(owned=True):
            account = (await self._session.identity()).account
            return BucketElsewhere(
                f"The bucket {self.bucket!r} is not of account {account}, whose credentials the "
                "Covalent server uses.",
                advice="correct s3_bucket_name=, or profile= and credentials=.",
            )
        return error

    async def _has_bucket(self, owned: bool = False) -> bool:
        try:
            await self._session.call("s3", "head_bucket", owned=owned, Bucket=self.bucket)
        except (BatchTaskError, ObjectMissing):
            return False
        return True

    # ---- Large objects

    async def put_large(
        self,
        key: str,
        write: Write,
        cache: CacheFolder,
        encryption: Encryption = DEFAULT_ENCRYPTION,
    ) -> None:
        """Store a large object, which ``write`` writes to a file, in a thread.

        Raises:
            CacheDirUnusable: The file cannot be written.
            AWSError: AWS refused it.
        """

        def upload(client: Any, owner: Owner) -> None:
            with cache.filled(write) as file:
                config, extra = transfer_config(), {**owner, **encryption.parameters()}
                client.upload_fileobj(file, self.bucket, key, extra, Config=config)

        await self._transfer(upload, "put_object", key, PATIENCE)

    async def fetch_large(
        self,
        key: str,
        read: Callable[[BinaryIO], T],
        cache: CacheFolder,
        patience: float = PATIENCE,
    ) -> T:
        """Fetch a large object and return what ``read`` makes of its file, in a thread.

        Raises:
            ObjectMissing: There is none at this key.
            OSError: The file cannot be written.
            AWSError: AWS refused it.
        """

        def download(client: Any, owner: Owner) -> T:
            with cache.file() as file:
                config = transfer_config()
                client.download_fileobj(self.bucket, key, file, owner, Config=config)
                file.seek(0)
                return read(file)

        return await self._transfer(download, "get_object", key, patience)

    async def _transfer(
        self, work: Callable[[Any, Owner], T], operation: str, key: str, patience: float
    ) -> T:
        params = {"Bucket": self.bucket, "Key": key}
        async with self._transfers.slots:
            try:
                return await self._session.transfer(operation, params, work, patience)
            except BatchTaskError as error:
                raise await self._explain(error) from error
