"""Whatever Covalent's own local executor gives back, ours gives back."""

from __future__ import annotations

import pytest

from . import catalogue  # noqa: F401 - fills the catalogue
from .case import CATALOGUE
from .conftest import LOCAL, ON_BATCH, ON_HOST, Runs
from .differences import DIFFERENCES, without
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
    for key in case.differs:
        assert differences(ours, local), f"nothing differs: {key} is no difference"
        ours, local = without(DIFFERENCES[key], ours), without(DIFFERENCES[key], local)
    assert not (found := differences(ours, local)), "\n".join(found)
