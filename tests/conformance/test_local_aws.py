"""The local AWS as a whole: its resources, buckets, start, stop and reset, and its command."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
import toml
from botocore.exceptions import ClientError

from covalent_awsbatch_plugin.local import LocalAws
from covalent_awsbatch_plugin.local.ports import free_port
from covalent_awsbatch_plugin.options.table import BY_NAME
from tests.waiting import wait_until

pytestmark = pytest.mark.emulator

ROOT = Path(__file__).parents[2]
SECONDS = 90

# Starts, uses and stops one after the other, with a job running at each stop.
ONE_AFTER_THE_OTHER = """
import os, socket, sys, tempfile, threading
from pathlib import Path
from covalent_awsbatch_plugin.local import LocalAws

buckets, children = [], []
for number in range(3):
    with LocalAws(runner="processes", prefix=f"number-{number}") as aws:
        batch, logs = aws.client("batch"), aws.client("logs")
        options = aws.executor_options()
        buckets.append([each["Name"] for each in aws.client("s3").list_buckets()["Buckets"]])
        batch.register_job_definition(
            jobDefinitionName="d", type="container", containerProperties={
                "image": "i", "command": ["sh", "-c", "echo $$; sleep 600"],
                "resourceRequirements": [{"type": "VCPU", "value": "1"},
                                         {"type": "MEMORY", "value": "64"}]})
        job = batch.submit_job(jobName="j", jobQueue=options["batch_queue"], jobDefinition="d")
        lines = []
        while not lines:
            [found] = batch.describe_jobs(jobs=[job["jobId"]])["jobs"]
            stream = found["container"].get("logStreamName")
            if stream:
                lines = logs.get_log_events(
                    logGroupName="/aws/batch/job", logStreamName=stream,
                    startFromHead=True)["events"]
        children.append(int(lines[0]["message"]))
        file, port = aws.credentials_file, int(aws.endpoint_url.rpartition(":")[2])
        assert file.exists() and port < 32768
    assert not file.exists()
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
    aws.stop()
assert all(len(names) == 1 and f"number-{n}-" in names[0] for n, names in enumerate(buckets))
for child in children:
    try:
        os.kill(child, 0)
    except ProcessLookupError:
        continue
    sys.exit(f"process {child} is left")
