"""The last line of an attempt's log is read as it was written, and no other is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covalent_awsbatch_plugin.protocol.messages import STATUSES
from covalent_awsbatch_plugin.protocol.summary import (
    ERROR_LIMIT,
    Summary,
    format_summary,
    parse_summary,
)


@given(
    st.builds(
        Summary,
        status=st.sampled_from(STATUSES),
        attempt=st.integers(1, 10),
        seconds=st.floats(0, 1e7),
        cpu_seconds=st.floats(0, 1e8),
        peak_memory=st.integers(0, 2**45),
        error=st.text(),
    )
)
def test_a_summary_is_one_line_that_is_read_again(summary: Summary) -> None:
    line = format_summary(summary)
    assert len(line.splitlines()) == 1
    read = parse_summary(f"{line}\n")
    assert read is not None
    assert (read.status, read.attempt) == (summary.status, summary.attempt)
    assert read.seconds == pytest.approx(summary.seconds, abs=0.06)
    assert read.cpu_seconds == pytest.approx(summary.cpu_seconds, abs=0.06)
    assert 0 <= summary.peak_memory - read.peak_memory < 2**20
    assert read.error == " ".join(summary.error.split())[:ERROR_LIMIT].strip()


@pytest.mark.parametrize(
    "line",
    [
        "",
        "attempt 1 returned after 1.0 s (CPU 1.0 s, peak memory 1 MiB)",
        "covalent-awsbatch: attempt 1 vanished after 1.0 s (CPU 1.0 s, peak memory 1 MiB)",
        "covalent-awsbatch: attempt 1 returned after a while",
        "covalent-awsbatch: the task could not be read",
    ],
)
def test_other_lines_are_no_summary(line: str) -> None:
    assert parse_summary(line) is None
