"""How fast to call AWS, and how long to wait before calling again. Pure: the clock is an argument.

A limiter hands out turns evenly at its rate; after a rest, those of half a second at once, since
AWS's own buckets fill up meanwhile. Where AWS throttles the rate halves, once per
burst of refusals, and then grows back by a twentieth of its ceiling a second: thirty electrons
refused at the same moment are one burst, and the account's limit is found again within seconds.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

# Seconds of turns that may be taken at once.
SAVED = 0.5

# Refusals within this many seconds are one burst.
BURST = 1.0
GROWTH = 0.05
FLOOR = 0.02

FIRST_WAIT = 0.2
LONGEST_WAIT = 20.0


@dataclass
class RateLimiter:
    """The turns of one kind of call.

    Attributes:
        ceiling: The most calls a second.
        rate: Calls a second now.
        next_turn: When the next turn is, on the caller's clock.
        cut: When the rate was last halved.
        updated: When the rate last grew.
    """

    ceiling: float
    rate: float = 0.0
    next_turn: float = 0.0
    cut: float = float("-inf")
    updated: float = 0.0

    def __post_init__(self) -> None:
        self.rate = self.rate or self.ceiling

    def wait(self, now: float) -> float:
        """Take the next turn; return in how many seconds it is."""
        self._grow(now)
        turn = max(now - SAVED, self.next_turn)
        self.next_turn = turn + 1 / self.rate
        return max(turn - now, 0.0)

    def given_back(self) -> None:
        """Note that a turn will not be taken: those who come later need not wait for it."""
        self.next_turn -= 1 / self.rate

    def refused(self, now: float) -> None:
        """Note that AWS refused a call for having come too fast."""
        if now - self.cut < BURST:
            return
        self.cut = now
        self.next_turn = max(self.next_turn, now)
        self.rate = max(self.rate / 2, self.ceiling * FLOOR)

    def _grow(self, now: float) -> None:
        since, self.updated = now - max(self.updated, self.cut), now
        if since > 0 and self.rate < self.ceiling:
            self.rate = min(self.ceiling, self.rate + self.ceiling * GROWTH * since)


def backoff(failures: int, chance: float | None = None) -> float:
    """Return the seconds to wait after so many failures in a row, jittered over its upper half.

    Args:
        failures: At least 1.
        chance: A number from 0 to 1 in place of a random one.
    """
    longest: float = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(failures - 1, 10))
    part = random.random() if chance is None else chance  # noqa: S311 - jitter, no secret
    return longest * (0.5 + 0.5 * part)
