"""Numbers as people read them: time spans, counts, amounts of memory. Pure."""

from __future__ import annotations

import re
import time

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604_800}


def span(seconds: float) -> str:
    """Return a time span in the unit that suits it: ``3.2 s``, ``42 s``, ``7 min``, ``3.5 h``."""
    seconds = max(seconds, 0.0)
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    for size, unit in ((86400, "d"), (3600, "h")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds // 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"


def parse_span(text: str) -> float:
    """Return the seconds of ``90``, ``30m``, ``2h`` or ``3d``.

    Raises:
        ValueError: The text is no time span.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip().lower())
    if found is None or (found[2] or "s") not in _UNITS:
        raise ValueError(text)
    return float(found[1]) * _UNITS[found[2] or "s"]


def count(number: int, noun: str) -> str:
    """Return ``1 job`` or ``2 jobs``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def amount(number: float) -> str:
    """Return a number with as many digits as help: ``0.004``, ``0.62``, ``3.8``, ``120``."""
    if number and number < 0.01:
        return f"{number:.4f}"
    return f"{number:.2f}" if number < 1 else f"{number:.1f}" if number < 100 else f"{number:.0f}"


def gigabytes(mib: float) -> str:
    """Return an amount of memory in GB, as the option ``memory`` has it."""
    return f"{mib / 1024:.2g}" if mib < 1024 else f"{mib / 1024:.3g}"


def clock(epoch: float) -> str:
    """Return a point in time in this machine's time zone; a dash for none."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(epoch)) if epoch else "-"


def shortened(text: str, width: int) -> str:
    """Return ``text`` cut to ``width`` characters."""
    return text if len(text) <= width else f"{text[: max(width - 1, 0)]}…"
