"""What only completes a report never makes a command fail."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ParamValidationError

from covalent_awsbatch_plugin.cli.shared.errors import Refusal
from covalent_awsbatch_plugin.cli.shared.optional import Notes


def answered(code: str, status: int) -> ClientError:
    response = {
        "Error": {"Code": code, "Message": "no"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, "GetJobQueueSnapshot")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "error",
    [
        answered("AccessDeniedException", 403),
        answered("NotImplemented", 501),
        answered("404", 404),
        answered("InternalFailure", 500),
        answered("ThrottlingException", 429),
        EndpointConnectionError(endpoint_url="http://127.0.0.1:1"),
        ParamValidationError(report="x"),
        KeyError("jobArn"),
        ValueError("not JSON"),
        Refusal("There is no log group g.", "make one"),
    ],
    ids=repr,
)
def test_it_is_noted_once_in_a_line(error: Exception) -> None:
    notes = Notes()
    for _ in range(2):
        with notes.optional("places in the queue"):
            raise error
    (line,) = notes.lines
    assert line.startswith("Not shown: places in the queue. ")
    assert len(line) > len("Not shown: places in the queue. ")


def test_a_mistake_of_our_own_is_raised() -> None:
    with pytest.raises(AttributeError), Notes().optional("anything"):
        raise AttributeError("mistake")
