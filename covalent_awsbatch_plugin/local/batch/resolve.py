"""What a job is: its definition with the submission's overrides and parameters. Pure."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]

_OLDER = {"vcpus": "VCPU", "memory": "MEMORY"}
_REPLACED = ("command", "instanceType")


def container_of(
    properties: Mapping[str, Any], overrides: Mapping[str, Any], parameters: Mapping[str, str]
) -> Json:
    """Return a job's container properties.

    Args:
        properties: The definition's ``containerProperties``.
        overrides: The submission's ``containerOverrides``.
        parameters: Values for ``Ref::name`` in the command.
    """
    container: Json = copy.deepcopy(dict(properties))
    container.update({name: overrides[name] for name in _REPLACED if overrides.get(name)})
    container["command"] = [
        substitute(argument, parameters) for argument in container.get("command") or []
    ]
    container["environment"] = _merged(
        "name", container.get("environment") or (), overrides.get("environment") or ()
    )
    container["resourceRequirements"] = _merged(
        "type", _requirements(container), _requirements(overrides)
    )
    for older in _OLDER:
        container.pop(older, None)
    return container


def substitute(argument: str, parameters: Mapping[str, str]) -> str:
    """Return an argument of a command with ``Ref::name`` replaced where the name is known."""

    def value(found: re.Match[str]) -> str:
        return parameters.get(found[1], found[0])

    return re.sub(r"Ref::([A-Za-z0-9_-]+)", value, argument)


def requirement(container: Mapping[str, Any], kind: str) -> int:
    """Return how much of VCPU, MEMORY (MiB) or GPU a container asks for."""
    for entry in container["resourceRequirements"]:
        if entry["type"] == kind:
            return int(entry["value"])
    return 0


def _requirements(source: Mapping[str, Any]) -> list[Json]:
    """Return resource requirements, also those given the older way."""
    older = [
        {"type": kind, "value": str(source[name])}
        for name, kind in _OLDER.items()
        if source.get(name)
    ]
    return _merged("type", older, source.get("resourceRequirements") or ())


def _merged(
    key: str, first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]]
) -> list[Json]:
    """Return the entries of both; where two have the same key, the second's."""
    return list({entry[key]: dict(entry) for entry in [*first, *second]}.values())
