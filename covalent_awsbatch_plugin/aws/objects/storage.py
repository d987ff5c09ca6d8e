"""S3: small objects by the event loop, large ones by s3transfer in threads.

A large input is uploaded once, however many electrons of its dispatch share it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import BatchTaskError, BucketElsewhere
from ..calls.aws_errors import Kind, classify
from ..calls.session import ObjectMissing, Session
from ..calls.single_flight import single_flight
from ..model.encryption import DEFAULT_ENCRYPTION, Encryption

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger("covalent_awsbatch_plugin")

T = TypeVar("T")


# What S3 lists and deletes in one call.
LIST_LIMIT = DELETE_LIMIT = 1000

# Large transfers at once; of each, the parts of 8 MB at once, and the pieces of 256 KB that wait
# to be written to its file. s3transfer's own defaults, 10 and 1000, may be 80 and 250 MB.
TRANSFERS = 2
PARTS = 4
PIECES = 16


class Storage:
    """The objects of one bucket."""

    def __init__(self, session: Session, bucket: str, cache_dir: str) -> None:
        self.bucket = bucket
        self._session = session
        self._cache_dir = Path(cache_dir)
        self._uploads: dict[str, asyncio.Task[None]] = {}
        self._transfers = asyncio.Semaphore(TRANSFERS)

    def __repr__(self) -> str:
        return f"<Storage {self.bucket}, {len(self._uploads)} shared>"

    # ---- Small objects

    async def _call(self, operation: str, **params: Any) -> dict[str, Any]:
        identity = await self._session.identity()
        params.update(Bucket=self.bucket, ExpectedBucketOwner=identity.account)
        try:
            return await self._session.call("s3", operation, **params)
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

    async def get(self, key: str) -> bytes:
        """Return a small object.

        Raises:
            ObjectMissing: There is none at this key.
            BodyTooLarge: It is larger than an envelope ever is.
            AWSError: AWS refused it.
        """
        content: bytes = (await self._call("get_object", Key=key))["Body"]
        return content

    async def keys(self, prefix: str) -> list[str]:
        """Return the keys under a prefix, the last written last; a thousand at most.

        Raises:
            AWSError: AWS refused it.
        """
        page = await self._call("list_objects_v2", Prefix=prefix)
        found = sorted(page.get("Contents", ()), key=lambda entry: entry["LastModified"])
        return [entry["Key"] for entry in found]

    async def delete(self, keys: list[str]) -> bool:
        """Delete objects, a thousand at most; return whether they are gone.

        A failure is told in the log only: the lifecycle rule removes what stays, and a task must
        not fail for its litter.
        """
        objects = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        try:
            answer = await self._call("delete_objects", Delete=objects)
        except (BatchTaskError, ObjectMissing) as error:
            log.warning("AWS Batch: %d objects could not be deleted: %s", len(keys), error)
            return False
        for failed in answer.get("Errors", ()):
            log.warning("AWS Batch: %s was not deleted: %s", failed["Key"], failed["Code"])
        return not answer.get("Errors")

    async def _explain(self, error: BatchTaskError) -> BatchTaskError:
        """Tell a bucket of another account from a missing permission: S3 answers 403 to both."""
        if not isinstance(error.__cause__, Exception):
            return error
        if classify(error.__cause__) is not Kind.DENIED:
            return error
        account = (await self._session.identity()).account
        try:
            await self._session.call("s3", "head_bucket", Bucket=self.bucket)
        except (BatchTaskError, ObjectMissing):
            return error
        try:
            params: dict[str, Any] = {"Bucket": self.bucket, "ExpectedBucketOwner": account}
            await self._session.call("s3", "head_bucket", **params)
        except (BatchTaskError, ObjectMissing):
            return BucketElsewhere(
                f"The bucket {self.bucket!r} is not of account {account}, whose credentials the "
                "Covalent server uses.",
                advice="correct s3_bucket_name=, or profile= and credentials=.",
            )
        return error

    # ---- Large objects

    async def put_shared(
        self,
        key: str,
        content: bytes | Callable[[Path], None],
        encryption: Encryption = DEFAULT_ENCRYPTION,
    ) -> None:
        """Store an object once, however often it is asked for.

        Args:
            key: A key that names its content's digest.
            content: The content of a small one; or what writes that of a large one to a path,
                called in a thread, and only if needed.
            encryption: How S3 is asked to encrypt it; the first who asks decides.

        Raises:
            AWSError: AWS refused it.
        """
        if isinstance(content, bytes):
            upload = partial(self.put, key, content, encryption)
        else:
            upload = partial(self._upload, key, content, encryption)
        await single_flight(self._uploads, key, upload)

    async def _upload(
        self, key: str, write: Callable[[Path], None], encryption: Encryption
    ) -> None:
        owner = (await self._session.identity()).account
        extra = {"ExpectedBucketOwner": owner, **encryption.parameters()}

        def upload(client: Any) -> None:
            with self._private_file() as path:
                write(path)
                client.upload_file(str(path), self.bucket, key, extra, Config=_transfer_config())

        await self._transfer(upload, "put_object", key)

    async def fetch_large(self, key: str, read: Callable[[Path], T]) -> T:
        """Fetch a large object and return what ``read`` makes of its file, in a thread.

        Raises:
            ObjectMissing: There is none at this key.
            AWSError: AWS refused it.
        """
        owner = {"ExpectedBucketOwner": (await self._session.identity()).account}

        def download(client: Any) -> T:
            with self._private_file() as path:
                # Into our own file: a path's would be replaced by one that others may read.
                with path.open("wb") as file:
                    config = _transfer_config()
                    client.download_fileobj(self.bucket, key, file, owner, Config=config)
                return read(path)

        return await self._transfer(download, "get_object", key)

    async def _transfer(self, work: Callable[[Any], T], operation: str, key: str) -> T:
        params = {"Bucket": self.bucket, "Key": key}
        async with self._transfers:
            try:
                return await self._session.transfer(operation, params, work)
            except BatchTaskError as error:
                raise await self._explain(error) from error

    async def forget(self, prefix: str) -> None:
        """Upload what is under a prefix again when asked to; wait for uploads still under way."""
        keys = [key for key in self._uploads if key.startswith(prefix)]
        uploads = [self._uploads.pop(key) for key in keys]
        # One whose task was cancelled goes on in its thread.
        if unfinished := [upload for upload in uploads if not upload.done()]:
            await asyncio.wait(unfinished)

    @contextmanager
    def _private_file(self) -> Iterator[Path]:
        """Give the path of a new file that only we can read, and that is gone afterwards."""
        self._cache_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="awsbatch-", dir=self._cache_dir) as folder:
            path = Path(folder) / "object"
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            yield path


def _transfer_config() -> Any:
    from boto3.s3.transfer import TransferConfig

    return TransferConfig(max_concurrency=PARTS, max_io_queue=PIECES)
