"""What is retried, in the Covalent server's log: once with what to do, and once when it ends."""

from __future__ import annotations

import logging

from .aws_errors import Kind, code_of
from .translation import while_waiting

log = logging.getLogger("covalent_awsbatch_plugin")


class Troubles:
    """The calls that fail at present. A thousand tasks may wait for the same one."""

    def __init__(self) -> None:
        self._failing: set[str] = set()

    def __repr__(self) -> str:
        return f"<Troubles {', '.join(sorted(self._failing))}>"

    def failed(self, name: str, kind: Kind, error: Exception, before: int) -> None:
        """Note that a call failed and is retried.

        Args:
            name: The call, as ``service:operation``.
            kind: What its failure means.
            error: What it raised.
            before: How often it has failed before.
        """
        # Keys that are renewed every hour are no trouble.
        renewed = kind is Kind.EXPIRED and not before
        if name in self._failing or renewed:
            return
        self._failing.add(name)
        log.warning(
            "AWS Batch: %s fails (%s) and is retried; tasks wait, and jobs go on. What to do: %s",
            name,
            code_of(error),
            while_waiting(kind),
        )

    def over(self, name: str) -> None:
        """Note that a call succeeded."""
        if name in self._failing:
            self._failing.discard(name)
            log.info("AWS Batch: %s succeeds again", name)
