"""Pytest fixtures: ``pytest_plugins = ["tests.fake_aws.fixtures"]`` in a conftest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fake_aws.aws import FakeAws


@pytest.fixture
def fake_aws() -> Iterator[FakeAws]:
    """A fresh fake AWS whose jobs end at once with the result None."""
    with FakeAws() as aws:
        yield aws
