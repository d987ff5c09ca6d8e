"""What clients of AWS are made with."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from ..model.access import Access

# Calls of one service under way at once. A thousand tasks that start together otherwise keep the
# event loop busy with their uploads before the first job is submitted.
CONNECTIONS = 32


def client_options(access: Access) -> dict[str, Any]:
    """Return what every client is made with."""
    return {"region_name": access.region, "endpoint_url": access.endpoint_url or None}


def config_options(access: Access) -> dict[str, Any]:
    """Return the configuration of every client. Retries are this module's, not botocore's."""
    return {
        "retries": {"total_max_attempts": 1, "mode": "standard"},
        "max_pool_connections": CONNECTIONS,
        "connect_timeout": 10,
        "read_timeout": 60,
        "user_agent_extra": "covalent-awsbatch-plugin",
        "s3": {"addressing_style": "path" if access.endpoint_url else "auto"},
        # By default the environment's; on a loopback address a proxy would call itself.
        "proxies": {} if is_loopback(access.endpoint_url) else None,
    }


def is_loopback(url: str) -> bool:
    """Return whether a URL leads to this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
