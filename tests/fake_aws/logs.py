"""CloudWatch Logs: groups, streams and their events."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from tests.fake_aws.errors import ApiError
from tests.fake_aws.validation import check_request

PAGE_BYTES = 1024 * 1024
EVENT_OVERHEAD = 26


class Logs:
    """The service's state, and one method for each operation.

    Attributes:
        lost: Whether what jobs write never arrives, and their streams never appear.
    """

    def __init__(self) -> None:
        self.lost = False
        self.groups: dict[str, dict[str, list[dict[str, Any]]]] = {}

    def add_group(self, name: str) -> None:
        """Create a log group."""
        self.groups.setdefault(name, {})

    def write(self, group: str, stream: str, lines: Iterable[str]) -> None:
        """Append lines to a stream, which is made with its first one (as is its group)."""
        if self.lost:
            return
        now = int(time.time() * 1000)
        events = self.groups.setdefault(group, {}).setdefault(stream, [])
        events.extend({"timestamp": now, "ingestionTime": now, "message": line} for line in lines)

    def get_log_events(self, params: dict[str, Any]) -> dict[str, Any]:
        """Answer one page; at the end its nextForwardToken is the one asked with."""
        check_request("logs", "GetLogEvents", params)
        if "nextToken" not in params and not params.get("startFromHead", False):
            # AWS promises events only until a token repeats, not on each page.
            end = f"{len(self._stream(params)):056d}/s"
            return {"events": [], "nextForwardToken": f"f/{end}", "nextBackwardToken": f"b/{end}"}
        events = [e for e in self._stream(params) if _in_time(e, params)]
        first, last = _window(events, params)
        page = events[first:last]
        return {
            "events": page,
            "nextForwardToken": f"f/{last:056d}/s",
            "nextBackwardToken": f"b/{first:056d}/s",
        }

    def filter_log_events(self, params: dict[str, Any]) -> dict[str, Any]:
        check_request("logs", "FilterLogEvents", params)
        group = self._group(params)
        wanted = params.get("logStreamNames", list(group))
        events = [
            {**event, "logStreamName": stream, "eventId": f"{number:056d}"}
            for stream in wanted
            for number, event in enumerate(group.get(stream, ()))
            if _in_time(event, params)
        ]
        return {"events": events[: params.get("limit", 10_000)], "searchedLogStreams": []}

    def describe_log_groups(self, params: dict[str, Any]) -> dict[str, Any]:
        check_request("logs", "DescribeLogGroups", params)
        prefix = params.get("logGroupNamePrefix", "")
        return {"logGroups": [{"logGroupName": n} for n in self.groups if n.startswith(prefix)]}

    def _group(self, params: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
        try:
            return self.groups[params["logGroupName"]]
        except KeyError:
            raise _missing("log group") from None

    def _stream(self, params: dict[str, Any]) -> list[dict[str, Any]]:
        try:
            return self._group(params)[params["logStreamName"]]
        except KeyError:
            raise _missing("log stream") from None


def _missing(what: str) -> ApiError:
    return ApiError("ResourceNotFoundException", f"The specified {what} does not exist.")


def _in_time(event: dict[str, Any], params: dict[str, Any]) -> bool:
    start, end = params.get("startTime", 0), params.get("endTime")
    return event["timestamp"] >= start and (end is None or event["timestamp"] < end)


def _window(events: list[dict[str, Any]], params: dict[str, Any]) -> tuple[int, int]:
    """Return where the page asked for begins and ends."""
    limit = params.get("limit", 10_000)
    token = params.get("nextToken")
    if token is None:
        backward = not params.get("startFromHead", False)
        start = len(events) if backward else 0
    else:
        backward, start = token.startswith("b/"), int(token.split("/")[1])
    if backward:
        return start - _fitting(reversed(events[:start]), limit), start
    return start, start + _fitting(events[start:], limit)


def _fitting(events: Iterable[dict[str, Any]], limit: int) -> int:
    """Return how many of ``events`` a page holds."""
    room, count = PAGE_BYTES, 0
    for event in events:
        room -= len(event["message"].encode()) + EVENT_OVERHEAD
        if room < 0 or count == limit:
            break
        count += 1
    return count
