"""What Batch refuses."""

from __future__ import annotations


class ClientError(Exception):
    """A request that Batch refuses with a ClientException; the message is AWS's."""
