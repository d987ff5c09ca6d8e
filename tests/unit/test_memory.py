"""A large payload is not in memory twice."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

from covalent_awsbatch_plugin import covalent_results


def test_a_large_text_is_read_without_a_second_copy(tmp_path: Path) -> None:
    path, size = tmp_path / "text", 64 * 1024 * 1024
    path.write_bytes(b"a" * size)
    tracemalloc.start()
    try:
        with path.open("rb") as file:
            text = covalent_results.read_text(file)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(text) == size
    assert peak < 1.3 * size
