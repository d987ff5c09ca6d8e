"""What happens after an attempt: evaluateOnExit as AWS evaluates it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Batch's words of how attempts end.
EXITED = "Essential container in task exited"
NOT_STARTED = "Task failed to start"
TOOK_TOO_LONG = "Job attempt duration exceeded timeout"


@dataclass(frozen=True)
class AttemptEnd:
    """How an attempt ended, as Batch reports it.

    Attributes:
        exit_code: The container's exit code, where it had one.
        reason: ``container.reason``.
        status_reason: ``statusReason`` of the attempt.
        final: Whether it ends the job, whatever the retry strategy: it took too long, or
            was terminated.
    """

    exit_code: int | None
    status_reason: str
    reason: str | None = None
    final: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether the job has done its work."""
        return self.exit_code == 0 and not self.final


def is_retried(
    end: AttemptEnd, attempt: int, attempts: int, rules: Sequence[Mapping[str, str]]
) -> bool:
    """Return whether another attempt follows.

    The first rule whose conditions all hold decides. Where none does, the job is retried.

    Args:
        end: How the attempt ended.
        attempt: Its number, from 1.
        attempts: Attempts in all.
        rules: ``evaluateOnExit``.
    """
    if end.succeeded or end.final or attempt >= attempts:
        return False
    for rule in rules:
        if _holds(rule, end):
            return rule["action"].upper() == "RETRY"
    return True


def _holds(rule: Mapping[str, str], end: AttemptEnd) -> bool:
    observed = {
        "onExitCode": "" if end.exit_code is None else str(end.exit_code),
        "onReason": end.reason or "",
        "onStatusReason": end.status_reason,
    }
    return all(matches(rule[name], text) for name, text in observed.items() if name in rule)


def matches(pattern: str, text: str) -> bool:
    """Return whether a pattern, which may end with an asterisk, matches a text."""
    if pattern.endswith("*"):
        return text.startswith(pattern[:-1])
    return text == pattern
