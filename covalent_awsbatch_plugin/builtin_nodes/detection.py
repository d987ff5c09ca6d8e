"""Distinguishes Covalent's built-in nodes from user code, without unpickling either. Pure."""

from __future__ import annotations

import base64
import os
import pickletools
import sys
from collections.abc import Callable, Mapping
from typing import Any

from .. import covalent_calls
from ..protocol import messages

# Bytes of a node's function and arguments together, beyond which it goes to Batch: the server's
# host was not chosen for large work.
SIZE_LIMIT = 16 * 1024 * 1024

ELECTRON, POSTPROCESSING = "covalent._workflow.electron", "covalent._workflow.postprocessing"
BUILDERS = ("_auto_list_node", "_auto_dict_node")
POSTPROCESSORS = ("_postprocess_recursively", "_postprocess")


def is_builtin(function: Callable[..., Any]) -> bool:
    """Return whether an electron is Covalent's own, without unpickling it.

    Its name alone is not enough, since a user's function may bear the same: its pickle must name
    Covalent's module too, and for functions pickled by value Covalent's source file.
    """
    if not covalent_calls.is_covalent_call(function):
        return False
    electron = function.args[0]  # type: ignore[attr-defined]
    name = electron.header["attrs"]["name"]
    if name in POSTPROCESSORS:
        return POSTPROCESSING in _texts(electron)
    if name in BUILDERS or str(name).startswith(":"):
        source = os.path.join("covalent", "_workflow", "electron.py")
        texts = _texts(electron)
        return ELECTRON in texts and any(text.endswith(source) for text in texts)
    return False


def _texts(electron: Any) -> set[str]:
    pickled = base64.b64decode(electron.get_serialized())
    return {text for _, text, _ in pickletools.genops(pickled) if isinstance(text, str)}


def fits(function: Callable[..., Any], args: list[Any], kwargs: Mapping[str, Any]) -> bool:
    """Return whether a built-in node fits the server's host: small, no hooks, of this Python."""
    electron, before, after = function.args  # type: ignore[attr-defined]
    size = sum(len(part.get_serialized()) for part in (electron, *args, *kwargs.values()))
    same = messages.minor(electron.header["py_version"]) == messages.minor(sys.version.split()[0])
    return same and not before and not after and size <= SIZE_LIMIT
