"""One rule of the diagnosis: what words of AWS, or exit codes of the worker, mean. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from ..errors import BatchTaskError

# AWS's status reasons of most attempts that ended, and of those that never ran.
EXITED = "Essential container in task exited"
NOT_STARTED = "Task failed to start"


@dataclass(frozen=True)
class Rule:
    """What one kind of job's end means.

    It applies where its patterns are found, and where the exit code is one of its own, if it
    names any. Its texts may hold the fields of ``diagnosis.facts`` and its patterns' named groups.

    Attributes:
        title: What happened, in a few words, for the documentation.
        error: The error's class.
        detail: What is known, after the class's own sentence.
        advice: What to do.
        words: Pattern of AWS's words, in any case of letters; empty for anything. A caret is the
            beginning of the status reason or of the container's.
        log: Pattern of the log's end, likewise.
        exit_codes: The job's exit code, if that matters.
        example: AWS's words, as documented or reported: the status reason, and the container's.
        example_log: The end of the log in the example.
        status: The job's status in the example.
    """

    title: str
    error: type[BatchTaskError]
    detail: str
    advice: str
    words: str = ""
    log: str = ""
    exit_codes: tuple[int, ...] = ()
    example: tuple[str, str] = (EXITED, "")
    example_log: str = ""
    status: str = "FAILED"

    def match(self, reasons: str, log: str, exit_code: int | None) -> Mapping[str, str] | None:
        """Return what the patterns' named groups found; None where the rule does not apply."""
        if self.exit_codes and exit_code not in self.exit_codes:
            return None
        found = [_compiled(self.words).search(reasons), _compiled(self.log).search(log)]
        if not all(found):
            return None
        return {k: v or "" for match in found if match for k, v in match.groupdict().items()}


@lru_cache(maxsize=128)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.DOTALL | re.MULTILINE)
