"""Whatever Covalent's own local executor gives back, ours gives back."""

from __future__ import annotations

import pytest

from . import catalogue  # noqa: F401 - fills the catalogue
from .case import CATALOGUE
from .conftest import LOCAL, ON_BATCH, ON_HOST, Runs
from .differences import entries, stale, without
from .observation import differences


def _cases():
    for case in CATALOGUE.values():
        marks = [pytest.mark.xfail(strict=True, reason=case.pending)] if case.pending else []
        for mode in (ON_HOST, ON_BATCH)[: 1 + case.on_batch]:
            yield pytest.param(case.name, mode, marks=marks, id=f"{case.name}-{mode}")


@pytest.mark.parametrize(("name", "mode"), [*_cases()])
def test_as_local(name: str, mode: str, runs: Runs):
    case = CATALOGUE[name]
    ours, local = runs.observation(case, mode), runs.observation(case, LOCAL)
    assert ours.status == case.ends, [node for node in ours.nodes if node.raised or node.error]
    named = entries(case)
    found = differences(without(named, ours), without(named, local))
    assert not found, "\n".join(found)
    assert not (gone := stale(case, ours, local)), f"{gone} differ no longer: take them out"
