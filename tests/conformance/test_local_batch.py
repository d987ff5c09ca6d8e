"""The local AWS's jobs behave as AWS Batch's; asked with plain boto3, over every runner."""

from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from covalent_awsbatch_plugin.local import LocalAws

from .conftest import PLACES, Jobs, wait_until

pytestmark = pytest.mark.emulator

SLEEP = ("sh", "-c", "echo ready; exec sleep 600")


def sh(text: str) -> tuple[str, ...]:
    return ("sh", "-c", text)


# How jobs end


def test_a_job_that_exits_with_0_has_succeeded(jobs: Jobs) -> None:
    job = jobs.run(*sh("exit 0"))
    assert job["status"] == "SUCCEEDED"
    assert job["container"]["exitCode"] == 0
    assert job["statusReason"] == "Essential container in task exited"
    assert job["createdAt"] <= job["startedAt"] <= job["stoppedAt"]


def test_a_job_that_exits_otherwise_has_failed_with_its_exit_code(jobs: Jobs) -> None:
    job = jobs.run(*sh("exit 3"))
    assert job["status"] == "FAILED"
    assert job["container"]["exitCode"] == 3
    [attempt] = job["attempts"]
    assert attempt["container"]["exitCode"] == 3
    assert attempt["statusReason"] == "Essential container in task exited"
    assert attempt["startedAt"] <= attempt["stoppedAt"]


def test_a_job_that_a_signal_ends_has_an_exit_code_above_128(jobs: Jobs) -> None:
    # In a container the first process can signal only its children.
    assert jobs.run(*sh("sh -c 'kill -9 $$'; exit $?"))["container"]["exitCode"] == 137


def test_a_command_that_is_not_there_fails_with_a_reason_and_no_exit_code(jobs: Jobs) -> None:
    job = jobs.run("no-such-program")
    assert job["status"] == "FAILED"
    assert "exitCode" not in job["container"]
    assert job["container"]["reason"].startswith("CannotStartContainerError")
    assert job["statusReason"] == "Task failed to start"


# What a job sees


def test_a_job_sees_its_id_attempt_and_queue(jobs: Jobs) -> None:
    job = jobs.run(*sh("echo $AWS_BATCH_JOB_ID $AWS_BATCH_JOB_ATTEMPT $AWS_BATCH_JQ_NAME"))
    assert jobs.output(job) == [f"{job['jobId']} 1 {jobs.queue}"]


def test_a_job_with_a_role_reaches_the_services_without_configuration(jobs: Jobs) -> None:
    bucket = jobs.options["s3_bucket_name"]
    program = (
        "import boto3, sys; s3 = boto3.client('s3');"
        "s3.put_object(Bucket=sys.argv[1], Key='covalent/seen', Body=b'yes')"
    )
    job = jobs.run("python", "-c", program, bucket)
    assert job["status"] == "SUCCEEDED", jobs.output(job)
    body = jobs.aws.client("s3").get_object(Bucket=bucket, Key="covalent/seen")["Body"]
    assert body.read() == b"yes"


def test_overrides_replace_command_resources_and_variables(jobs: Jobs) -> None:
    definition = jobs.define(
        *sh("exit 1"),
        container={
            "environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
            "jobRoleArn": "arn:aws:iam::123456789012:role/covalent-batch-job-role",
        },
    )
    overrides = {
        "command": list(sh("echo $A $B $C")),
        "environment": [{"name": "B", "value": "x"}, {"name": "C", "value": "y"}],
        "resourceRequirements": [{"type": "MEMORY", "value": "256"}],
    }
    job = jobs.ended(jobs.submit(definition, containerOverrides=overrides))
    assert jobs.output(job) == ["1 x y"]
    container = job["container"]
    assert container["command"] == overrides["command"]
    assert {(e["name"], e["value"]) for e in container["environment"]} == {
        ("A", "1"),
        ("B", "x"),
        ("C", "y"),
    }
    asked = {each["type"]: each["value"] for each in container["resourceRequirements"]}
    assert asked == {"VCPU": "1", "MEMORY": "256"}
    assert container["image"] == jobs.image
    assert container["jobRoleArn"].endswith("role/covalent-batch-job-role")


