"""Loopback addresses without a proxy, which would connect to itself instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.request import ProxyHandler, build_opener

ADDRESSES = ("localhost", "127.0.0.1", "::1")
NAMES = ("no_proxy", "NO_PROXY")
PROXIES = ("http_proxy", "https_proxy", "all_proxy")


def direct_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment whose proxies, if it has any, are not asked for this machine."""
    return {**environment, **exceptions(environment)}


def exceptions(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that except this machine from an environment's proxies.

    Programs differ in which of the two spellings they read, so both are set.
    """
    others = [environment[name] for name in NAMES if environment.get(name)]
    return dict.fromkeys(NAMES, ",".join([*ADDRESSES, *dict.fromkeys(others)]))


def missing_exceptions(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the same variables where proxies are set and do not except this machine already."""
    if not any(environment.get(name) for proxy in PROXIES for name in (proxy, proxy.upper())):
        return {}
    excepted = ",".join(environment.get(name, "") for name in NAMES).split(",")
    return {} if set(ADDRESSES) <= set(excepted) else exceptions(environment)


def open_directly(url: str, timeout: float) -> Any:
    """Open a URL of this machine."""
    return build_opener(ProxyHandler({})).open(url, timeout=timeout)
