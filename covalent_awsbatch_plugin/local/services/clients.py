"""Clients of the very server that is answering: some answers are made of other calls' answers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from . import access_keys

Client = Callable[[str], Any]


def own_client(response: Any) -> Client:
    """Return what makes clients of the server that is answering, in the request's region.

    Args:
        response: moto's object for the request.
    """
    return clients(f"http://{response.headers['Host']}", response.region)


@lru_cache(maxsize=16)
def clients(endpoint: str, region: str) -> Client:
    """Return what makes clients of a local AWS; no fault of its plan concerns their calls.

    Args:
        endpoint: Its address.
        region: The clients' region.
    """
    from botocore.config import Config

    # A proxy would look for 127.0.0.1 on its own machine.
    config = Config(proxies={})
    made: dict[str, Any] = {}

    def client(service: str) -> Any:
        with _making:
            if service not in made:
                session = _session(region)
                made[service] = session.client(service, endpoint_url=endpoint, config=config)
            return made[service]

    return client


# Making a client takes a tenth of a second, and two threads must not do it at once.
_making = threading.Lock()


@lru_cache(maxsize=16)
def _session(region: str) -> Any:
    """Return a session; it keeps the models of services that it has read."""
    import boto3

    return boto3.Session(access_keys.ITSELF, access_keys.SECRET, region_name=region)


def partition_of(region: str) -> str:
    """Return the partition of a region: ``aws``, ``aws-cn`` or ``aws-us-gov``."""
    for beginning, partition in (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov")):
        if region.startswith(beginning):
            return partition
    return "aws"
