"""From AWS's words to the error that the user sees: one rule each, and no guess beyond them."""

from __future__ import annotations

import string
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from covalent_awsbatch_plugin import errors
from covalent_awsbatch_plugin.aws.model.description import Attempt, JobDescription, parse_job
from covalent_awsbatch_plugin.aws.model.task import was_cancelled
from covalent_awsbatch_plugin.failures.diagnosis import diagnose
from covalent_awsbatch_plugin.failures.evidence import Case
from covalent_awsbatch_plugin.failures.rules import RULES, Rule
from covalent_awsbatch_plugin.protocol.messages import KILLED, RAISED, RETURNED, Outcome

EXITED = "Essential container in task exited"
NOT_STARTED = "Task failed to start"
GB = 2**30


def ended(status_reason: str = EXITED, reason: str = "", **known) -> JobDescription:
    """Return a failed job of one attempt."""
    job = JobDescription("j", "FAILED", status_reason, reason, log_group="g", image="i")
    job = replace(job, **known)
    attempt = Attempt(job.exit_code, job.reason, job.status_reason)
    return replace(job, attempts=(attempt,))


def error_of(job: JobDescription | None, outcome: Outcome | None = None, log=(), **known):
    case = Case("j", job, outcome, memory=4.0, time_limit=300, python="3.11", bucket="b")
    return diagnose(replace(case, logs={"s": list(log)}, **known))


def killed(code: int, peak: float = 0.0) -> Outcome:
    return Outcome(KILLED, exit_code=code, error="It was ended", peak_memory=int(peak * GB))


@pytest.mark.parametrize("rule", RULES, ids=[rule.title for rule in RULES])
def test_every_rule_is_the_first_that_applies_to_its_own_example(rule: Rule):
    status_reason, reason = rule.example
    code = rule.exit_codes[0] if rule.exit_codes else None
    job = ended(status_reason, reason, exit_code=code, status=rule.status)
    applying = [
        each
        for each in RULES
        if each.match(f"{status_reason}\n{reason}", rule.example_log, code) is not None
    ]
    assert applying[0] is rule
    error = error_of(job, log=[rule.example_log])
    assert type(error) is rule.error
    assert "{" not in error.detail + error.advice


def test_titles_of_rules_are_unique():
    assert len({rule.title for rule in RULES}) == len(RULES)


