"""Hostile functions as jobs that are processes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from covalent_awsbatch_plugin.local import LocalAws

from .cases import CASES
from .harness import Ended, check, run_all, selected

pytestmark = pytest.mark.emulator


@pytest.fixture(scope="module")
def ended(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Ended]]:
    cases = selected(request.session.items, __name__, CASES)
    with LocalAws(runner="processes") as aws:
        yield run_all(aws, cases, tmp_path_factory.mktemp("cache"))


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_function_harms_nothing_but_itself(name: str, ended: dict[str, Ended]) -> None:
    check(CASES[name], ended[name])
