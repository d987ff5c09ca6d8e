"""Job definitions: one revision for each distinct set of properties, found again by its hash."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from ...protocol import tag_names
from ..calls.session import Session
from ..calls.single_flight import single_flight
from ..model.job_definition import DefinitionSpec, definition_request

# Revisions looked through for one with our properties, the newest first as Batch lists them.
# Under one name there are as many as there were distinct sets of properties, a handful.
PAGE = 100
PAGES = 10


class Definitions:
    """The job definitions of one account and region, as far as they were asked for."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._arns: dict[str, asyncio.Task[str]] = {}
        self._hashes: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<Definitions {len(self._arns)} known>"

    async def find_or_register(self, spec: DefinitionSpec) -> str:
        """Return the ARN of the revision with these properties; the first to ask registers it.

        Raises:
            AWSError: AWS refused it.
        """
        identity = await self._session.identity()
        # Every task asks, and most ask for the same: the hash is made once.
        text = f"{identity.account} {replace(spec, tags={})!r}"
        if text not in self._hashes:
            tags = definition_request(spec, identity)["tags"]
            self._hashes[text] = tags[tag_names.TAG_PROPERTIES]
        return await single_flight(
            self._arns,
            f"{identity.account} {self._hashes[text]}",
            lambda: self._find_or_register(definition_request(spec, identity)),
        )

    def forget(self, arn: str) -> None:
        """Forget a definition that turned out not to exist any more."""
        for wanted, task in list(self._arns.items()):
            known = task.done() and not task.cancelled() and not task.exception()
            if known and task.result() == arn:
                del self._arns[wanted]

    async def _find_or_register(self, request: dict[str, Any]) -> str:
        found = await self._find(request)
        if found:
            return found
        response = await self._session.call("batch", "register_job_definition", **request)
        return str(response["jobDefinitionArn"])

    async def _find(self, request: dict[str, Any]) -> str | None:
        wanted = request["tags"][tag_names.TAG_PROPERTIES]
        query = {"jobDefinitionName": request["jobDefinitionName"], "status": "ACTIVE"}
        token: dict[str, Any] = {}
        for _ in range(PAGES):
            page = await self._session.call(
                "batch", "describe_job_definitions", maxResults=PAGE, **query, **token
            )
            for definition in page.get("jobDefinitions", ()):
                if definition.get("tags", {}).get(tag_names.TAG_PROPERTIES) == wanted:
                    return str(definition["jobDefinitionArn"])
            if not page.get("nextToken"):
                return None
            token = {"nextToken": page["nextToken"]}
        return None
