"""What the constructor accepts, AWS accepts: requests of random options against AWS's models.

The checks of requests are the fake's and botocore's, which know nothing of the options' bounds.
"""

from __future__ import annotations

import json
import math
import string
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.session import get_session
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from covalent_awsbatch_plugin.aws.model.access import Access, Identity
from covalent_awsbatch_plugin.aws.model.job_definition import definition_request
from covalent_awsbatch_plugin.aws.model.submission import submit_request
from covalent_awsbatch_plugin.aws.model.task import job_spec
from covalent_awsbatch_plugin.electron.request import task_request
from covalent_awsbatch_plugin.errors import InvalidOptions
from covalent_awsbatch_plugin.options import resolution
from covalent_awsbatch_plugin.options.table import OPTIONS
from tests.modelled import problems

ACCOUNT = "123456789012"
IDENTITY = Identity(ACCOUNT, "aws", f"arn:aws:iam::{ACCOUNT}:user/u")
METADATA = {"dispatch_id": "6f2f4d2f-0b53-4b0c-9f2a-0b2b3a3c9d10", "node_id": 0}

# Text near what AWS takes, and text that it never does: other alphabets' digits, control
# characters, lone surrogates, line ends.
NEAR = st.text(st.sampled_from(string.ascii_letters + string.digits + "-_./:@+=,# "), max_size=300)
ODD = st.text(
    st.one_of(st.characters(), st.sampled_from("\0\n\r\ud800\u0661\uff11é ")), max_size=40
)
TEXT = st.one_of(NEAR, ODD, st.builds("".join, st.tuples(NEAR, ODD)))
NUMBER = st.one_of(
    st.integers(-2, 70),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.booleans(),
    st.sampled_from([math.inf, -math.inf, math.nan, 2**31, 2**31 - 1, 9999, 10_000, "1e400"]),
)
ARNS = st.builds(
    "arn:aws{}:{}:{}:{}:{}".format,
    st.sampled_from(["", "-cn", "-us-gov", "-x\n"]),
    st.sampled_from(["iam", "batch", "kms"]),
    st.sampled_from(["", "eu-west-1", "EU"]),
    st.sampled_from([ACCOUNT, "1", "\u0661" * 12]),
    st.builds(
        "{}{}".format, st.sampled_from(["role/", "job-queue/", "key/", "alias/", "role/a/"]), NEAR
    ),
)
JSON = st.recursive(
    st.one_of(TEXT, NUMBER, st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(NEAR, inner, max_size=2)),
    max_leaves=6,
)


def of_shape(shape: Any, depth: int = 0) -> st.SearchStrategy[Any]:
    """Return values that fit a shape of a model by and large."""
    if shape.type_name == "structure":
        members = {name: of_shape(each, depth + 1) for name, each in shape.members.items()}
        required = {n: s for n, s in members.items() if n in shape.required_members}
        optional = {n: s for n, s in members.items() if n not in required}
        return (
            st.fixed_dictionaries(required, optional=optional)
            if depth
            else st.one_of(
                *(st.fixed_dictionaries({name: each}) for name, each in members.items())
            )
        )
    if shape.type_name == "list":
        return st.lists(of_shape(shape.member, depth + 1), max_size=2)
    if shape.type_name == "map":
        return st.dictionaries(NEAR, TEXT, max_size=2)
    if shape.type_name in ("integer", "long"):
        return st.one_of(st.integers(0, 200), NUMBER)
    if shape.type_name == "boolean":
        return st.one_of(st.booleans(), st.sampled_from(["true", 1]))
    choices = shape.metadata.get("enum")
    return st.one_of(st.sampled_from(choices), TEXT) if choices else TEXT


PROPERTIES = get_session().get_service_model("batch").shape_for("ContainerProperties")
TABLES = {
    "environment": st.dictionaries(TEXT, st.one_of(TEXT, NUMBER), max_size=3),
    "tags": st.dictionaries(TEXT, st.one_of(TEXT, NUMBER), max_size=50),
    "container_properties": st.one_of(of_shape(PROPERTIES), st.dictionaries(NEAR, JSON)),
}
VALUES = {int: NUMBER, float: NUMBER, bool: NUMBER, str: st.one_of(TEXT, ARNS)}


def accepted(**given: Any) -> Any:
    """Return what the constructor makes of options, as a task's request reads it."""
    values = resolution.resolve(given, {})
    access = Access(*(values[n] for n in ("credentials_file", "profile", "region")))
    return SimpleNamespace(**values, access=access)


