"""The traceback of a task's exception: files and source lines of the user's code, and bounded.

Functions travel by value. Since cloudpickle 3.1.3 their code bears the file name
``<dynamic-code>``; older releases kept the client's, which no container has. Their module's
``__file__`` travels in both cases, and the source of the electron's function comes with the task:
from these two every frame gets its file, and ``linecache`` the lines.
"""

from __future__ import annotations

import linecache
import os
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType, FrameType, TracebackType

DYNAMIC = "<dynamic-code>"

HEADER = "Traceback (most recent call last):\n"

# Characters of a traceback that are kept; the middle of a longer one is left out.
LIMIT = 64 * 1024


@dataclass(frozen=True)
class Source:
    """The source of the electron's function, where Covalent's client could read it.

    Attributes:
        name: The function's name.
        text: Its source, decorators included.
    """

    name: str = ""
    text: str = ""


def render(error: BaseException, start: TracebackType | None, source: Source) -> str:
    """Return an exception's traceback as text.

    Args:
        error: The exception.
        start: The first entry of its traceback to be shown.
        source: The source of the electron's function.
    """
    described = traceback.TracebackException(
        type(error), error, start, lookup_lines=False, compact=True
    )
    for shown, entries in _chain(described, error, start):
        for summary, (frame, _) in zip(shown.stack, traceback.walk_tb(entries), strict=False):
            summary.filename = _file(frame, source)
    text, last = "".join(described.format()), "".join(described.format_exception_only())
    if start is None and text.endswith(last):
        # Python leaves the header out where there are no entries.
        text = text.removesuffix(last) + HEADER + last
    return shorten(text)


def bare(start: TracebackType | None) -> str:
    """Return a traceback's files and lines without their source, by nothing but built-in types."""
    lines = [HEADER]
    while start is not None:
        code = start.tb_frame.f_code
        lines.append(f'  File "{code.co_filename}", line {start.tb_lineno}, in {code.co_name}\n')
        start = start.tb_next
    return shorten("".join(lines))


def shorten(text: str, limit: int = LIMIT) -> str:
    """Return the beginning and the end of a text that is longer than ``limit``."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n... {len(text) - 2 * half} characters left out ...\n{text[-half:]}"


def _chain(
    described: traceback.TracebackException, error: BaseException, start: TracebackType | None
) -> Iterator[tuple[traceback.TracebackException, TracebackType | None]]:
    """Yield every exception that is shown, causes, contexts and groups' members included."""
    waiting = [(described, error, start)]
    while waiting:
        shown, raised, entries = waiting.pop()
        yield shown, entries
        grouped = (getattr(shown, "exceptions", None) or (), getattr(raised, "exceptions", ()))
        related = (
            (shown.__cause__, raised.__cause__),
            (shown.__context__, raised.__context__),
            *zip(*grouped, strict=False),
        )
        waiting += [(s, r, r.__traceback__) for s, r in related if s is not None and r is not None]


def _file(frame: FrameType, source: Source) -> str:
    """Return the file to be shown for a frame, of which ``linecache`` then knows what it can."""
    code = frame.f_code
    file = code.co_filename
    if file == DYNAMIC:
        module_file = frame.f_globals.get("__file__")
        file = module_file if isinstance(module_file, str) else f"<{source.name or 'electron'}>"
    elif os.path.exists(file):
        return file
    if code.co_name == source.name and source.text:
        # traceback counts on the end of every line when it marks a part of it.
        _remember(file, code, [f"{line}\n" for line in source.text.rstrip().split("\n")])
    return file


def _remember(file: str, code: CodeType, lines: list[str]) -> None:
    """Give ``linecache`` the source of a function at its place in its file."""
    known = linecache.getlines(file)
    before = code.co_firstlineno - 1
    padded = [*known[:before], *["\n"] * (before - len(known)), *lines]
    text = [*padded, *known[len(padded) :]]
    # Without a time of modification, linecache does not look for the file again.
    linecache.cache[file] = (sum(map(len, text)), None, text, file)
