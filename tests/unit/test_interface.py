"""The interface that users of release 0.42 and of its documentation rely on."""

from __future__ import annotations

import copy
import inspect
import json
import logging
import os
import subprocess
import sys

import covalent as ct
import pytest
from covalent._shared_files.config import set_config
from covalent.executor import _executor_manager
from covalent.executor.executor_plugins.remote_executor import RemoteExecutor

import covalent_awsbatch_plugin
from covalent_awsbatch_plugin import AWSBatchExecutor, awsbatch
from covalent_awsbatch_plugin.errors import InvalidOptions

DOCUMENTED_ORDER = [
    "credentials",
    "profile",
    "region",
    "s3_bucket_name",
    "batch_queue",
    "batch_execution_role_name",
    "batch_job_role_name",
    "batch_job_log_group_name",
    "vcpu",
    "memory",
    "num_gpus",
    "retry_attempts",
    "time_limit",
    "poll_freq",
    "cache_dir",
]

ATTRIBUTES = (
    *("region", "profile", "credentials_file", "s3_bucket_name", "batch_queue", "execution_role"),
    *("batch_job_role_name", "log_group_name", "vcpu", "memory", "num_gpus", "retry_attempts"),
    *("time_limit", "poll_freq", "cache_dir", "container_image_uri"),
)


def test_covalent_finds_it():
    assert ct.executor.AWSBatchExecutor is AWSBatchExecutor
    assert _executor_manager.executor_plugins_map["awsbatch"] is AWSBatchExecutor
    assert issubclass(AWSBatchExecutor, RemoteExecutor)
    assert AWSBatchExecutor().short_name() == "awsbatch"


def test_all_is_what_is_exported():
    for module in (covalent_awsbatch_plugin, awsbatch):
        assert all(hasattr(module, name) for name in module.__all__)


def test_positional_arguments_are_in_the_documented_order():
    parameters = list(inspect.signature(AWSBatchExecutor).parameters.values())
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional == [*DOCUMENTED_ORDER, "container_image_uri"]


def test_the_documented_constructor_call():
    executor = ct.executor.AWSBatchExecutor(
        s3_bucket_name="covalent-batch-qa-job-resources",
        batch_job_definition_name="covalent-batch-qa-job-definition",
        batch_queue="covalent-batch-qa-queue",
        batch_execution_role_name="ecsTaskExecutionRole",
        batch_job_role_name="covalent-batch-qa-job-role",
        batch_job_log_group_name="covalent-batch-qa-log-group",
        vcpu=2,
        memory=3.75,
        time_limit=300,
    )
    assert executor.execution_role == "ecsTaskExecutionRole"
    assert executor.log_group_name == "covalent-batch-qa-log-group"
    assert executor.batch_job_definition_name == "covalent-batch-qa-job-definition"
    assert all(hasattr(executor, name) for name in ATTRIBUTES)


def test_it_survives_json_and_deepcopy():
    executor = AWSBatchExecutor(vcpu=7, tags={"a": "b"}, container_properties={"user": "1"})
    sent = json.loads(json.dumps(executor.to_dict()))
    back = AWSBatchExecutor().from_dict(sent)
    assert vars(back) == vars(executor) == vars(copy.deepcopy(executor))


def test_a_dictionary_of_another_release_keeps_what_it_lacks():
    back = AWSBatchExecutor(poll_freq=3).from_dict(
        {"attributes": {"vcpu": 9, "region": "eu-west-1"}}
    )
    assert (back.vcpu, back.region, back.poll_freq, back.retry_on) == (9, "eu-west-1", 3, "any")
    assert AWSBatchExecutor(vcpu=5).from_dict({}).vcpu == 5


def test_a_dictionary_of_another_class_is_ignored():
    """Covalent passes on a lattice's, where its sublattice names an executor by name."""
    other = ct.executor.LocalExecutor().to_dict()
    assert vars(AWSBatchExecutor(vcpu=5).from_dict(other)) == vars(AWSBatchExecutor(vcpu=5))


@pytest.fixture
def configured():
    def configure(**options):
        set_config({f"executors.awsbatch.{key}": value for key, value in options.items()})

    before = ct.get_config("executors.awsbatch")
    kept = dict(before)
    yield configure
    for key in [key for key in before if key not in kept]:
        del before[key]
    configure(**kept)


def test_an_argument_wins_over_the_configuration(configured):
    configured(vcpu=6, region="eu-central-1")
    assert AWSBatchExecutor().vcpu == 6
    assert AWSBatchExecutor(vcpu=1).vcpu == 1
    by_name = _executor_manager.get_executor("awsbatch")
    assert (by_name.vcpu, by_name.region) == (6, "eu-central-1")