# The words of AWS that were reported or documented, and what they must lead to.
WORDS = {
    "role": (
        ended("ECS was unable to assume the role 'arn:aws:iam::1:role/x' that was provided"),
        errors.RoleNotAssumed,
        ["arn:aws:iam::1:role/x", "ecs-tasks.amazonaws.com"],
    ),
    "log group missing": (
        ended(NOT_STARTED, "CannotStartContainerError: failed to initialize logging driver: "
        "failed to create Cloudwatch log stream: ResourceNotFoundException: no group"),
        errors.LogUnavailable,
        ["batch_job_log_group_name="],
    ),
    "log stream denied": (
        ended(NOT_STARTED, "CannotStartContainerError: Error: failed to initialize logging "
        "driver: failed to create Cloudwatch log stream: AccessDeniedException: no"),
        errors.LogUnavailable,
        ["logs:CreateLogStream"],
    ),
    "log not reached": (
        ended(NOT_STARTED, "CannotStartContainerError: failed to initialize logging driver: "
        "dial tcp 10.0.0.1:443: i/o timeout"),
        errors.LogUnavailable,
        ["com.amazonaws.eu-west-1.logs"],
    ),
    "secret": (
        ended(NOT_STARTED, "ResourceInitializationError: unable to pull secrets or registry "
        "auth: unable to retrieve secret from asm: AccessDeniedException: no"),
        errors.SecretsUnavailable,
        ["secretsmanager:GetSecretValue", "ssm:GetParameters", "kms:Decrypt"],
    ),
    "registry's rate": (
        ended(NOT_STARTED, "CannotPullContainerError: toomanyrequests: You have reached your "
        "pull rate limit"),
        errors.ImageFailed,
        ["retry_attempts=", "ECR"],
    ),
    "registry's rate, 429": (
        ended(NOT_STARTED, "CannotPullImageManifestError: httpReadSeeker: unexpected status "
        "code https://public.ecr.aws/v2/x: 429 Too Many Requests"),
        errors.ImageFailed,
        ["for its rate"],
    ),
    "driver": (
        ended(NOT_STARTED, "CannotStartContainerError: nvidia-container-cli: requirement error: "
        "unsatisfied condition: cuda>=12.8, please update your driver"),
        errors.ImageFailed,
        ["older CUDA", "newer AMI"],
    ),
    "disk": (
        ended(NOT_STARTED, "CannotCreateContainerError: mkdir /var/lib/docker/overlay2/x: no "
        "space left on device"),
        errors.DiskFull,
        ["disk"],
    ),
    "secret of ssm": (
        ended(NOT_STARTED, "ResourceInitializationError: unable to pull secrets or registry auth: "
        "execution resource retrieval failed: unable to retrieve secrets from ssm: context "
        "deadline exceeded"),
        errors.SecretsUnavailable,
        ["ssm:GetParameters"],
    ),
    "registry's credentials not reached": (
        ended(NOT_STARTED, "ResourceInitializationError: unable to pull secrets or registry auth: "
        "execution resource retrieval failed: unable to retrieve ecr registry auth: service call "
        "has been retried 3 time(s): RequestError: send request failed caused by: Post "
        "https://api.ecr.us-east-1.amazonaws.com/: dial tcp 10.0.0.1:443: i/o timeout"),
        errors.ImageFailed,
        ["did not reach the registry"],
    ),
    "registry's credentials denied": (
        ended(NOT_STARTED, "ResourceInitializationError: unable to pull secrets or registry auth: "
        "unable to retrieve ecr registry auth: AccessDeniedException: User: arn:aws:sts::1:"
        "assumed-role/x is not authorized to perform: ecr:GetAuthorizationToken"),
        errors.ImageFailed,
        ["ecr:GetAuthorizationToken"],
    ),
    "registry not reached in time": (
        ended(NOT_STARTED, "CannotPullContainerError: Error response from daemon: Get https://"
        "registry-1.docker.io/v2/: net/http: request canceled while waiting for connection "
        "(Client.Timeout exceeded while awaiting headers)"),
        errors.ImageFailed,
        ["did not reach the registry"],
    ),
    "image not there": (
        ended(NOT_STARTED, "CannotPullContainerError: Error response from daemon: manifest for "
        "x:1 not found: manifest unknown: Requested image not found"),
        errors.ImageFailed,
        ["there is no such image"],
    ),
    "registry's certificate": (
        ended(NOT_STARTED, "CannotPullContainerError: Error response from daemon: Get https://"
        "r.example/v2/: x509: certificate signed by unknown authority"),
        errors.ImageFailed,
        ["the host has a way to the registry", "x509"],
    ),
    "log without credentials": (
        ended(NOT_STARTED, "CannotStartContainerError: Error response from daemon: failed to "
        "initialize logging driver: failed to create Cloudwatch log stream: "
        "NoCredentialProviders: no valid providers in chain."),
        errors.LogUnavailable,
        ["batch_execution_role_name="],
    ),
    "no driver at all": (
        ended(NOT_STARTED, "CannotStartContainerError: Error response from daemon: OCI runtime "
        "create failed: nvidia-container-cli: initialization error: load library failed: "
        "libnvidia-ml.so.1: cannot open shared object file"),
        errors.ContainerFailed,
        ["libnvidia-ml.so.1"],
    ),
    "device": (
        ended(NOT_STARTED, "CannotStartContainerError: Error response from daemon: error "
        'gathering device information while adding custom device "/dev/x": no such file or '
        "directory"),
        errors.ContainerFailed,
        ["container_properties=", "/dev/x"],
    ),
    "service role": (
        ended("MISCONFIGURATION:SERVICE_ROLE_PERMISSIONS - Batch service role has a permission "
        "issue.", status="RUNNABLE"),
        errors.NeverStarted,
        ["AWSServiceRoleForBatch"],
    ),
    "JobStateTimeLimit": (
        ended("Canceled by JobStateTimeLimit action due to reason: CAPACITY:INSUFFICIENT_"
        "INSTANCE_CAPACITY", terminated=True),
        errors.NeverStarted,
        ["more instance types"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WORDS)
def test_what_failures_look_like(what):
    job, error, texts = WORDS[what]
    diagnosed = error_of(job, region="eu-west-1")
    assert type(diagnosed) is error
    for text in texts:
        assert text in str(diagnosed)


def test_a_lost_host_comes_before_the_signal_that_the_worker_saw():
    job = ended("Host EC2 (instance i-0) terminated.", exit_code=None)
    assert type(error_of(job, killed(143))) is errors.HostLost


def test_a_termination_comes_before_exit_code_137():
    job = ended("enough", exit_code=137, terminated=True)
    for outcome in (None, killed(137), killed(137, peak=3.9)):
        error = error_of(job, outcome)
        assert type(error) is errors.JobTerminated
        assert "enough" in str(error)


@pytest.mark.parametrize("flag", ["isTerminated", "isCancelled", "neither"])
def test_covalent_s_own_reason_is_proof_of_a_cancellation(flag):
    described = {
        "jobId": "j",
        "status": "FAILED",
        "statusReason": "Cancelled by Covalent: dispatch d, node 1",
        "container": {"exitCode": 137},
        flag: True,
    }
    job = parse_job(described)
    assert was_cancelled(job)
    assert type(error_of(job)) is errors.JobTerminated


@pytest.mark.parametrize(
    ("reason", "peak", "error"),
    [
        ("", 0.06, errors.TaskKilled),
        ("", 2.0, errors.TaskKilled),
        ("", 3.9, errors.OutOfMemory),
        ("OutOfMemoryError: Container killed due to memory usage", 0.06, errors.OutOfMemory),
    ],
)
def test_sigkill_is_a_lack_of_memory_only_where_memory_was_it(reason, peak, error):
    diagnosed = error_of(ended(EXITED, reason, exit_code=137), killed(137, peak))
    assert type(diagnosed) is error
    assert f"{peak:.2f} " in diagnosed.detail


def test_a_reason_that_comes_with_sigkill_is_quoted():
    error = error_of(ended("stopped for the night", exit_code=137))
    assert "'stopped for the night', and exit code 137" in error.detail
    assert "no reason" not in str(error)


@pytest.mark.parametrize("reason", [EXITED, ""])
def test_sigkill_without_a_reason_is_said_to_have_none(reason):
    assert "no reason" in error_of(ended(reason, exit_code=137)).detail


def test_sigkill_without_an_outcome_does_not_guess():
    error = error_of(ended(exit_code=137))
    assert type(error) is errors.TaskKilled
    assert "SIGKILL" in str(error)


@pytest.mark.parametrize("action", ["kms:Decrypt", "kms:GenerateDataKey"])
@pytest.mark.parametrize("code", [200, 212, 215])
def test_a_denied_kms_key_is_named(action, code):
    line = f"covalent-awsbatch: AccessDenied: User is not authorized to perform: {action}"
    error = error_of(ended(exit_code=code), log=[line])
    assert type(error) is errors.NotPermitted
    assert "kms:Decrypt and kms:GenerateDataKey" in str(error)


def test_an_outcome_that_could_not_be_stored_is_not_called_a_bad_start():
    error = error_of(ended(exit_code=215), log=["the outcome could not be stored: SlowDown"])
    assert type(error) is errors.OutcomeNotStored
    assert "The task ran" in str(error)


@pytest.mark.parametrize(
    ("status_reason", "reason", "code"),
    [
        ("A reason that is new", "", None),
        (EXITED, "", 3),
        (NOT_STARTED, "SomethingNewError: no idea", None),
        ("", "", None),
    ],
)
def test_words_that_no_rule_knows_are_quoted_without_a_guess(status_reason, reason, code):
    error = error_of(ended(status_reason, reason, exit_code=code))
    assert type(error) is errors.OutcomeMissing
    for text in (status_reason, reason, "" if code is None else f"exit code {code}"):
        assert text in error.detail
    assert "ENTRYPOINT" not in str(error)
    assert "may have" not in str(error)


HEX = st.text("0123456789abcdef", min_size=64, max_size=64)
WORD = st.text(string.ascii_letters + " .:/-", max_size=60)
PARTS = [part for rule in RULES for part in rule.example if part and part not in (EXITED, "")]


@given(digest=HEX, account=st.from_regex(r"[0-9]{12}", fullmatch=True))
@example(digest="429" * 21 + "f", account="429403429403")
def test_numbers_in_names_are_no_status_codes(digest: str, account: str):
    image = f"{account}.dkr.ecr.us-east-1.amazonaws.com/x{digest[:8]}@sha256:{digest}"
    error = error_of(ended(NOT_STARTED, f"CannotPullContainerError: {image}: invalid checksum"))
    assert type(error) is errors.ImageFailed
    assert "rate" not in error.detail
    assert "denied" not in error.detail


@given(st.sampled_from(PARTS), WORD.filter(lambda text: text.strip(" .:/-")))
def test_a_person_s_words_are_theirs_whatever_they_quote(part: str, before: str):
    reason = f"for {before}: {part}"
    error = error_of(ended(reason, exit_code=137, terminated=True))
    assert type(error) is errors.JobTerminated
    assert reason in error.detail


@given(WORD, WORD, st.one_of(st.none(), st.integers(1, 199).filter(lambda code: code != 137)))
def test_random_words_are_quoted(status_reason: str, reason: str, code: int | None):
    error = error_of(ended(f"New{status_reason}", f"New{reason}", exit_code=code))
    assert type(error) is errors.OutcomeMissing
    assert f"New{status_reason}" in error.detail
    assert f"New{reason}" in error.detail


@given(st.sampled_from(PARTS), st.sampled_from(PARTS))
def test_two_known_reasons_end_in_one_known_error(first: str, second: str):
    known = {rule.error for rule in RULES}
    error = error_of(ended(first, second))
    assert type(error) in known
    assert second in str(error)


def test_what_the_task_did_comes_before_everything():
    assert error_of(ended("Host EC2 (instance i-0) terminated."), Outcome(RETURNED)) is None
    raised = Outcome(RAISED, error="ValueError: no")
    assert type(error_of(ended("Host EC2 (instance i-0) terminated."), raised)) is (
        errors.TaskRaised
    )


def test_a_module_that_is_missing_comes_with_what_to_do():
    raised = Outcome(RAISED, error="ModuleNotFoundError: No module named 'x'")
    text = str(error_of(ended(exit_code=1), raised))
    assert all(word in text for word in ("deps_pip=", "deps_module=", "register_pickle_by_value"))
