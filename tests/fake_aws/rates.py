"""Calls allowed a second, as AWS counts them."""

from __future__ import annotations

import time
from collections.abc import Mapping

# SubmitJob is documented; the others are what users see (AWS does not publish them).
DEFAULT_RATES: Mapping[str, float] = {
    "batch:SubmitJob": 50.0,
    "batch:DescribeJobs": 30.0,
    "logs:GetLogEvents": 10.0,
}


class TokenBucket:
    """Admits ``rate`` calls a second, and as many at once after a second of rest."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._tokens = rate
        self._filled = time.monotonic()

    def admit(self) -> bool:
        """Take one call's token, if there is one."""
        now = time.monotonic()
        self._tokens = min(self.rate, self._tokens + (now - self._filled) * self.rate)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
