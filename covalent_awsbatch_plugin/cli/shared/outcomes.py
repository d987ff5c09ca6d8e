"""The outcomes that jobs left in the bucket. Nothing in them is unpickled here."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...protocol import env_names, envelope, messages, s3_keys
from .account import Account
from .job_facts import JobFacts

# ``.../<node>/<job id>/outcome-<attempt>``
_OUTCOME = re.compile(r"(?P<node>[^/]+)/(?P<job>[^/]+)/outcome-(?P<attempt>\d+)$")

THREADS = 8

# Base64 is decoded in pieces of whole groups of four characters.
PIECE = 4 * 1024 * 1024


@dataclass(frozen=True)
class StoredOutcome:
    """An outcome in the bucket.

    Attributes:
        bucket: The bucket.
        key: Its key.
        node: Covalent's number of the node.
        job_id: The job that wrote it.
        attempt: The attempt's number.
        outcome: What it holds; None where it cannot be read.
    """

    bucket: str
    key: str
    node: str
    job_id: str
    attempt: int
    outcome: messages.Outcome | None = None

    @property
    def returned(self) -> bool:
        """Whether the task returned."""
        return self.outcome is not None and self.outcome.status == messages.RETURNED


def bucket_of(jobs: Iterable[JobFacts], configured: str) -> str:
    """Return the bucket of jobs, which their environment names."""
    named = (job.environment.get(env_names.ENV_BUCKET) for job in jobs)
    return next((name for name in named if name), configured)


def find_outcomes(account: Account, bucket: str, dispatch: str) -> dict[str, StoredOutcome]:
    """Return the last outcome of each node of a dispatch, by the node; a returned one wins."""
    folder = s3_keys.safe_name(dispatch)
    waited_for = [f"{server}{folder}/" for server in _server_prefixes(account, bucket)]
    prefixes = [s3_keys.dispatch_prefix(dispatch), *waited_for]
    listed = [stored for prefix in prefixes for stored in _listed(account, bucket, prefix)]
    with ThreadPoolExecutor(THREADS) as pool:
        outcomes = list(pool.map(lambda stored: _read(account, stored), listed))
    best: dict[str, StoredOutcome] = {}
    for stored in sorted(outcomes, key=lambda s: (s.returned, s.attempt)):
        best[stored.node] = stored
    return best


def _server_prefixes(account: Account, bucket: str) -> Iterator[str]:
    """Yield the prefixes of the outcomes that server processes wait for, or would if they ran."""
    pages = account.client("s3").get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=bucket, Prefix=s3_keys.OUTCOMES, Delimiter="/"):
        yield from (found["Prefix"] for found in page.get("CommonPrefixes", ()))


def _listed(account: Account, bucket: str, prefix: str) -> Iterator[StoredOutcome]:
    pages = account.client("s3").get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", ()):
            if found := _OUTCOME.search(entry["Key"]):
                yield StoredOutcome(
                    bucket, entry["Key"], found["node"], found["job"], int(found["attempt"])
                )


def _read(account: Account, stored: StoredOutcome) -> StoredOutcome:
    response = account.client("s3").get_object(Bucket=stored.bucket, Key=stored.key)
    try:
        outcome = envelope.decode_outcome(response["Body"].read())
    except envelope.BadEnvelope:
        return stored
    return StoredOutcome(
        stored.bucket, stored.key, stored.node, stored.job_id, stored.attempt, outcome
    )


def save_value(account: Account, stored: StoredOutcome, path: Path) -> None:
    """Write the pickle of a returned value to a file, without unpickling it."""
    part = _result(stored)
    with path.open("wb") as file:
        for piece in _pieces(account, stored.bucket, part):
            file.write(base64.b64decode(piece) if part.kind == "transportable" else piece)


def save_transportable(account: Account, stored: StoredOutcome, path: Path) -> None:
    """Write a returned value to a file as Covalent's TransportableObject serializes itself."""
    from ... import covalent_results

    part = _result(stored)
    text = b"".join(_pieces(account, stored.bucket, part)).decode("ascii")
    path.write_bytes(covalent_results.transportable(part, text).serialize())


def _result(stored: StoredOutcome) -> messages.Part:
    result = stored.outcome.result if stored.outcome else None
    return result or messages.Part("pickle", data=b"N.", size=2)  # the pickle of None


def _pieces(account: Account, bucket: str, part: messages.Part) -> Iterator[bytes]:
    if part.data is not None:
        yield part.data
        return
    body: Any = account.client("s3").get_object(Bucket=bucket, Key=part.key)["Body"]
    yield from body.iter_chunks(PIECE)
