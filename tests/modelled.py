"""Every request that botocore sends in this process, checked against its service models.

botocore itself checks types and required members only. Patterns, enumerations and bounds of the
models, and what Batch documents besides, are left to AWS: they are checked here.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import botocore
from botocore.validate import ParamValidator

from tests.fake_aws.errors import ApiError
from tests.fake_aws.validation import check_definition, check_submission, violations

# Rules that Batch documents beside its model.
DOCUMENTED = {
    "batch:RegisterJobDefinition": check_definition,
    "batch:SubmitJob": check_submission,
}


class Requests:
    """What was asked, and what of it AWS would refuse."""

    def __init__(self) -> None:
        self.operations: set[str] = set()
        self.refused: list[str] = []
        self._lock = threading.Lock()

    def watch(self, session: Any) -> None:
        """Check every request of a session's clients."""
        session.register("before-parameter-build", self._check)

    def _check(self, params: Mapping[str, Any], model: Any, **_: Any) -> None:
        name = f"{model.service_model.endpoint_prefix}:{model.name}"
        found = list(problems(name, dict(params), model))
        with self._lock:
            self.operations.add(name)
            self.refused += [f"{name}: {problem}" for problem in found]


def problems(name: str, params: dict[str, Any], model: Any) -> Iterator[str]:
    """Yield what is wrong with a request."""
    shape = model.input_shape
    if shape is None:
        return
    report = ParamValidator().validate(params, shape)
    if report.has_errors():
        yield report.generate_report()
        return
    yield from violations(params, shape, model.name)
    if name in DOCUMENTED:
        try:
            DOCUMENTED[name](params)
        except ApiError as error:
            yield error.message


@contextmanager
def checked_requests() -> Iterator[Requests]:
    """Check the requests of every session that is made in the context."""
    requests = Requests()
    botocore.register_initializer(requests.watch)
    try:
        yield requests
    finally:
        botocore.unregister_initializer(requests.watch)
