"""The call of an electron, as Covalent's own executors make it, without Covalent.

Covalent keeps objects as the base64 of a cloudpickle. The order of all steps is that of Covalent's
wrapper, since users see it: hooks run before the function and its arguments are unpickled.
"""

from __future__ import annotations

import base64
import io
import pickle
import platform
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cloudpickle

from ..protocol import messages
from . import dependencies, on_demand

# A keyword that gets a list even where only one hook returns something for it.
FILES = "files"

Read = Callable[[messages.Part], bytes]


class NotSerializable(Exception):
    """The result cannot be pickled; the cause explains it."""


class CannotUnpickle(Exception):
    """A part of the call could not be unpickled; the cause explains it.

    Attributes:
        part: Which part it is.
    """

    def __init__(self, part: str) -> None:
        super().__init__(part)
        self.part = part


@dataclass(frozen=True)
class Packed:
    """An object as Covalent keeps it.

    Attributes:
        content: The base64 of its pickle.
        string: Its string form.
        header: What describes it.
    """

    content: bytes
    string: str
    header: dict[str, Any]


class Unpickler(pickle.Unpickler):
    """Unpickles by value and name; two functions of Covalent's are there without Covalent."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what a pickle names."""
        known = dependencies.KNOWN.get((module, name))
        return known or super().find_class(module, name)


def unpack(content: bytes) -> Any:
    """Return the object that Covalent keeps as ``content``."""
    return Unpickler(io.BytesIO(base64.b64decode(content))).load()


def pack(value: Any) -> Packed:
    """Return an object as Covalent keeps it.

    Raises:
        NotSerializable: It cannot be pickled, or has no string form.
    """
    try:
        content = base64.b64encode(cloudpickle.dumps(value))
        string = str(value).encode("utf-8").decode("utf-8")
        attributes = {
            "doc": getattr(value, "__doc__", ""),
            "name": getattr(value, "__name__", ""),
        }
    except Exception as error:
        raise NotSerializable from error
    header = {
        "py_version": platform.python_version(),
        "cloudpickle_version": cloudpickle.__version__,
        "attrs": attributes,
    }
    return Packed(content, string, header)


def run(call: messages.Call, read: Read) -> Any:
    """Make an electron's call, with the hooks before and after it; return what it returns.

    Args:
        call: The call.
        read: Returns a part's content.

    Raises:
        CannotUnpickle: A part cannot be unpickled.
    """

    def load(part: messages.Part, name: str) -> Any:
        content = read(part)
        try:
            return unpack(content)
        except on_demand.CannotInstall:
            raise
        except Exception as error:
            raise CannotUnpickle(name) from error

    def load_hook(parts: list[Any], name: str) -> list[Any]:
        names = ("function", "arguments", "keyword arguments")
        return [load(part, f"the {of} of {name}") for part, of in zip(parts, names, strict=True)]

    returned: dict[str, list[Any]] = {}
    for number, (*parts, keyword) in enumerate(call.before, 1):
        function, args, kwargs = load_hook(parts, f"call {number} before the task")
        value = function(*args, **kwargs)
        if keyword:
            returned.setdefault(keyword, []).append(value)
    function = load(call.function, "the function")
    arguments = [load(part, f"argument {number}") for number, part in enumerate(call.args, 1)]
    keywords = {name: load(part, f"argument {name!r}") for name, part in call.kwargs.items()}
    for name, values in returned.items():
        keywords[name] = values[0] if len(values) == 1 and name != FILES else values
    result = function(*arguments, **keywords)
    for number, (*parts, _) in enumerate(call.after, 1):
        function, args, kwargs = load_hook(parts, f"call {number} after the task")
        function(*args, **kwargs)
    return result
