"""From what a job returned to what Covalent takes: a TransportableObject, not unpickled."""

from __future__ import annotations

import base64
import io
import pickle
from functools import partial
from typing import Any, BinaryIO

from .protocol import messages

# A text that is put together grows by this much; it is copied until the interpreter has seen
# some turns of the loop, so these are short.
TEXT_PIECE = 256 * 1024


def read_text(file: BinaryIO) -> str:
    """Return an ASCII file's text, of which there is never a second copy in memory."""
    text = ""
    # CPython extends the string in place; 3.11 only in a loop such as this one, not in a
    # "while piece := ...".
    for piece in iter(partial(file.read, TEXT_PIECE), b""):
        text += piece.decode("ascii")
    return text


def transportable(part: messages.Part, content: str, string: str | None = None) -> Any:
    """Return a result as Covalent's TransportableObject, without unpickling it.

    Args:
        part: The result's description.
        content: Its pickle in base64.
        string: Its string form, where that is not the description's.
    """
    from covalent._workflow.transportable_object import TransportableObject

    text = part.string if string is None else string
    attributes = {"_object": content, "_object_string": text, "_header": part.header}
    return TransportableObject.from_dict({"attributes": attributes})


def sublattice(part: messages.Part, content: str) -> Any:
    """Return a built sublattice, its string form whole: Covalent unpacks it from there."""
    return transportable(part, content, _text(content))


class _TextUnpickler(pickle.Unpickler):
    """Reads built-in values only: nothing that a pickle names is imported or called."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed here")


def _text(content: str) -> str | None:
    """Return the text that a result is; None where it is anything else."""
    try:
        value = _TextUnpickler(io.BytesIO(base64.b64decode(content))).load()
    except (ValueError, EOFError, pickle.UnpicklingError, LookupError, TypeError, AttributeError):
        return None
    return value if isinstance(value, str) else None
