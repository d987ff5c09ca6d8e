"""CloudWatch's pages of a log stream, of which any may be empty before the end."""

from __future__ import annotations

from typing import Any

Page = tuple[list[dict[str, Any]], str | None, str | None]


def install() -> None:
    """Have the first page from a stream's end be empty; once, before moto's server starts.

    AWS promises events only until a token repeats, not on each page.
    """
    from moto.logs.models import LogStream

    LogStream.get_log_events = _with_an_empty_page(LogStream.get_log_events)


def _with_an_empty_page(get_log_events: Any) -> Any:
    def paged(
        stream: Any,
        start_time: Any,
        end_time: Any,
        limit: int,
        next_token: str | None,
        start_from_head: Any,
    ) -> Page:
        if next_token is None and not start_from_head:
            end = len(stream.events)
            return [], f"b/{end:056d}", f"f/{max(end - 1, 0):056d}"
        page: Page = get_log_events(
            stream, start_time, end_time, limit, next_token, start_from_head
        )
        return page

    return paged
