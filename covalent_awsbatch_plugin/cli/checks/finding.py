"""What a check is about, and what it finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...aws.model.access import Identity
from ..shared.account import Account

OK, WARNING, PROBLEM, UNKNOWN = "ok", "warning", "problem", "not checked"


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        area: What was looked at, such as ``bucket``.
        check: What about it, such as ``encrypted``.
        status: ``ok``, ``warning``, ``problem`` or ``not checked``.
        found: What is the case, in a sentence.
        fix: What to do about it; empty where nothing is to be done.
    """

    area: str
    check: str
    status: str
    found: str
    fix: str = ""


@dataclass(frozen=True)
class Case:
    """What is examined.

    Attributes:
        account: The account, with clients.
        identity: Who we are in it.
        options: The executor's options by attribute name.
        image: The image that a job would run.
        python: The client's Python minor version.
    """

    account: Account
    identity: Identity
    options: Mapping[str, Any]
    image: str
    python: str

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource in this account and region."""
        where = f"{self.account.region}:{self.identity.account}"
        return f"arn:{self.identity.partition}:{service}:{where}:{resource}"


def ok(area: str, check: str, found: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(area, check, OK, found)


def problem(area: str, check: str, found: str, fix: str) -> Finding:
    """Return a finding that keeps tasks from running."""
    return Finding(area, check, PROBLEM, found, fix)


def warning(area: str, check: str, found: str, fix: str) -> Finding:
    """Return a finding that does not keep tasks from running."""
    return Finding(area, check, WARNING, found, fix)


def unknown(area: str, check: str, found: str, fix: str = "") -> Finding:
    """Return a finding that something could not be checked."""
    return Finding(area, check, UNKNOWN, found, fix)
