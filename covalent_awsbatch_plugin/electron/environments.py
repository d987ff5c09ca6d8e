"""Which electrons of a dispatch share what DepsPip installs. Nothing is unpickled for it."""

from __future__ import annotations

import base64
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from .. import covalent_calls
from ..aws.model.task import TaskRequest
from ..protocol import s3_keys

# Environments of which this process knows that they were asked for; the oldest are forgotten.
REMEMBERED = 10_000

_asked_for: OrderedDict[str, None] = OrderedDict()


def shared_environment(function: Callable[..., Any], request: TaskRequest, share: str) -> str:
    """Return the key of the archive that an electron is to use or to make; empty for none.

    Of a dispatch, the first electron that asks for an environment only installs it: most are
    asked for once, and to make an archive takes longer than the installation.

    Args:
        function: Covalent's call of the electron.
        request: The electron's task.
        share: The option ``share_packages``.
    """
    pip_request = _pip_request(function) if share != "never" else None
    if pip_request is None:
        return ""
    content = f"{pip_request}\n{request.definition!r}".encode("utf-8", "surrogatepass")
    digest = hashlib.sha256(content).hexdigest()
    if share == "bucket":
        return s3_keys.packages_key(request.packages_prefix, digest)
    key = s3_keys.packages_key(request.blobs_prefix, digest)
    return key if _was_asked_for(key) else ""


def shared_prefix(request: TaskRequest, share: str) -> str:
    """Return the prefix of what tasks of all dispatches share; empty where they share nothing.

    Covalent and boto3, of the server's versions, are the same for every dispatch.

    Args:
        request: The electron's task.
        share: The option ``share_packages``.
    """
    return "" if share == "never" else request.packages_prefix


def _was_asked_for(key: str) -> bool:
    """Return whether an environment was asked for before, and remember that it was."""
    before = key in _asked_for
    _asked_for[key] = None
    _asked_for.move_to_end(key)
    if len(_asked_for) > REMEMBERED:
        _asked_for.popitem(last=False)
    return before


def _pip_request(function: Callable[..., Any]) -> str | None:
    """Return what an electron's DepsPip asks for, as it was pickled."""
    if not covalent_calls.is_covalent_call(function):
        return None
    for hook, args, *_ in function.args[1]:  # type: ignore[attr-defined]
        if b"apply_pip_deps" in base64.b64decode(hook.get_serialized()):
            return str(args.get_serialized())
    return None
