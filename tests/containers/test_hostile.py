"""Hostile functions as jobs that are containers."""

from __future__ import annotations

import pytest

from covalent_awsbatch_plugin.local import LocalAws
from tests.hostile.cases import CASES, CONTAINER_CASES
from tests.hostile.harness import Ended, check, run_all, selected
from tests.pythons import Python

from .images import Images
from .index import UNREACHABLE

ALL = {**CASES, **CONTAINER_CASES}


@pytest.fixture(scope="module")
def ended(
    request: pytest.FixtureRequest,
    aws: LocalAws,
    images: Images,
    ours: Python,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Ended]:
    cases = selected(request.session.items, __name__, ALL)
    scratch = tmp_path_factory.mktemp("cache")
    options = {"container_image_uri": images.bare(ours), "memory": 1.5, "environment": UNREACHABLE}
    return run_all(aws, cases, scratch, **options)


@pytest.mark.parametrize("name", ALL)
def test_a_hostile_function_harms_nothing_but_itself(name: str, ended: dict[str, Ended]) -> None:
    check(ALL[name], ended[name])
