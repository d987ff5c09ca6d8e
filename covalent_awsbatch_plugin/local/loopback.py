"""Loopback addresses without a proxy, which would connect to itself instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.request import ProxyHandler, build_opener

ADDRESSES = ("localhost", "127.0.0.1", "::1")
NAMES = ("no_proxy", "NO_PROXY")


def direct_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment whose proxies, if it has any, are not asked for this machine.

    Programs differ in which of the two spellings they read, so both are set.
    """
    exceptions = [environment[name] for name in NAMES if environment.get(name)]
    value = ",".join([*ADDRESSES, *exceptions])
    return {**environment, **dict.fromkeys(NAMES, value)}


def open_directly(url: str, timeout: float) -> Any:
    """Open a URL of this machine."""
    return build_opener(ProxyHandler({})).open(url, timeout=timeout)
