"""S3: small objects by the event loop, large ones by s3transfer in threads.

What belongs to a dispatch is kept count of: a large input is uploaded once however many electrons
share it, finished tasks' objects are deleted a thousand a call, and when the last task of a
dispatch has ended, whatever is left under its prefix is swept away.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import tempfile
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from .. import contract
from ..errors import BatchTaskError, BucketElsewhere
from .failures import Kind, classify
from .session import ObjectMissing, Session
from .sharing import shared

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger("covalent_awsbatch_plugin")

T = TypeVar("T")

# What S3 lists and deletes in one call.
LIST_LIMIT = DELETE_LIMIT = 1000

# Deletions wait for company this long, in seconds.
DELETE_DELAY = 1.0

# Seconds after the last task of a dispatch until its shared objects go: the next electron of the
# dispatch often starts at once, and would have to upload them again.
LINGER = 3.0

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
        self._tasks: dict[str, int] = {}
        self._doomed: dict[str, None] = {}
        self._deleter: asyncio.Task[None] | None = None
        self._sweeps: dict[str, asyncio.Task[None]] = {}
        self._sweeping: dict[str, asyncio.Task[None]] = {}
        self._transfers = asyncio.Semaphore(TRANSFERS)

    def __repr__(self) -> str:
        return f"<Storage {self.bucket}, {len(self._uploads)} shared, {len(self._doomed)} doomed>"

    # ---- Small objects

    async def _call(self, operation: str, **params: Any) -> dict[str, Any]:
        identity = await self._session.identity()
        params.update(Bucket=self.bucket, ExpectedBucketOwner=identity.account)
        try:
            return await self._session.call("s3", operation, **params)
        except BatchTaskError as error:
            raise await self._explain(error) from error

    async def put(self, key: str, content: bytes) -> None:
        """Store a small object.

        Raises:
            AWSError: AWS refused it.
        """
        # A task that is run again within the delay is not to lose what it stores.
        self._doomed.pop(key, None)
        await self._call("put_object", Key=key, Body=content)

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

    async def put_shared(self, key: str, content: bytes | Callable[[Path], None]) -> None:
        """Store an object once, however often it is asked for.

        Args:
            key: A key that names its content's digest.
            content: The content of a small one; or what writes that of a large one to a path,
                called in a thread, and only if needed.

        Raises:
            AWSError: AWS refused it.
        """
        if isinstance(content, bytes):
            upload = partial(self.put, key, content)
        else:
            upload = partial(self._upload, key, content)
        await shared(self._uploads, key, upload)

    async def _upload(self, key: str, write: Callable[[Path], None]) -> None:
        owner = {"ExpectedBucketOwner": (await self._session.identity()).account}

        def upload(client: Any) -> None:
            with self._private_file() as path:
                write(path)
                client.upload_file(str(path), self.bucket, key, owner, Config=_transfer_config())

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

    @contextmanager
    def _private_file(self) -> Iterator[Path]:
        """Give the path of a new file that only we can read, and that is gone afterwards."""
        self._cache_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="awsbatch-", dir=self._cache_dir) as folder:
            path = Path(folder) / "object"
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            yield path

    # ---- Clean-up

    def task_started(self, dispatch_id: str) -> None:
        """Count a task of a dispatch in: its shared objects stay."""
        self._tasks[dispatch_id] = self._tasks.get(dispatch_id, 0) + 1
        if sweep := self._sweeps.pop(dispatch_id, None):
            sweep.cancel()

    async def swept(self, dispatch_id: str) -> None:
        """Wait for a sweep that is under way: it would take what is uploaded meanwhile along."""
        if sweeping := self._sweeping.get(dispatch_id):
            await asyncio.wait({sweeping})

    def task_ended(self, dispatch_id: str, keep: bool) -> None:
        """Count a task of a dispatch out; after the last one, its objects are swept away."""
        self._tasks[dispatch_id] -= 1
        if self._tasks[dispatch_id]:
            return
        del self._tasks[dispatch_id]
        if not keep:
            self._sweeps[dispatch_id] = asyncio.create_task(self._sweep_later(dispatch_id))

    def discard(self, keys: Iterable[str]) -> None:
        """Delete objects soon, together with others."""
        self._doomed.update(dict.fromkeys(keys))
        if self._doomed and (self._deleter is None or self._deleter.done()):
            self._deleter = asyncio.create_task(self._delete_soon())

    async def _delete_soon(self) -> None:
        await asyncio.sleep(DELETE_DELAY)
        await self._delete_doomed()

    async def _delete_doomed(self) -> None:
        while self._doomed:
            batch = list(itertools.islice(self._doomed, DELETE_LIMIT))
            for key in batch:
                del self._doomed[key]
            await self._delete(batch)

    async def _delete(self, keys: list[str]) -> bool:
        """Delete objects, a thousand at most; return whether they are gone."""
        objects = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        try:
            answer = await self._call("delete_objects", Delete=objects)
        except (BatchTaskError, ObjectMissing) as error:
            # The lifecycle rule removes them; a task must not fail for its litter.
            log.warning("AWS Batch: %d objects could not be deleted: %s", len(keys), error)
            return False
        for failed in answer.get("Errors", ()):
            log.warning("AWS Batch: %s was not deleted: %s", failed["Key"], failed["Code"])
        return not answer.get("Errors")

    async def _sweep_later(self, dispatch_id: str) -> None:
        await asyncio.sleep(LINGER)
        self._sweeping[dispatch_id] = self._sweeps.pop(dispatch_id)
        try:
            await self._sweep(dispatch_id)
        finally:
            del self._sweeping[dispatch_id]

    async def _sweep(self, dispatch_id: str) -> None:
        prefix = contract.dispatch_prefix(dispatch_id)
        keys = [key for key in self._uploads if key.startswith(prefix)]
        uploads = [self._uploads.pop(key) for key in keys]
        # One whose task was cancelled goes on in its thread.
        if unfinished := [upload for upload in uploads if not upload.done()]:
            await asyncio.wait(unfinished)
        try:
            while left := await self.keys(prefix):
                if not await self._delete(left) or len(left) < LIST_LIMIT:
                    return
        except (BatchTaskError, ObjectMissing) as error:
            log.warning("AWS Batch: the objects of %s could not be listed: %s", prefix, error)

    async def clean_up(self) -> None:
        """Delete what is to be deleted, without waiting for more."""
        if self._deleter is not None:
            self._deleter.cancel()
        sweeps, self._sweeps = self._sweeps, {}
        for sweep in sweeps.values():
            sweep.cancel()
        await asyncio.gather(
            *self._sweeping.values(), *(self._sweep(dispatch_id) for dispatch_id in sweeps)
        )
        await self._delete_doomed()


def _transfer_config() -> Any:
    from boto3.s3.transfer import TransferConfig

    return TransferConfig(max_concurrency=PARTS, max_io_queue=PIECES)
