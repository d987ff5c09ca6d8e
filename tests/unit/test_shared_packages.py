"""Which electrons share what DepsPip installs."""

from __future__ import annotations

import uuid
from functools import partial
from typing import Any

import covalent as ct
import pytest
from covalent._workflow.transport import TransportableObject
from covalent.executor.utils.wrappers import wrapper_fn

from covalent_awsbatch_plugin.awsbatch import AWSBatchExecutor
from covalent_awsbatch_plugin.electron.environments import shared_environment
from covalent_awsbatch_plugin.electron.request import task_request
from covalent_awsbatch_plugin.protocol import s3_keys


def call(*packages: str) -> Any:
    hooks = [ct.DepsBash(["true"]).apply()]
    if packages:
        hooks.insert(0, ct.DepsPip(list(packages)).apply())
    return partial(wrapper_fn, TransportableObject(int), hooks, [])


@pytest.fixture
def dispatch() -> str:
    return str(uuid.uuid4())


def key(function: Any, dispatch: str, share: str = "dispatch", **options: Any) -> str:
    executor = AWSBatchExecutor(**options)
    metadata = {"dispatch_id": dispatch, "node_id": 0}
    return shared_environment(function, task_request(executor, function, metadata), share)


def test_packages_that_a_dispatch_asks_for_twice_are_shared(dispatch: str) -> None:
    assert key(call("numpy"), dispatch) == ""
    shared = key(call("numpy"), dispatch)
    assert shared.startswith(s3_keys.dispatch_prefix(dispatch))
    assert key(call("numpy"), dispatch) == shared


def test_other_packages_another_image_or_dispatch_share_nothing(dispatch: str) -> None:
    key(call("numpy"), dispatch)
    assert key(call("scipy"), dispatch) == ""
    assert key(call("numpy"), dispatch, container_image_uri="another") == ""
    assert key(call("numpy"), str(uuid.uuid4())) == ""


def test_what_all_dispatches_share(dispatch: str) -> None:
    shared = key(call("numpy"), dispatch, "bucket")
    assert shared.startswith(s3_keys.SHARED)
    assert key(call("numpy"), str(uuid.uuid4()), "bucket") == shared


def test_no_sharing_where_there_is_no_pip_or_no_wish_for_it(dispatch: str) -> None:
    for _ in range(2):
        assert key(call(), dispatch) == ""
        assert key(int, dispatch) == ""
        assert key(call("numpy"), dispatch, "never") == ""


@pytest.mark.parametrize("dispatch_id", ["_shared", "_shared/x", "outcomes", ""])
def test_no_dispatch_s_objects_lie_among_those_of_all(dispatch_id: str) -> None:
    assert not s3_keys.dispatch_prefix(dispatch_id).startswith(s3_keys.SHARED)
