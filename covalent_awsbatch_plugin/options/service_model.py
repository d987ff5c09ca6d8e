"""Values against botocore's models of AWS's services: what AWS refuses, before it is asked.

botocore itself checks types and required members, and leaves the rest to AWS. Its messages hold
the values, which may be secret; those made here do not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

# How the text about a member that the model does not know ends.
UNKNOWN = ", which AWS does not know"

# Enumerations that Batch documents as not case sensitive.
ANY_CASE = ("RetryAction",)

BITS = {"integer": 31, "long": 63}
KINDS: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "structure": (Mapping, "a table"),
    "map": (Mapping, "a table"),
    "list": ((list, tuple), "a list"),
    "string": (str, "text"),
    "integer": (int, "a whole number"),
    "long": (int, "a whole number"),
    "float": ((int, float), "a number"),
    "double": ((int, float), "a number"),
    "boolean": (bool, "true or false"),
}


@lru_cache(maxsize=8)
def service(name: str) -> Any:
    """Return botocore's model of a service."""
    from botocore.session import get_session

    return get_session().get_service_model(name)


def violations(value: Any, shape: Any, path: str = "") -> Iterator[str]:
    """Yield what is wrong with a value, each a text that begins with "must".

    Args:
        value: The value.
        shape: Its shape in a service's model.
        path: Where it is, for the text.
    """
    kind, words = KINDS.get(shape.type_name, (object, ""))
    is_number = shape.type_name != "boolean" and isinstance(value, bool)
    if is_number or not isinstance(value, kind):
        yield f"must have {words} for {path}"
        return
    yield from _bounds(value, shape, path)
    if inside := _INSIDE.get(shape.type_name):
        yield from inside(value, shape, path)


def _structure(value: Mapping[str, Any], shape: Any, path: str) -> Iterator[str]:
    for name in shape.required_members:
        if name not in value:
            yield f"must have {_join(path, name)}"
    for name, item in value.items():
        if name not in shape.members:
            yield f"must not have {_join(path, name)}{UNKNOWN}"
        else:
            yield from violations(item, shape.members[name], _join(path, name))


def _list(value: list[Any], shape: Any, path: str) -> Iterator[str]:
    for number, item in enumerate(value):
        yield from violations(item, shape.member, f"{path}[{number}]")


def _map(value: Mapping[str, Any], shape: Any, path: str) -> Iterator[str]:
    for key, item in value.items():
        yield from violations(key, shape.key, f"the keys of {path}")
        yield from violations(item, shape.value, _join(path, key))


def _string(value: str, shape: Any, path: str) -> Iterator[str]:
    choices = shape.metadata.get("enum")
    compared = value.upper() if shape.name in ANY_CASE else value
    if choices and compared not in choices:
        yield f"must have one of {', '.join(choices)} for {path}"
    pattern = shape.metadata.get("pattern")
    if pattern and not _fits(pattern, value):
        yield f"must have text of the form {pattern} for {path}"
    if re.search("[\0\ud800-\udfff]", value):
        yield f"must have neither the character NUL nor lone surrogates in {path}"


def _fits(pattern: str, value: str) -> bool:
    try:
        return bool(re.fullmatch(pattern, value))
    except re.error:
        # The models are written for another engine, which knows classes such as \p{L}.
        return True


def _bounds(value: Any, shape: Any, path: str) -> Iterator[str]:
    limits = shape.metadata
    is_number = isinstance(value, int | float)
    what, size = (path, value) if is_number else (f"the length of {path}", len(value))
    if bits := BITS.get(shape.type_name):
        limits = {"min": -(2**bits), "max": 2**bits - 1, **limits}
    if "min" in limits and size < limits["min"]:
        yield f"must have at least {limits['min']} for {what}"
    if "max" in limits and size > limits["max"]:
        yield f"must have at most {limits['max']} for {what}"


def _join(path: str, name: Any) -> str:
    return f"{path}.{name}" if path else str(name)


_INSIDE: Mapping[str, Callable[[Any, Any, str], Iterator[str]]] = {
    "structure": _structure,
    "list": _list,
    "map": _map,
    "string": _string,
}
