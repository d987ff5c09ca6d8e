"""Run Covalent electrons as AWS Batch jobs.

Importing this package loads nothing but itself; its names are loaded when they are asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .awsbatch import AWSBatchExecutor as AWSBatchExecutor

__all__ = ["AWSBatchExecutor"]


def __getattr__(name: str) -> Any:
    if name == "AWSBatchExecutor":
        return import_module(f"{__name__}.awsbatch").AWSBatchExecutor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
