"""Variables and files of AWS's SDK that change how a client calls: ours are as boto3's are."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES

from covalent_awsbatch_plugin import AWSBatchExecutor
from covalent_awsbatch_plugin.aws.calls.clients import Clients
from covalent_awsbatch_plugin.cli.shared.account import access_of, connect

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "configuration.md"
SERVICES = ("batch", "s3", "logs", "sts")

# What of a client the variables decide.
SHOWN = """
def shown(client):
    config = client.meta.config
    return [
        client.meta.endpoint_url,
        client.meta.region_name,
        bool(config.use_fips_endpoint),
        bool(config.use_dualstack_endpoint),
        str(client._endpoint.http_session._verify),
        config.user_agent_appid,
        config.request_checksum_calculation,
        config.response_checksum_validation,
    ]
"""

BY_BOTO3 = f"""
import boto3, json, sys
{SHOWN}
session = boto3.Session(region_name=sys.argv[1])
print(json.dumps({{service: shown(session.client(service)) for service in sys.argv[2:]}}))
"""

ROWS: Mapping[str, Mapping[str, str]] = {
    "none": {},
    "AWS_ENDPOINT_URL": {"AWS_ENDPOINT_URL": "http://127.0.0.1:9000"},
    "AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_S3": {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9000",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9001",
    },
    "AWS_ENDPOINT_URL, ignored": {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9000",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    },
    "AWS_ENDPOINT_URL_S3": {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9000"},
    "AWS_ENDPOINT_URL_BATCH": {"AWS_ENDPOINT_URL_BATCH": "https://batch.example.org"},
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": {
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9000",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    },
    "endpoint_url of a profile's services": {"AWS_PROFILE": "elsewhere"},
    "AWS_USE_FIPS_ENDPOINT": {"AWS_USE_FIPS_ENDPOINT": "true"},
    "AWS_USE_DUALSTACK_ENDPOINT": {"AWS_USE_DUALSTACK_ENDPOINT": "true"},
    "AWS_CA_BUNDLE": {"AWS_CA_BUNDLE": "~/bundle.pem"},
    "AWS_STS_REGIONAL_ENDPOINTS": {"AWS_STS_REGIONAL_ENDPOINTS": "legacy"},
    "AWS_SDK_UA_APP_ID": {"AWS_SDK_UA_APP_ID": "research"},
    "AWS_REQUEST_CHECKSUM_CALCULATION": {
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
    },
}

CONFIG = """
[profile elsewhere]
services = mine
[services mine]
s3 =
  endpoint_url = http://127.0.0.1:9001
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    keys = {"AWS_ACCESS_KEY_ID": "AKIAOFENVIRONMENT", "AWS_SECRET_ACCESS_KEY": "x"}
    variables = {**keys, "HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text(CONFIG)
    (tmp_path / "bundle.pem").write_bytes(Path(_bundle()).read_bytes())
    return tmp_path


def _bundle() -> str:
    import certifi

    return certifi.where()


def by_boto3(region: str) -> dict[str, Any]:
    ran = subprocess.run(
        [sys.executable, "-c", BY_BOTO3, region, *SERVICES],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return dict(json.loads(ran.stdout))


def shown(client: Any) -> list[Any]:
    """What boto3 shows of its own client, of ours."""
    scope: dict[str, Any] = {}
    exec(SHOWN, scope)
    return list(scope["shown"](client))


@pytest.mark.parametrize("row", ROWS)
def test_clients_of_commands_are_as_boto3s(
    row: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ROWS[row].items():
        monkeypatch.setenv(name, value.replace("~", str(home)))
    account = connect(access_of({}, {}))
    ours = {service: shown(account.client(service)) for service in SERVICES}
    assert ours == by_boto3(account.region)


@pytest.mark.parametrize("row", ROWS)
async def test_clients_of_the_executor_are_as_boto3s(
    row: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ROWS[row].items():
        monkeypatch.setenv(name, value.replace("~", str(home)))
    access = AWSBatchExecutor().access
    ours = {}
    with ThreadPoolExecutor(1) as threads:
        clients = Clients(access, threads)
        for service in SERVICES:
            async with clients.use(service) as client:
                ours[service] = [client.meta.endpoint_url, *shown_of_async(client)]
        await clients.close()
    theirs = {name: [s[0], *s[1:4], *s[5:]] for name, s in by_boto3(access.region).items()}
    assert ours == theirs


def shown_of_async(client: Any) -> list[Any]:
    config = client.meta.config
    return [
        client.meta.region_name,
        bool(config.use_fips_endpoint),
        bool(config.use_dualstack_endpoint),
        config.user_agent_appid,
        config.request_checksum_calculation,
        config.response_checksum_validation,
    ]


def test_the_documentation_has_every_variable_of_botocore() -> None:
    named = set(re.findall(r"`((?:AWS|BOTOCORE)_[A-Z0-9_]+)`", PAGE.read_text("utf-8")))
    variables = {
        variable
        for _, variables, *_ in BOTOCORE_DEFAUT_SESSION_VARIABLES.values()
        for variable in ([variables] if isinstance(variables, str) else variables or ())
    }
    assert variables - named == set()