def test_an_unknown_key_is_warned_about_once_with_the_nearest(configured, monkeypatch):
    configured(memroy_limit=3)
    logged: list[str] = []
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", lambda record: logged.append(record.getMessage()))
    logger = logging.getLogger("covalent_awsbatch_plugin")
    logger.addHandler(handler)
    try:
        for _ in range(3):
            _executor_manager.get_executor("awsbatch")
    finally:
        logger.removeHandler(handler)
    assert len(logged) == 1
    assert "'memroy_limit'" in logged[0]
    assert "ignored" in logged[0]


def test_an_unknown_argument_is_refused_with_the_nearest():
    with pytest.raises(TypeError, match="'memroy'; did you mean 'memory'"):
        AWSBatchExecutor(memroy=4)


def test_values_out_of_bounds_are_refused_at_once():
    with pytest.raises(InvalidOptions, match=r"(?s)vcpu.*memory.*time_limit"):
        AWSBatchExecutor(time_limit=1, memory=0, vcpu=0)


async def test_values_out_of_bounds_are_refused_before_anything_is_uploaded():
    executor = AWSBatchExecutor(endpoint_url="http://127.0.0.1:1")
    executor.vcpu = 0
    with pytest.raises(InvalidOptions, match="vcpu"):
        await executor.run(print, [], {}, {"dispatch_id": "d", "node_id": 0})


async def test_receive_reports_nodes_cancelled_before_they_started():
    group = {"dispatch_id": "d", "node_ids": [3, 4], "task_group_id": 3}
    updates = await AWSBatchExecutor().receive(group, None)
    assert [(u.dispatch_id, u.node_id, str(u.status)) for u in updates] == [
        ("d", 3, "CANCELLED"),
        ("d", 4, "CANCELLED"),
    ]
    assert all(update.assets == {} for update in updates)


def test_a_subclass_learns_which_methods_run_no_longer_calls(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("covalent_awsbatch_plugin"), "parent", logging.root)

    class Loud(AWSBatchExecutor):
        async def submit_task(self, task_metadata, identity):
            return await super().submit_task(task_metadata, identity)

        async def run(self, function, args, kwargs, task_metadata):
            return await super().run(function, args, kwargs, task_metadata)

    (message,) = [record.getMessage() for record in caplog.records]
    assert "Loud overrides submit_task()" in message
    assert "Override run() instead." in message


def test_methods_that_a_subclass_mixes_in_are_found_too(caplog, monkeypatch):
    monkeypatch.setattr(awsbatch.log, "parent", logging.root)

    class Watch:
        async def get_status(self, job_id):
            return "SUCCEEDED", 0

    class Mixed(Watch, AWSBatchExecutor):
        pass

    class Behind(AWSBatchExecutor, Watch):
        pass

    class Further(Behind):
        pass

    (message,) = [record.getMessage() for record in caplog.records]
    assert "Mixed overrides get_status()" in message


def test_boto_session_options_name_the_profile_or_the_keys(tmp_path):
    file = tmp_path / "credentials"
    file.write_text("[lab]\naws_access_key_id = A\naws_secret_access_key = B\n")
    executor = AWSBatchExecutor(credentials=str(file), profile="lab", region="eu-west-1")
    assert executor.boto_session_options() == {
        "region_name": "eu-west-1",
        "aws_access_key_id": "A",
        "aws_secret_access_key": "B",
    }
    assert AWSBatchExecutor().boto_session_options() == {"region_name": "us-east-1"}


@pytest.mark.parametrize(
    "first", ["covalent", "covalent_awsbatch_plugin", "covalent_awsbatch_plugin.awsbatch"]
)
def test_importing_it_loads_nothing_heavy_and_in_any_order(first, tmp_path):
    code = (
        f"import {first}, sys\n"
        "from covalent_awsbatch_plugin import AWSBatchExecutor\n"
        "import covalent as ct\n"
        "assert ct.executor.AWSBatchExecutor is AWSBatchExecutor\n"
        "assert ct.get_config('executors.awsbatch.vcpu') == 2\n"
        "assert ct.executor.LocalExecutor\n"
        "AWSBatchExecutor()\n"
        "heavy = {'aiobotocore', 'covalent_awsbatch_plugin.aws.backend',\n"
        "         'covalent_awsbatch_plugin.electron'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    environment = {**os.environ, "HOME": str(tmp_path)}
    environment["COVALENT_CONFIG_DIR"] = str(tmp_path / ".config" / "covalent")
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert (ran.returncode, ran.stderr) == (0, "")
