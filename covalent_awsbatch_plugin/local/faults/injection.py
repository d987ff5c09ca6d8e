"""A fault plan while it is carried out: which calls and attempts get a fault."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from .plan import ApiFault, FaultPlan, JobFault


@dataclass
class Faults:
    """A plan while it is carried out.

    Attributes:
        plan: The plan.
        injected: How many calls and attempts got a fault, by operation or ``job``, and kind.
    """

    plan: FaultPlan
    injected: Counter[str] = field(default_factory=Counter)
    _calls: Counter[str] = field(default_factory=Counter)
    _used: Counter[int] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def use(self, plan: FaultPlan) -> None:
        """Carry out another plan, from its beginning."""
        with self._lock:
            self.plan = plan
            for counted in (self.injected, self._calls, self._used):
                counted.clear()

    def of_call(self, operation: str, by: str) -> ApiFault | None:
        """Return the fault of the next call of an operation.

        Args:
            operation: The operation, such as ``batch:SubmitJob``.
            by: Whose call it is: ``dispatcher`` or ``job``.
        """
        with self._lock:
            self._calls[operation] += 1
            number = self._calls[operation]
            for place, fault in enumerate(self.plan.api):
                if (
                    fnmatchcase(operation, fault.operation)
                    and fault.by in ("any", by)
                    and (not fault.calls or number in fault.calls)
                    and self._injected(place, fault, operation, number)
                ):
                    self.injected[f"{operation} {fault.kind}"] += 1
                    return fault
        return None

    def of_attempt(self, name: str, key: str, attempt: int) -> list[JobFault]:
        """Return the faults of an attempt: at most one, and ``no_log``.

        Args:
            name: The job's name.
            key: What identifies the job on every run.
            attempt: The attempt's number.
        """
        found: dict[bool, JobFault] = {}
        with self._lock:
            for place, fault in enumerate(self.plan.jobs, start=len(self.plan.api)):
                beside = fault.kind == "no_log"
                if (
                    beside not in found
                    and fnmatchcase(name, fault.names)
                    and (not fault.attempts or attempt in fault.attempts)
                    and self._injected(place, fault, key, attempt)
                ):
                    self.injected[f"job {fault.kind}"] += 1
                    found[beside] = fault
        return list(found.values())

    def _injected(self, place: int, fault: ApiFault | JobFault, *what: object) -> bool:
        if fault.limit is not None and self._used[place] >= fault.limit:
            return False
        injected = chance(self.plan.seed, place, *what) < fault.probability
        self._used[place] += injected
        return injected


def chance(*parts: object) -> float:
    """Return a number from 0 up to 1 that looks random and depends on the parts alone."""
    digest = hashlib.sha256("\0".join(map(str, parts)).encode("utf-8")).digest()
    return float(int.from_bytes(digest[:7], "big") / 2**56)