def refusals(executor: Any) -> Iterator[str]:
    """Yield what AWS would refuse of the requests of a task."""
    request = task_request(executor, None, dict(METADATA))
    batch, logs = (get_session().get_service_model(name) for name in ("batch", "logs"))
    definition = definition_request(request.definition, IDENTITY)
    spec = job_spec(request, IDENTITY)
    arn = f"arn:aws:batch:us-east-1:{ACCOUNT}:job-definition/{request.definition.name}:1"
    submission = submit_request(spec, arn)
    stream = {"logGroupName": request.definition.log_group, "logStreamName": "s"}
    for name, params, model in (
        ("batch:RegisterJobDefinition", definition, batch),
        ("batch:SubmitJob", submission, batch),
        ("logs:GetLogEvents", stream, logs),
    ):
        # As it travels: a number that JSON does not have, or text that UTF-8 does not, raises.
        json.dumps(params, allow_nan=False, ensure_ascii=False).encode()
        yield from problems(name, params, model.operation_model(name.partition(":")[2]))
        if _has_bool_for_number(params, model.operation_model(name.partition(":")[2]).input_shape):
            yield f"{name}: true or false in place of a number"
        if "\0" in str(params):
            yield f"{name}: NUL"


def _has_bool_for_number(value: Any, shape: Any) -> bool:
    """Return whether there is what Python takes for a number and JSON does not."""
    if shape.type_name == "structure":
        return any(_has_bool_for_number(v, shape.members[k]) for k, v in value.items())
    if shape.type_name == "list":
        return any(_has_bool_for_number(each, shape.member) for each in value)
    return shape.type_name in ("integer", "long") and isinstance(value, bool)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_the_constructor_accepts_aws_accepts(option: Any, data: st.DataObject) -> None:
    strategy = TABLES[option.name] if option.kind is dict else VALUES[option.kind]
    value = data.draw(strategy)
    extra = {"s3_encryption": "aws:kms"} if option.name == "s3_kms_key_id" else {}
    if option.name == "scheduling_priority":
        extra = {"share_identifier": "a"}
    try:
        executor = accepted(**{option.name: value, **extra})
    except InvalidOptions as refusal:
        assert option.name in str(refusal)  # noqa: PT017 - most values are refused
        return
    assert list(refusals(executor)) == []


# By AWS's documentation of each name.
NAMES = {
    "batch_queue": r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}",
    "batch_job_definition_name": r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}",
    "batch_job_role_name": r"[A-Za-z0-9_+=,.@-]{1,64}",
    "batch_execution_role_name": r"arn:aws:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@-]{1,64}",
    "batch_job_log_group_name": r"/aws/batch/[A-Za-z0-9_./#-]{1,50}",
    "container_image_uri": r"[a-z]{2,9}\.example\.com/[a-z]{2,9}@sha256:[0-9a-f]{64}",
    "share_identifier": r"[A-Za-z0-9]{1,255}",
    "s3_bucket_name": r"[a-z0-9][a-z0-9-]{4,30}[a-z0-9]",
}


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_what_aws_documents_as_a_name_is_accepted(name: str, data: st.DataObject) -> None:
    value = data.draw(st.from_regex(NAMES[name], fullmatch=True))
    if name == "s3_bucket_name" and (value.startswith("xn--") or value.endswith("--ol-s3")):
        return
    assert accepted(**{name: value})


def test_most_of_what_fits_the_model_of_container_properties_is_accepted() -> None:
    found = []
    for properties in (
        {"user": "1000"},
        {"privileged": True, "readonlyRootFilesystem": True},
        {
            "secrets": [
                {"name": "A", "valueFrom": "arn:aws:ssm:eu-west-1:123456789012:parameter/a"}
            ]
        },
        {"volumes": [{"name": "v", "host": {"sourcePath": "/data"}}]},
        {
            "linuxParameters": {
                "maxSwap": 10,
                "swappiness": 60,
                "devices": [{"hostPath": "/dev/a"}],
            }
        },
        {"ulimits": [{"name": "nofile", "softLimit": 1, "hardLimit": 2}]},
        {"logConfiguration": {"logDriver": "json-file"}},
        {"repositoryCredentials": {"credentialsParameter": "arn:x"}},
    ):
        executor = accepted(container_properties=properties)
        found.append(list(refusals(executor)))
    assert found == [[]] * len(found)
