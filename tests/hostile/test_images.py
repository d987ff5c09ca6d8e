"""Old and odd images, as jobs that are processes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from covalent_awsbatch_plugin.local import LocalAws

from .harness import Ended, check, run_in_images, selected
from .images import IMAGES

pytestmark = pytest.mark.emulator


@pytest.fixture(scope="module")
def ended(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Ended]]:
    table = selected(request.session.items, __name__, IMAGES)
    with LocalAws(runner="processes") as aws:
        yield run_in_images(aws, table, tmp_path_factory.mktemp("images"))


@pytest.mark.parametrize("name", IMAGES)
def test_a_task_ends_right_or_is_refused(name: str, ended: dict[str, Ended]) -> None:
    check(IMAGES[name].case, ended[name])
