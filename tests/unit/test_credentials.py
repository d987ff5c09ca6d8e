"""Credentials and region: whatever is set on the machine, they are those that boto3 takes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import covalent as ct
import pytest
from covalent._shared_files.config import set_config
from covalent.executor import _executor_manager

from covalent_awsbatch_plugin import AWSBatchExecutor
from covalent_awsbatch_plugin.aws.calls.credentials import blocking_session, load_credentials
from covalent_awsbatch_plugin.aws.calls.session import Session
from covalent_awsbatch_plugin.errors import CredentialsFailed

# The same question to boto3 alone: which key, and which region?
BY_BOTO3 = """
import boto3, json, sys
session = boto3.Session(**json.loads(sys.argv[1]))
found = session.get_credentials()
keys = found.get_frozen_credentials() if found else None
print(json.dumps([keys and keys.access_key, session.region_name]))
"""

BY_US = """
import json
from covalent_awsbatch_plugin.cli.shared.account import access_of, connect
account = connect(access_of({}, {}))
print(json.dumps([account.session.get_credentials().access_key, account.region]))
"""

CREDENTIALS = """
[default]
aws_access_key_id = AKIAOFDEFAULT
aws_secret_access_key = x

[lab]
aws_access_key_id = AKIAOFLAB
aws_secret_access_key = x
"""

CONFIG = """
[default]
region = eu-west-1

[profile lab]
region = eu-west-2

[profile helper]
region = eu-west-3
credential_process = {helper}

[profile sso]
region = eu-south-1
sso_session = work
sso_account_id = 123456789012
sso_role_name = r

[sso-session work]
sso_region = eu-south-1
sso_start_url = https://work.example.org

[profile chain]
region = eu-north-1
role_arn = arn:aws:iam::123456789012:role/second
source_profile = role