def test_parameters_replace_references_in_the_command(jobs: Jobs) -> None:
    definition = jobs.define(
        *sh('echo "$0 $1 $2"'),
        "Ref::first",
        "Ref::second",
        "Ref::unknown",
        parameters={"first": "default", "second": "default"},
    )
    job = jobs.ended(jobs.submit(definition, parameters={"second": "given"}))
    assert jobs.output(job) == ["default given Ref::unknown"]


def test_nothing_of_this_process_s_environment_reaches_a_job(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COVALENT_SECRET_OF_THE_SERVER", "hush")
    job = jobs.run("env")
    assert not [line for line in jobs.output(job) if "hush" in line]


# Logs


def test_output_is_in_the_stream_while_the_job_runs(jobs: Jobs) -> None:
    job_id = jobs.submit(jobs.define(*SLEEP))
    running = jobs.reached(job_id, "RUNNING")
    assert wait_until(lambda: jobs.output(running)) == ["ready"]
    assert running["container"]["logStreamName"].startswith("test/default/")


def test_both_streams_of_output_any_bytes_and_an_unfinished_line_are_kept(jobs: Jobs) -> None:
    job = jobs.run(*sh(r"printf 'out\n'; printf 'bad \377\n\n' >&2; printf 'no end'"))
    lines = jobs.output(job)
    # An engine reads the two streams one beside the other; only within one is there an order.
    assert [line for line in lines if line.startswith("bad")] == ["bad \ufffd"]
    assert [line for line in lines if not line.startswith("bad")] == ["out", "no end"]


def test_one_endless_line_becomes_many_events(jobs: Jobs) -> None:
    size = 1_000_000
    job = jobs.run(*sh(f"head -c {size} /dev/zero | tr '\\0' x"))
    events = jobs.output(job)
    assert len(events) > 1
    assert sum(map(len, events)) == size


def test_each_attempt_has_a_stream_of_its_own(jobs: Jobs) -> None:
    definition = jobs.define(*sh("echo $AWS_BATCH_JOB_ATTEMPT; exit 1"))
    job = jobs.ended(jobs.submit(definition, retryStrategy={"attempts": 2}))
    assert [jobs.output(job, 0), jobs.output(job, 1)] == [["1"], ["2"]]


def test_without_log_configuration_the_group_is_batch_s_own(jobs: Jobs) -> None:
    definition = jobs.define(*sh("echo here"), name="plain", container={"logConfiguration": None})
    job = jobs.ended(jobs.submit(definition))
    stream = job["container"]["logStreamName"]
    assert stream.startswith("plain/default/")
    assert jobs.lines("/aws/batch/job", stream) == ["here"]


def test_a_log_group_that_is_missing_fails_the_job_in_blocking_mode(jobs: Jobs) -> None:
    missing = {
        "logDriver": "awslogs",
        "options": {"awslogs-group": "missing", "mode": "blocking"},
    }
    job = jobs.ended(jobs.submit(jobs.define("true", container={"logConfiguration": missing})))
    assert job["status"] == "FAILED"
    assert "The specified log group does not exist" in job["container"]["reason"]


# Attempts


@pytest.mark.parametrize("where", ["definition", "submission"])
def test_a_failing_job_is_attempted_as_often_as_asked(jobs: Jobs, where: str) -> None:
    strategy = {"retryStrategy": {"attempts": 3}}
    definition = jobs.define(*sh("exit $AWS_BATCH_JOB_ATTEMPT"), **_if(where, strategy))
    job = jobs.ended(jobs.submit(definition, **(strategy if where == "submission" else {})))
    assert job["status"] == "FAILED"
    assert [each["container"]["exitCode"] for each in job["attempts"]] == [1, 2, 3]
    assert job["container"]["exitCode"] == 3
    assert len({each["container"]["logStreamName"] for each in job["attempts"]}) == 3
    assert job["retryStrategy"]["attempts"] == 3


def _if(where: str, strategy: dict[str, Any]) -> dict[str, Any]:
    # The submission's strategy wins.
    return strategy if where == "definition" else {"retryStrategy": {"attempts": 1}}


def test_a_job_that_succeeds_is_not_attempted_again(jobs: Jobs) -> None:
    definition = jobs.define(*sh("test $AWS_BATCH_JOB_ATTEMPT = 2"))
    job = jobs.ended(jobs.submit(definition, retryStrategy={"attempts": 5}))
    assert job["status"] == "SUCCEEDED"
    assert len(job["attempts"]) == 2


@pytest.mark.parametrize(
    ("rules", "attempts"),
    [
        ([{"onExitCode": "7", "action": "EXIT"}], 1),
        ([{"onExitCode": "7*", "action": "exit"}], 1),
        ([{"onExitCode": "70", "action": "EXIT"}], 3),
        ([{"onExitCode": "8", "action": "RETRY"}], 3),
        ([{"onExitCode": "7", "action": "RETRY"}, {"onReason": "*", "action": "EXIT"}], 3),
        ([{"onStatusReason": "Host EC2*", "action": "RETRY"}], 3),
        (
            [
                {"onStatusReason": "Host EC2*", "action": "RETRY"},
                {"onReason": "*", "action": "EXIT"},
            ],
            1,
        ),
        ([{"onStatusReason": "Essential container*", "onExitCode": "9", "action": "EXIT"}], 3),
        ([{"onStatusReason": "Essential container*", "onExitCode": "7", "action": "EXIT"}], 1),
    ],
)
def test_evaluate_on_exit_decides_and_without_a_match_the_job_is_retried(
    jobs: Jobs, rules: list[dict[str, str]], attempts: int
) -> None:
    strategy = {"attempts": 3, "evaluateOnExit": rules}
    job = jobs.run(*sh("exit 7"), retryStrategy=strategy)
    assert len(job["attempts"]) == attempts


# Ends that come from outside


def test_an_attempt_that_takes_too_long_is_ended_and_not_repeated(jobs: Jobs) -> None:
    definition = jobs.define(*SLEEP, retryStrategy={"attempts": 3})
    job = jobs.ended(jobs.submit(definition, timeout={"attemptDurationSeconds": 60}))
    assert job["status"] == "FAILED"
    assert job["statusReason"] == "Job attempt duration exceeded timeout"
    assert len(job["attempts"]) == 1
    assert jobs.output(job) == ["ready"]
    assert job["container"]["exitCode"] > 128


def test_an_attempt_that_does_not_heed_sigterm_is_killed(jobs: Jobs) -> None:
    stubborn = "import signal, time; signal.signal(15, 1); print('ready', flush=True)\n"
    definition = jobs.define("python", "-c", stubborn + "while True: time.sleep(1)")
    job = jobs.ended(jobs.submit(definition, timeout={"attemptDurationSeconds": 60}))
    assert job["container"]["exitCode"] == 137


def test_a_running_job_can_be_terminated_and_is_not_repeated(jobs: Jobs) -> None:
    job_id = jobs.submit(jobs.define(*SLEEP), retryStrategy={"attempts": 3})
    jobs.reached(job_id, "RUNNING")
    jobs.batch.terminate_job(jobId=job_id, reason="not wanted any more")
    job = jobs.ended(job_id)
    assert (job["status"], job["statusReason"]) == ("FAILED", "not wanted any more")
    assert job["isTerminated"]
    assert len(job["attempts"]) == 1


def test_terminating_ends_what_the_command_has_started(jobs: Jobs, runner: str) -> None:
    job_id = jobs.submit(jobs.define(*sh("sleep 601 & sleep 602 & echo started; wait")))
    running = jobs.reached(job_id, "RUNNING")
    wait_until(lambda: jobs.output(running))
    jobs.batch.terminate_job(jobId=job_id, reason="enough")
    assert jobs.ended(job_id)["status"] == "FAILED"


def test_what_a_command_leaves_running_ends_with_it(jobs: Jobs) -> None:
    started = time.monotonic()
    job = jobs.run(*sh("sleep 600 & echo done"))
    assert job["status"] == "SUCCEEDED"
    assert jobs.output(job) == ["done"]
    assert time.monotonic() - started < 20


def test_a_running_job_cannot_be_cancelled(jobs: Jobs) -> None:
    job_id = jobs.submit(jobs.define(*sh("sleep 0.3; exit 5")))
    jobs.reached(job_id, "RUNNING")
    jobs.batch.cancel_job(jobId=job_id, reason="too late")
    job = jobs.ended(job_id)
    assert job["container"]["exitCode"] == 5
    assert not job["isCancelled"]


@pytest.mark.parametrize("ending", ["cancel_job", "terminate_job"])
def test_a_waiting_job_can_be_ended_and_never_starts(jobs: Jobs, ending: str) -> None:
    definition = jobs.define(*SLEEP)
    occupants = [jobs.submit(definition) for _ in range(PLACES)]
    for occupant in occupants:
        jobs.reached(occupant, "RUNNING")
    waiting = jobs.submit(jobs.define(*sh("exit 0")))
    assert jobs.describe(waiting)["status"] == "RUNNABLE"
    getattr(jobs.batch, ending)(jobId=waiting, reason="changed my mind")
    job = jobs.describe(waiting)
    assert (job["status"], job["statusReason"]) == ("FAILED", "changed my mind")
    assert job["attempts"] == []
    assert job["isCancelled"] == (ending == "cancel_job")


def test_ending_a_job_that_has_ended_or_never_was_is_no_error(jobs: Jobs) -> None:
    job = jobs.run(*sh("exit 0"))
    jobs.batch.terminate_job(jobId=job["jobId"], reason="late")
    jobs.batch.terminate_job(jobId="00000000-0000-0000-0000-000000000000", reason="unknown")
    assert jobs.describe(job["jobId"])["status"] == "SUCCEEDED"


def test_a_job_waits_for_those_it_depends_on(jobs: Jobs) -> None:
    first = jobs.submit(jobs.define(*SLEEP))
    definition = jobs.define(*sh("exit 0"))
    second = jobs.submit(definition, dependsOn=[{"jobId": first}])
    third = jobs.submit(definition, dependsOn=[{"jobId": second}])
    jobs.reached(first, "RUNNING")
    assert jobs.describe(second)["status"] == "PENDING"
    jobs.batch.terminate_job(jobId=first, reason="fail")
    assert jobs.ended(second)["statusReason"] == "Dependent Job failed"
    assert jobs.ended(third)["status"] == "FAILED"
    good = jobs.submit(definition)
    assert jobs.ended(jobs.submit(definition, dependsOn=[{"jobId": good}]))["status"] == (
        "SUCCEEDED"
    )


# Looking at jobs


def test_describe_jobs_leaves_out_what_is_not_there(jobs: Jobs) -> None:
    job_id = jobs.submit(jobs.define(*sh("exit 0")), tags={"purpose": "test"})
    found = jobs.batch.describe_jobs(jobs=[job_id, "unknown"])["jobs"]
    assert [each["jobId"] for each in found] == [job_id]
    assert found[0]["tags"] == {"purpose": "test"}
    assert jobs.batch.describe_jobs(jobs=[found[0]["jobArn"]])["jobs"][0]["jobId"] == job_id


def test_list_jobs_selects_by_status_or_by_name_in_pages(jobs: Jobs) -> None:
    definition = jobs.define(*sh("exit 0"))
    ids = [jobs.submit(definition, jobName=f"listed-{n}") for n in range(5)]
    for job_id in ids:
        jobs.ended(job_id)
    pages = jobs.batch.get_paginator("list_jobs").paginate(
        jobQueue=jobs.queue,
        filters=[{"name": "JOB_NAME", "values": ["LISTED-*"]}],
        PaginationConfig={"PageSize": 2},
    )
    found = [job["jobId"] for page in pages for job in page["jobSummaryList"]]
    # Grouped by their names.
    assert found == ids
    succeeded = jobs.batch.list_jobs(jobQueue=jobs.queue, jobStatus="SUCCEEDED")
    assert set(ids) <= {job["jobId"] for job in succeeded["jobSummaryList"]}
    running = jobs.batch.list_jobs(jobQueue=jobs.queue)["jobSummaryList"]
    assert not set(ids) & {job["jobId"] for job in running}


def test_the_snapshot_of_a_queue_tells_of_waiting_jobs(jobs: Jobs) -> None:
    definition = jobs.define(*SLEEP)
    ids = [jobs.submit(definition) for _ in range(PLACES + 2)]
    front = jobs.batch.get_job_queue_snapshot(jobQueue=jobs.queue)["frontOfQueue"]["jobs"]
    assert [each["jobArn"].rpartition("/")[2] for each in front] == ids[PLACES:]


def test_jobs_of_another_region_are_not_seen(jobs: Jobs, local: LocalAws) -> None:
    job_id = jobs.submit(jobs.define(*sh("exit 0")))
    import boto3

    session = boto3.Session("local", "local", region_name="eu-west-1")
    elsewhere = session.client("batch", endpoint_url=local.endpoint_url)
    assert elsewhere.describe_jobs(jobs=[job_id])["jobs"] == []


# What is refused


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"jobName": "-x"}, "Job name"),
        ({"jobName": "x" * 129}, "Job name"),
        ({"jobQueue": "missing"}, "not found"),
        ({"jobDefinition": "missing"}, "not found"),
        ({"jobDefinition": "missing:3"}, "not found"),
        ({"timeout": {"attemptDurationSeconds": 59}}, "60"),
        ({"retryStrategy": {"attempts": 11}}, "between 1 and 10"),
        ({"retryStrategy": {"attempts": 2, "evaluateOnExit": [{"action": "GO"}]}}, "action"),
        ({"tags": {"aws:x": "y"}}, "tag"),
        ({"tags": {"x": "y" * 257}}, "tag"),
        ({"tags": {"x": "<y>"}}, "tag"),
        ({"parameters": {"a": "b" * 31_000}}, "30720"),
        ({"containerOverrides": {"command": ["x" * 8192]}}, "8192"),
        (
            {"containerOverrides": {"environment": [{"name": "AWS_BATCH_X", "value": "1"}]}},
            "AWS_BATCH",
        ),
        (
            {"containerOverrides": {"resourceRequirements": [{"type": "MEMORY", "value": "3"}]}},
            "at least 4",
        ),
        (
            {"containerOverrides": {"resourceRequirements": [{"type": "VCPU", "value": "0.5"}]}},
            "whole number",
        ),
        ({"dependsOn": [{"jobId": "missing"}]}, "not found"),
    ],
    ids=str,
)
def test_a_submission_beyond_the_limits_is_refused(
    jobs: Jobs, given: dict[str, Any], words: str
) -> None:
    definition = jobs.define(*sh("exit 0"))
    with pytest.raises(ClientError, match=words) as caught:
        jobs.submit(definition, **given)
    assert caught.value.response["Error"]["Code"] == "ClientException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_definitions_beyond_the_limits_are_refused(jobs: Jobs) -> None:
    with pytest.raises(ClientError, match="24576"):
        jobs.define("x" * 25_000)
    with pytest.raises(ClientError, match="Job definition name"):
        jobs.define("x", name="no spaces")
    with pytest.raises(ClientError, match="MEMORY"):
        jobs.define("x", container={"resourceRequirements": [{"type": "VCPU", "value": "1"}]})
    with pytest.raises(ClientError, match="60 seconds"):
        jobs.define("x", timeout={"attemptDurationSeconds": 10})


