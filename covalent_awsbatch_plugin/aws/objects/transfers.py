"""How much of s3transfer's memory and threads large transfers may take."""

from __future__ import annotations

import asyncio
from typing import Any

# Large transfers at once; of each, the parts of 8 MB at once, the parts read ahead for an upload,
# and the pieces of 256 KB that wait to be written to its file. s3transfer's own defaults, 10, 10
# and 1000, may be 80, 80 and 250 MB.
TRANSFERS = 2
PARTS = 4
PARTS_AHEAD = 2
PIECES = 16


class Transfers:
    """The large transfers of one identity and event loop, whichever buckets they are for."""

    def __init__(self) -> None:
        self.slots = asyncio.Semaphore(TRANSFERS)


def transfer_config() -> Any:
    """Return s3transfer's configuration."""
    from boto3.s3.transfer import TransferConfig

    config = TransferConfig(max_concurrency=PARTS, max_io_queue=PIECES)
    config.max_in_memory_upload_chunks = PARTS_AHEAD
    return config
