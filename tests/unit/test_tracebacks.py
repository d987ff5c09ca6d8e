"""The traceback that a task's exception is shown with."""

from __future__ import annotations

import linecache
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from covalent_awsbatch_plugin.job import tracebacks
from covalent_awsbatch_plugin.job.tracebacks import DYNAMIC, Source, render

MODULE = '''
import functools


def outer(x):
    """Fails in a function within."""
    def inner(y):
        return (
            1 / y
        )
    return inner(x)


def helper():
    raise KeyError("from the helper")


def chained():
    try:
        helper()
    except KeyError as error:
        raise ValueError("from the function") from error


def repeated():
    return repeated()


def one_line(x): grüße = [x]; return grüße[0] / 0
'''


@pytest.fixture(autouse=True)
def clean_cache() -> Iterator[None]:
    yield
    linecache.clearcache()


def module(code_file: str, **names: Any) -> dict[str, Any]:
    """Return the names of the module, compiled as if its functions had been unpickled."""
    namespace: dict[str, Any] = {"__name__": "user", **names}
    exec(compile(MODULE, code_file, "exec"), namespace)
    return namespace


def source_of(name: str) -> Source:
    lines = MODULE.splitlines(keepends=True)
    start = lines.index(next(line for line in lines if line.startswith(f"def {name}(")))
    end = next(
        (n for n in range(start + 1, len(lines)) if lines[n].startswith("def ")), len(lines)
    )
    return Source(name, "".join(lines[start:end]) + "\n")


def text_of(function: Any, *args: Any, source: Source = Source()) -> str:  # noqa: B008 - frozen
    with pytest.raises(Exception) as caught:  # noqa: PT011 - any, as a task may raise
        function(*args)
    start = caught.tb
    while start is not None and start.tb_frame.f_globals.get("__name__") != "user":
        start = start.tb_next
    return render(caught.value, start, source)


@pytest.mark.parametrize("name", ["outer", "one_line"])
def test_it_is_what_python_shows_where_the_file_is(name: str, tmp_path: Path):
    file = tmp_path / "user.py"
    file.write_text(MODULE)
    shown = text_of(module(str(file))[name], 0)
    file.unlink()
    linecache.clearcache()
    travelled = module(DYNAMIC, __file__=str(file))[name]
    assert text_of(travelled, 0, source=source_of(name)) == shown


@pytest.mark.parametrize("code_file", [DYNAMIC, "/nowhere/user.py"])
def test_lines_come_from_the_source_that_travels(code_file):
    user = module(code_file, __file__="/nowhere/user.py")
    shown = text_of(user["outer"], 0, source=source_of("outer"))
    number = MODULE.splitlines().index("    return inner(x)") + 1
    assert f'File "/nowhere/user.py", line {number}, in outer\n    return inner(x)\n' in shown
    assert "in inner\n    1 / y\n" in shown
    assert shown.endswith("ZeroDivisionError: division by zero\n")
    assert DYNAMIC not in shown


def test_other_functions_lines_come_from_the_file_where_it_is_there(tmp_path):
    path = tmp_path / "user.py"
    path.write_text(MODULE)
    shown = text_of(module(DYNAMIC, __file__=str(path))["chained"], source=source_of("chained"))
    assert 'raise KeyError("from the helper")' in shown
    assert 'raise ValueError("from the function") from error' in shown
    assert shown.count(f'File "{path}"') == 3


def test_the_source_that_travels_counts_where_the_file_is_another_one(tmp_path):
    path = tmp_path / "user.py"
    path.write_text("# an older release\n" * 200)
    shown = text_of(module(DYNAMIC, __file__=str(path))["outer"], 0, source=source_of("outer"))
    assert "return inner(x)" in shown
    assert "an older release" not in shown


def test_without_any_file_the_function_is_named():
    shown = text_of(module(DYNAMIC)["outer"], 0, source=source_of("outer"))
    assert 'File "<outer>", line' in shown
    assert "return inner(x)" in shown


def test_causes_without_a_source_still_show_their_file_and_line():
    shown = text_of(module(DYNAMIC, __file__="/nowhere/user.py")["chained"])
    assert shown.count('File "/nowhere/user.py", line') == 3
    assert "The above exception was the direct cause" in shown


def test_a_traceback_is_what_python_prints_where_the_file_is_there():
    import traceback

    with pytest.raises(ZeroDivisionError) as caught:
        textwrap.dedent(1 / 0)  # type: ignore[arg-type]
    expected = "".join(traceback.format_exception(caught.type, caught.value, caught.tb))
    assert render(caught.value, caught.tb, Source()) == expected


def test_a_long_traceback_keeps_its_ends():
    shown = text_of(module(DYNAMIC)["repeated"])
    assert len(shown) < tracebacks.LIMIT + 100
    huge = "x" * 10_000_000

    def fail():
        raise ValueError(huge)

    with pytest.raises(ValueError, match="x") as caught:
        fail()
    shown = render(caught.value, caught.tb, Source())
    assert shown.startswith("Traceback")
    assert "characters left out" in shown
    assert len(shown) < tracebacks.LIMIT + 100


def test_an_exception_without_entries_has_the_header() -> None:
    error = TypeError("no such argument")
    assert render(error, None, Source()) == f"{tracebacks.HEADER}TypeError: no such argument\n"
    error.__cause__ = KeyError("cause")
    shown = render(error, None, Source())
    assert shown.endswith(f"\n\n{tracebacks.HEADER}TypeError: no such argument\n")
