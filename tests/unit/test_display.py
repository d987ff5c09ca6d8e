"""An executor's repr, its table in a notebook, and what Covalent's user interface shows of it."""

from __future__ import annotations

import json

import pytest

from covalent_awsbatch_plugin.awsbatch import AWSBatchExecutor
from covalent_awsbatch_plugin.options import resolution
from covalent_awsbatch_plugin.options.display import FIRST


@pytest.fixture(autouse=True)
def file(monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration of the test's own; it has a default, as Covalent writes them, and text."""
    section = {"vcpu": 2, "memory": "8", "batch_queue": "ours"}
    monkeypatch.setattr(resolution, "configured", lambda: section)


def test_the_repr_is_the_call_that_makes_it() -> None:
    executor = AWSBatchExecutor(time_limit=900, environment={"TOKEN": "secret"})
    assert repr(executor) == (
        "AWSBatchExecutor(batch_queue='ours', memory=8, time_limit=900, "
        "environment={'TOKEN': ...})"
    )
    assert repr(AWSBatchExecutor(batch_queue="ours", memory=8)) == (
        "AWSBatchExecutor(batch_queue='ours', memory=8)"
    )


def test_the_notebook_shows_every_option_with_its_source() -> None:
    table = AWSBatchExecutor(num_gpus=1, cache_dir="/tmp/<b>")._repr_html_()
    rows = [row for row in table.split("<tr>") if "<td" in row]
    assert len(rows) == len(resolution.defaults())
    sources = {name: next(row for row in rows if f">{name}<" in row) for name in FIRST}
    assert "argument" in sources["num_gpus"]
    assert "covalent.conf" in sources["memory"]
    assert "default" in sources["vcpu"]
    assert "<b>" not in table


def test_the_first_nine_attributes_are_the_telling_ones() -> None:
    """Also after the way through JSON, by which an executor reaches the server."""
    executor = AWSBatchExecutor()
    assert tuple(vars(executor))[:9] == FIRST
    sent = json.loads(json.dumps(executor.to_dict()))
    assert tuple(sent["attributes"])[:9] == FIRST


def test_an_unknown_key_of_the_configuration_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    section = {"vcpus_of_a_test": 4}
    monkeypatch.setattr(resolution, "configured", lambda: section)
    with pytest.warns(UserWarning, match=r"'vcpus_of_a_test' in \[executors.awsbatch\] of .*conf"):
        AWSBatchExecutor(**section)
