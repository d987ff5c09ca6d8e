"""What a type of resource is to the stacks: three functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..clients import Client

Properties = Mapping[str, Any]


@dataclass(frozen=True)
class Physical:
    """A resource that was made: its physical id and its attributes."""

    name: str
    attributes: Mapping[str, str]


@dataclass(frozen=True)
class Kind:
    """How resources of one type are made, changed and deleted."""

    make: Callable[[Client, Properties], Physical]
    remove: Callable[[Client, str], None]
    change: Callable[[Client, Physical, Properties], Physical] | None = None


class Attached(Exception):
    """A policy is attached to something."""


class AlreadyExists(Exception):
    """Something has that name."""


def camel(value: Any) -> Any:
    """Return properties with the keys of AWS's calls: ``InstanceTypes`` as ``instanceTypes``.

    The keys of ``Tags`` and ``Options`` are the user's own.
    """
    if isinstance(value, list):
        return [camel(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key[0].lower() + key[1:]: item if key in ("Tags", "Options") else camel(item)
        for key, item in value.items()
    }


def without(properties: Properties, *names: str) -> dict[str, Any]:
    """Return properties without some."""
    return {name: value for name, value in properties.items() if name not in names}