[profile role]
region = eu-north-1
role_arn = arn:aws:iam::123456789012:role/r
source_profile = lab
"""


@dataclass
class Sts:
    """An STS that hands out keys, and keeps what it was asked: the action, the region signed."""

    url: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)


def _answer(action: str) -> str:
    body = (
        "<Account>123456789012</Account><Arn>arn:aws:iam::123456789012:user/u</Arn><UserId>u"
        "</UserId>"
        if action == "GetCallerIdentity"
        else f"<Credentials><AccessKeyId>ASIAOF{action.upper()}</AccessKeyId>"
        "<SecretAccessKey>x</SecretAccessKey><SessionToken>t</SessionToken>"
        "<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"
    )
    return f"<{action}Response><{action}Result>{body}</{action}Result></{action}Response>"


def _of_host(path: str) -> str:
    """Answer as what gives a container, an instance or a user of SSO their credentials."""
    end = {"Expiration": "2099-01-01T00:00:00Z", "Code": "Success"}
    keys = {"SecretAccessKey": "x", "Token": "t", **end}
    if path == "/container":
        return json.dumps({"AccessKeyId": "ASIAOFCONTAINER", **keys})
    if path.startswith("/latest/meta-data/iam/security-credentials/"):
        role = path.rpartition("/")[2]
        return json.dumps({"AccessKeyId": "ASIAOFINSTANCE", **keys}) if role else "role"
    if path.startswith("/federation/credentials"):
        sso = {"accessKeyId": "ASIAOFSSO", "secretAccessKey": "x", "sessionToken": "t"}
        return json.dumps({"roleCredentials": {**sso, "expiration": 4_070_908_800_000}})
    return "<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>"


@pytest.fixture
def sts() -> Iterator[Sts]:
    state = Sts()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            action = parse_qs(body)["Action"][0]
            signed = re.search(r"Credential=[^/]+/\d+/([\w-]+)/sts", str(self.headers))
            state.asked.append((action, signed[1] if signed else ""))
            self._reply(_answer(action))

        def do_GET(self) -> None:
            self._reply(_of_host(self.path))

        def do_PUT(self) -> None:
            # The token that an instance's metadata service wants back.
            self._reply("token")

        def _reply(self, text: str) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        state.url = f"http://127.0.0.1:{server.server_port}"
        yield state
        server.shutdown()
        thread.join()


@dataclass(frozen=True)
class Machine:
    """A home with AWS's files, and the environment of this process."""

    home: Path
    patch: pytest.MonkeyPatch

    @property
    def aws(self) -> Path:
        return self.home / ".aws"

    def write(self, name: str, text: str) -> Path:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    def helper(self, script: str) -> str:
        return f"{sys.executable} {self.write('helper.py', script)}"

    def set(self, **variables: str) -> None:
        for name, value in variables.items():
            self.patch.setenv(name, value.replace("~", str(self.home)))

    def boto3(self, **session: str) -> tuple[str | None, str | None]:
        ran = subprocess.run(
            [sys.executable, "-c", BY_BOTO3, json.dumps(session)],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        key, region = json.loads(ran.stdout)
        return key, region


HELPER = """
import json, pathlib
runs = pathlib.Path(__file__).with_suffix(".runs")
runs.write_text(runs.read_text() + "x" if runs.exists() else "x")
print(json.dumps({"Version": 1, "AccessKeyId": "AKIAOFHELPER", "SecretAccessKey": "x"}))
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    made = Machine(tmp_path, monkeypatch)
    made.write(".aws/credentials", CREDENTIALS)
    made.write(".aws/config", CONFIG.format(helper=made.helper(HELPER)))
    made.write("elsewhere", CREDENTIALS.replace("AKIAOF", "AKIAELSEWHERE"))
    made.write("token", "a token")
    login = {"accessToken": "t", "expiresAt": "2099-01-01T00:00:00Z"}
    session = hashlib.sha1(b"work").hexdigest()
    made.write(f".aws/sso/cache/{session}.json", json.dumps(login))
    return made


def ours(executor: AWSBatchExecutor) -> tuple[str | None, str]:
    """The key and the region that an executor uses."""
    found = load_credentials(blocking_session(executor.access))
    key = found.get_frozen_credentials().access_key if found else None
    return key, executor.access.region


KEYS = {"AWS_ACCESS_KEY_ID": "AKIAOFENVIRONMENT", "AWS_SECRET_ACCESS_KEY": "x"}
IDENTITY = {
    "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/r",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "~/token",
}

# Stands in a row for the URL of the service of the test.
SERVICE = "SERVICE"

# The rows of the table in docs/how-to/configuration.md.
ENVIRONMENTS: dict[str, dict[str, str]] = {
    "nothing": {},
    "AWS_ACCESS_KEY_ID": KEYS,
    "AWS_ACCESS_KEY_ID and AWS_PROFILE": {**KEYS, "AWS_PROFILE": "lab"},
    "AWS_PROFILE": {"AWS_PROFILE": "lab"},
    "AWS_DEFAULT_PROFILE": {"AWS_DEFAULT_PROFILE": "lab"},
    "AWS_SHARED_CREDENTIALS_FILE": {"AWS_SHARED_CREDENTIALS_FILE": "~/elsewhere"},
    "AWS_CONFIG_FILE": {"AWS_CONFIG_FILE": "~/nowhere"},
    "AWS_DEFAULT_REGION": {"AWS_DEFAULT_REGION": "ca-central-1"},
    "AWS_DEFAULT_REGION and AWS_PROFILE": {
        "AWS_DEFAULT_REGION": "sa-east-1",
        "AWS_PROFILE": "lab",
    },
    "credential_process": {"AWS_PROFILE": "helper"},
    "role_arn": {"AWS_PROFILE": "role"},
    "role_arn of a profile with a role_arn": {"AWS_PROFILE": "chain"},
    "the role of the container": {
        "AWS_SHARED_CREDENTIALS_FILE": "~/nowhere",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{SERVICE}/container",
    },
    "the role of the instance": {
        "AWS_SHARED_CREDENTIALS_FILE": "~/nowhere",
        "AWS_EC2_METADATA_DISABLED": "false",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": SERVICE,
    },
    "AWS_WEB_IDENTITY_TOKEN_FILE": {"AWS_SHARED_CREDENTIALS_FILE": "~/nowhere", **IDENTITY},
    "no credentials at all": {"AWS_SHARED_CREDENTIALS_FILE": "~/nowhere"},
}


@pytest.mark.parametrize("row", ENVIRONMENTS)
def test_what_the_user_leaves_open_is_as_boto3_does_it(
    row: str, machine: Machine, sts: Sts
) -> None:
    variables = {k: v.replace(SERVICE, sts.url) for k, v in ENVIRONMENTS[row].items()}
    machine.set(**variables, AWS_ENDPOINT_URL_STS=sts.url)
    key, region = machine.boto3()
    assert (key is None) == (row == "no credentials at all")
    expected = key, region or "us-east-1"
    assert ours(AWSBatchExecutor()) == expected
    # As Covalent's server makes it: with all that Covalent wrote to its configuration.
    assert ours(_executor_manager.get_executor("awsbatch")) == expected


def test_a_session_of_sso_is_found(machine: Machine, sts: Sts) -> None:
    """In a process of ours: botocore notes the home at its import, and looks there."""
    machine.set(AWS_PROFILE="sso", AWS_ENDPOINT_URL_SSO=sts.url)
    ran = subprocess.run(
        [sys.executable, "-c", BY_US], capture_output=True, text=True, check=True, timeout=60
    )
    ours = tuple(json.loads(ran.stdout.splitlines()[-1]))
    assert ours == machine.boto3() == ("ASIAOFSSO", "eu-south-1")


@pytest.mark.parametrize("environment", [{}, KEYS, {"AWS_PROFILE": "helper"}])
def test_options_of_the_user_win(environment: dict[str, str], machine: Machine, sts: Sts) -> None:
    machine.set(**environment, AWS_ENDPOINT_URL_STS=sts.url)
    for profile in ("lab", "default", "helper", "role"):
        assert ours(AWSBatchExecutor(profile=profile)) == machine.boto3(profile_name=profile)
    elsewhere = AWSBatchExecutor(credentials=str(machine.home / "elsewhere"), profile="lab")
    assert ours(elsewhere) == ("AKIAELSEWHERELAB", "eu-west-2")
    for region in ("us-east-1", "eu-central-1"):
        assert AWSBatchExecutor(region=region).access.region == region
    both = AWSBatchExecutor(profile="lab", region="us-east-1")
    assert ours(both) == machine.boto3(profile_name="lab", region_name="us-east-1")


def test_a_credentials_file_wins_over_keys_in_the_environment(machine: Machine) -> None:
    machine.set(**KEYS)
    executor = AWSBatchExecutor(credentials=str(machine.home / "elsewhere"))
    assert ours(executor) == ("AKIAELSEWHEREDEFAULT", "eu-west-1")
    machine.set(AWS_PROFILE="lab")
    assert ours(executor) == ("AKIAELSEWHERELAB", "eu-west-2")
    assert AWSBatchExecutor(credentials="~/.aws/credentials").access.credentials_file


def test_aws_region_as_other_sdks_and_the_command_line_read_it(machine: Machine) -> None:
    """boto3 alone ignores the variable; where both are set, AWS's command line takes it."""
    machine.set(AWS_DEFAULT_REGION="sa-east-1", AWS_REGION="ca-central-1")
    assert AWSBatchExecutor().access.region == "ca-central-1"


def test_a_changed_profile_is_seen(machine: Machine) -> None:
    assert AWSBatchExecutor().access.region == "eu-west-1"
    machine.write(".aws/config", "[default]\nregion = ap-southeast-2\n")
    assert AWSBatchExecutor().access.region == "ap-southeast-2"


@pytest.fixture
def configured() -> Iterator[dict[str, Any]]:
    section = ct.get_config("executors.awsbatch")
    before = dict(section)
    yield section
    set_config({f"executors.awsbatch.{key}": value for key, value in before.items()})


def test_what_deploy_wrote_is_a_choice_and_what_covalent_wrote_is_none(
    machine: Machine, configured: dict[str, Any]
) -> None:
    machine.set(AWS_REGION="ca-central-1")
    assert _executor_manager.get_executor("awsbatch").access.region == "ca-central-1"
    set_config({"executors.awsbatch.s3_bucket_name": "covalent-batch-job-resources-1-us-east-1"})
    by_name = _executor_manager.get_executor("awsbatch")
    assert by_name.access.region == AWSBatchExecutor().access.region == "us-east-1"
    assert by_name.access.profile == by_name.access.credentials_file == ""
    # Release 0.42 wrote the whole path.
    set_config({"executors.awsbatch.credentials": str(machine.aws / "credentials")})
    assert _executor_manager.get_executor("awsbatch").access.credentials_file == ""


def test_a_choice_travels_to_the_server(machine: Machine) -> None:
    sent = json.loads(json.dumps(AWSBatchExecutor(region="us-east-1").to_dict()))
    machine.set(AWS_REGION="ca-central-1")
    received = _executor_manager.get_executor("awsbatch").from_dict(sent)
    assert received.access.region == "us-east-1"
    undecided = json.loads(json.dumps(AWSBatchExecutor().to_dict()))
    assert (
        AWSBatchExecutor(region="us-east-1").from_dict(undecided).access.region == "ca-central-1"
    )


# ---- Roles and helpers


async def use(session: Session) -> None:
    """Use a session as a task does: asynchronous calls of several services, and a transfer."""
    await session.identity()
    await session.call("s3", "list_buckets")
    await session.transfer("list_buckets", {}, lambda s3, owner: s3.list_buckets())
    await session.close()


async def test_a_role_is_assumed_once_at_the_regions_endpoint(machine: Machine, sts: Sts) -> None:
    machine.set(AWS_PROFILE="role", AWS_ENDPOINT_URL=sts.url)
    await use(Session(AWSBatchExecutor().access))
    assert sts.asked == [("AssumeRole", "eu-north-1"), ("GetCallerIdentity", "eu-north-1")]


async def test_a_helper_runs_once(machine: Machine, sts: Sts) -> None:
    machine.set(AWS_PROFILE="helper", AWS_ENDPOINT_URL=sts.url)
    await use(Session(AWSBatchExecutor().access))
    assert (machine.home / "helper.runs").read_text() == "x"


BROKEN = {
    "no such program": ("credential_process = /nowhere/helper", "FileNotFoundError"),
    "no JSON": ("credential_process = echo hello", "JSONDecodeError"),
    "an exit code": ("credential_process = false", "custom-process"),
    "MFA": (
        "role_arn = arn:aws:iam::123456789012:role/r\nsource_profile = lab\nmfa_serial = arn",
        "needs an MFA code, and there is no terminal",
    ),
    "an endless chain": (
        "role_arn = arn:aws:iam::123456789012:role/r\nsource_profile = nowhere",
        "nowhere",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
async def test_whatever_a_helper_does_is_explained(fault: str, machine: Machine) -> None:
    settings, cause = BROKEN[fault]
    machine.write(".aws/config", f"[profile broken]\nregion = eu-west-1\n{settings}\n")
    executor = AWSBatchExecutor(profile="broken")
    with pytest.raises(CredentialsFailed, match=cause) as caught:
        await executor._validate_credentials()
    assert caught.value.advice
    assert caught.value.__cause__ is None or caught.value.__cause__ is not caught.value
    with pytest.raises(CredentialsFailed, match=cause) as caught:
        # Which first has to ask who we are.
        await Session(executor.access).call("s3", "list_buckets", owned=True)
    assert caught.value.__cause__ is not caught.value


@pytest.mark.parametrize("name", ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"])
async def test_a_profile_of_the_environment_that_does_not_exist(
    name: str, machine: Machine
) -> None:
    machine.set(**{name: "absent"})
    with pytest.raises(CredentialsFailed, match="absent"):
        await AWSBatchExecutor()._validate_credentials()


async def test_a_file_of_aws_that_cannot_be_read(machine: Machine) -> None:
    machine.write(".aws/config", "not a section\n")
    with pytest.raises(CredentialsFailed, match=r"\.aws/config"):
        await AWSBatchExecutor()._validate_credentials()