def test_a_description_has_at_most_100_ids(jobs: Jobs) -> None:
    assert jobs.batch.describe_jobs(jobs=["x"] * 100)["jobs"] == []
    with pytest.raises(ClientError, match="100"):
        jobs.batch.describe_jobs(jobs=["x"] * 101)


def test_a_disabled_queue_and_a_withdrawn_definition_take_no_jobs(jobs: Jobs) -> None:
    definition = jobs.define(*sh("exit 0"), name="withdrawn")
    jobs.batch.deregister_job_definition(jobDefinition=definition)
    with pytest.raises(ClientError, match="not found"):
        jobs.submit("withdrawn")
    definition = jobs.define(*sh("exit 0"))
    jobs.batch.update_job_queue(jobQueue=jobs.queue, state="DISABLED")
    try:
        with pytest.raises(ClientError, match="ENABLED"):
            jobs.submit(definition)
    finally:
        jobs.batch.update_job_queue(jobQueue=jobs.queue, state="ENABLED")


def test_a_reason_is_needed_and_bounded(jobs: Jobs) -> None:
    job_id = jobs.submit(jobs.define(*sh("exit 0")))
    for reason in ("", "x" * 256):
        with pytest.raises(ClientError, match="255"):
            jobs.batch.terminate_job(jobId=job_id, reason=reason)