assert not list(Path(tempfile.gettempdir()).iterdir()), "files are left"
assert threading.active_count() == 1, threading.enumerate()
"""


def environment(**more: str) -> dict[str, str]:
    return {**{k: v for k, v in os.environ.items() if not k.startswith("AWS_")}, **more}


def test_several_one_after_the_other_leave_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ONE_AFTER_THE_OTHER],
        env=environment(TMPDIR=str(tmp_path)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_one_runs_at_a_time(local: LocalAws) -> None:
    with pytest.raises(RuntimeError, match="runs in this process already"):
        LocalAws(runner="processes").start()
    assert local.client("sts").get_caller_identity()["Account"]


def test_a_port_that_is_taken_is_told(local: LocalAws) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        program = "import sys; from covalent_awsbatch_plugin.local import LocalAws\n"
        program += f"try: LocalAws(runner='processes', port={port}).start()\n"
        program += "except OSError as error: sys.exit(f'raised {error.errno}')"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr.startswith("raised "), done.stderr


def test_without_the_extra_it_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['moto'] = None\n"
        "from covalent_awsbatch_plugin.local import LocalAws\n"
        "try: LocalAws()\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert 'pip install "covalent-awsbatch-plugin[local]"' in done.stdout, done.stderr


def test_its_options_are_the_executor_s(local: LocalAws) -> None:
    assert local.executor_options().keys() <= BY_NAME.keys()


def test_another_stack_has_resources_of_its_own(local: LocalAws) -> None:
    first, second = local.executor_options(), local.create_stack(prefix="other")
    shared = {key for key, value in first.items() if second[key] == value} - {"share_packages"}
    assert shared == {"region", "endpoint_url", "credentials", "profile"}
    buckets = {each["Name"] for each in local.client("s3").list_buckets()["Buckets"]}
    assert {first["s3_bucket_name"], second["s3_bucket_name"]} <= buckets


def test_a_reset_forgets_everything_but_the_first_stack(local: LocalAws) -> None:
    s3, bucket = local.client("s3"), local.executor_options()["s3_bucket_name"]
    s3.put_object(Bucket=bucket, Key="covalent/x", Body=b"x")
    s3.create_bucket(Bucket="another")
    local.reset()
    assert [each["Name"] for each in s3.list_buckets()["Buckets"]] == [bucket]
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_the_owner_of_a_bucket_must_be_the_expected_one(local: LocalAws) -> None:
    s3, bucket = local.client("s3"), local.executor_options()["s3_bucket_name"]
    account = local.client("sts").get_caller_identity()["Account"]
    s3.put_object(Bucket=bucket, Key="covalent/mine", Body=b"x", ExpectedBucketOwner=account)
    for call, more in ((s3.get_object, {}), (s3.put_object, {"Body": b"y"}), (s3.head_object, {})):
        with pytest.raises(ClientError) as caught:
            call(Bucket=bucket, Key="covalent/mine", ExpectedBucketOwner="999999999999", **more)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert s3.get_object(Bucket=bucket, Key="covalent/mine")["Body"].read() == b"x"


def test_a_bucket_of_another_account_is_refused(local: LocalAws) -> None:
    bucket = local.executor_options()["s3_bucket_name"]
    other = local.client("sts").assume_role(
        RoleArn="arn:aws:iam::999999999999:role/other", RoleSessionName="test"
    )["Credentials"]
    session = boto3.Session(
        other["AccessKeyId"], other["SecretAccessKey"], other["SessionToken"], local.region
    )
    s3 = session.client("s3", endpoint_url=local.endpoint_url)
    for call in (s3.head_bucket, s3.list_objects_v2):
        with pytest.raises(ClientError) as caught:
            call(Bucket=bucket)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    s3.create_bucket(Bucket="theirs")
    with pytest.raises(ClientError):
        local.client("s3").head_bucket(Bucket="theirs")


# The command


def start_command(home: Path, *arguments: str, **more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "covalent_awsbatch_plugin.cli", "local", *arguments]
    return subprocess.Popen(
        command,
        env=environment(HOME=str(home), COLUMNS="200", **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def printed_section(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return the configuration that the command prints."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Press Ctrl-C"):
            break
    else:
        pytest.fail("".join(lines) + (process.stderr.read() if process.stderr else ""))
    start = lines.index("[executors.awsbatch]\n")
    section = toml.loads("".join(lines[start : lines.index("\n", start)]))
    return dict(section["executors"]["awsbatch"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_runs_until_it_is_told_to_stop(tmp_path: Path, number: int) -> None:
    with start_command(tmp_path, "--port", "0", "--prefix", "mine") as process:
        try:
            options = printed_section(process)
            session = boto3.Session("local", "local", region_name=options["region"])
            s3 = session.client("s3", endpoint_url=options["endpoint_url"])
            s3.head_bucket(Bucket=options["s3_bucket_name"])
            assert options["batch_queue"] == "mine-batch-queue"
            assert Path(options["credentials"]).exists()
            process.send_signal(number)
            _, errors = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
    assert (process.returncode, errors) == (0, "")
    assert not Path(options["credentials"]).exists()


def test_the_command_tells_of_a_port_that_is_taken_and_of_a_bad_plan(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with start_command(tmp_path, "--port", str(listener.getsockname()[1])) as process:
            _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert "--port 0" in errors
    plan = tmp_path / "plan.json"
    plan.write_text('{"jobs": [{"kind": "fire"}]}')
    with start_command(tmp_path, "--faults", str(plan)) as process:
        _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert "kind is 'fire', but must be one of host_lost" in errors


def test_a_second_command_on_a_port_leaves_the_first_its_credentials(tmp_path: Path) -> None:
    port = str(free_port())
    with start_command(tmp_path, "--port", port) as first:
        try:
            options = printed_section(first)
            with start_command(tmp_path, "--port", port) as second:
                second.communicate(timeout=SECONDS)
            assert second.returncode == 1
            session = botocore.session.Session()
            session.set_config_variable("credentials_file", options["credentials"])
            sts = session.create_client("sts", "us-east-1", endpoint_url=options["endpoint_url"])
            assert sts.get_caller_identity()["Account"]
        finally:
            first.terminate()
            first.communicate(timeout=SECONDS)
    assert not Path(options["credentials"]).parent.exists()


def test_a_command_that_is_killed_leaves_no_credentials(tmp_path: Path) -> None:
    with start_command(tmp_path, "--port", str(free_port())) as process:
        folder = Path(printed_section(process)["credentials"]).parent
        assert folder.exists()
        process.kill()
        process.communicate(timeout=SECONDS)
    wait_until(lambda: not folder.exists())


def test_the_command_prints_what_excepts_it_from_a_proxy(tmp_path: Path) -> None:
    proxied = {"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "intranet.example", "no_proxy": ""}
    with start_command(tmp_path, "--port", "0", **proxied) as process:
        assert process.stdout
        printed = "".join(
            iter(process.stdout.readline, "Press Ctrl-C to stop. Nothing is kept.\n")
        )
        process.terminate()
        process.communicate(timeout=SECONDS)
    for name in ("no_proxy", "NO_PROXY"):
        assert f"export {name}=localhost,127.0.0.1,::1,intranet.example\n" in printed


def test_a_folder_that_has_other_files_keeps_them(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("kept")
    program = (
        "import pathlib, sys\n"
        "from covalent_awsbatch_plugin.local import LocalAws\n"
        "with LocalAws(runner='processes', folder=pathlib.Path(sys.argv[1])) as aws:\n"
        "    assert aws.credentials_file.exists()"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], timeout=SECONDS)
    assert done.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_the_command_tells_that_no_engine_answers(tmp_path: Path) -> None:
    nowhere = f"unix://{tmp_path}/docker.sock"
    arguments = ("--port", "0", "--containers")
    with start_command(tmp_path, *arguments, DOCKER_HOST=nowhere) as process:
        _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert "--runner processes" in errors
    assert "Traceback" not in errors
