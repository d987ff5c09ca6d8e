"""Waiting for a condition."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def wait_until(
    condition: Callable[[], Any], seconds: float = 60.0, seen: Callable[[], object] = str
) -> Any:
    """Return what ``condition`` returns, once that is true; ``seen`` explains why it is not."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} seconds: {seen()}"
        time.sleep(0.05)
    return value
