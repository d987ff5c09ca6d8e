"""``covalent deploy up|status|down awsbatch``: Terraform over the same template."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import toml

from covalent_awsbatch_plugin.cli.deployment.plan import PARAMETERS
from covalent_awsbatch_plugin.cli.deployment.stack import OUTPUT_KEYS, stack_name
from covalent_awsbatch_plugin.options.covalent_deploy import (
    ExecutorInfraDefaults,
    ExecutorPluginDefaults,
)
from covalent_awsbatch_plugin.options.table import OPTIONS

from .command import Aws

INFRA = Path(str(files("covalent_awsbatch_plugin"))) / "assets" / "infra"
OPTIONS = [option.name for option in OPTIONS if option.kind is not dict]

# A folder with the AWS provider, laid out as a file system mirror, for machines without a network.
MIRROR = "COVALENT_AWSBATCH_TEST_TERRAFORM_MIRROR"


def variables() -> dict[str, Any]:
    """Return the variables' defaults."""
    text = (INFRA / "variables.tf").read_text("utf-8")
    found = re.findall(r'variable "(\w+)" \{[^}]*?default += (\S.*)\n', text)
    return {name: toml.loads(f"x = {value}")["x"] for name, value in found}


def test_the_defaults_are_the_models_defaults() -> None:
    infra, plugin = ExecutorInfraDefaults().model_dump(), ExecutorPluginDefaults().model_dump()
    resources = {*OUTPUT_KEYS.values()} - {"region"}
    expected = {**infra, **{k: v for k, v in plugin.items() if k not in resources}}
    assert variables() == expected


def test_the_stack_gets_every_parameter() -> None:
    text = (INFRA / "main.tf").read_text("utf-8")
    block = re.search(r"parameters = \{(.*?)\}", text, re.DOTALL)
    assert block is not None
    assert set(re.findall(r"(\w+) +=", block[1])) == set(PARAMETERS)


def test_covalent_is_told_every_option() -> None:
    text = (INFRA / "configuration.tf").read_text("utf-8")
    block = re.search(r"options = \{(.*?)\n  \}", text, re.DOTALL)
    assert block is not None
    assert re.findall(r"^ +(\w+) +=", block[1], re.MULTILINE) == sorted(
        OPTIONS, key=lambda name: block[1].index(f" {name} ")
    )


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a ``terraform`` that Covalent can run, and the rest of what it needs.

    Covalent gives Terraform no environment but PATH, and takes 1.10 and later for 1.1, so a
    script stands between them.
    """
    terraform = shutil.which("terraform")
    if terraform is None or not (shutil.which("git") and shutil.which("sh")):
        pytest.skip("needs terraform and git on the PATH")
    folder = tmp_path_factory.mktemp("tools")
    configuration = _cli_configuration(folder)
    script = folder / "terraform"
    script.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = --version ]; then echo Terraform v1.9.8; exit; fi\n'
        f'{configuration}exec "{terraform}" "$@"\n'
    )
    docker = folder / "docker"
    docker.write_text("#!/bin/sh\nexit 1\n")
    for file in (script, docker):
        file.chmod(0o755)
    return folder


def _cli_configuration(folder: Path) -> str:
    """Return the line that makes Terraform find the AWS provider."""
    mirror = os.environ.get(MIRROR)
    if mirror:
        file = folder / "terraformrc"
        file.write_text(
            f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n'
        )
        return f'export TF_CLI_CONFIG_FILE="{file}"\n'
    given = os.environ.get("TF_CLI_CONFIG_FILE", "")
    if not os.path.exists(given):
        pytest.skip(f"needs Terraform's AWS provider: set {MIRROR} or TF_CLI_CONFIG_FILE")
    return f'export TF_CLI_CONFIG_FILE="{given}"\n'


class Covalent:
    """Covalent's command line on a copy of this package: it writes into the package's folder."""

    def __init__(self, home: Path, tools: Path) -> None:
        self.home = home
        self.package = home / "packages" / "covalent_awsbatch_plugin"
        shutil.copytree(
            files("covalent_awsbatch_plugin"),
            self.package,
            ignore=shutil.ignore_patterns("__pycache__", ".terraform*", "*.tfstate*"),
        )
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "TF_"))},
            "HOME": str(home),
            "COVALENT_CONFIG_DIR": str(home / "covalent"),
            "PYTHONPATH": str(self.package.parent),
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "COLUMNS": "200",
        }

    def deploy(self, *arguments: str) -> str:
        code = "from covalent_dispatcher._cli.cli import cli; cli(prog_name='covalent')"
        done = subprocess.run(
            [sys.executable, "-c", code, "deploy", *arguments],
            env=self.environment,
            # Python looks into the current folder first.
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def section(self) -> dict[str, Any]:
        content = toml.load(self.home / "covalent" / "covalent.conf")
        return dict(content["executors"]["awsbatch"])


def test_covalent_deploys_and_removes_the_stack(aws: Aws, tools: Path, tmp_path: Path) -> None:
    covalent = Covalent(tmp_path, tools)
    prefix = "terra"
    covalent.deploy(
        "up",
        "awsbatch",
        f"--prefix={prefix}",
        "--max_vcpus=64",
        "--vcpu=4",
        f"--endpoint_url={aws.endpoint_url}",
        f"--credentials={aws.credentials_file}",
    )
    assert (covalent.package / "assets" / "infra" / "awsbatch.conf").exists()
    section = covalent.section()
    assert section["batch_queue"] == f"{prefix}-batch-queue"
    assert section["s3_bucket_name"].startswith(f"{prefix}-batch-job-resources-")
    assert (section["vcpu"], section["endpoint_url"]) == (4, aws.endpoint_url)
    assert set(OPTIONS) <= set(section)
    assert "Provisioned Resources" in covalent.deploy("status", "awsbatch")

    described = aws.client("cloudformation").describe_stacks(StackName=stack_name(prefix))
    parameters = {
        p["ParameterKey"]: p["ParameterValue"] for p in described["Stacks"][0]["Parameters"]
    }
    assert parameters["MaxvCpus"] == "64"

    covalent.deploy("down", "awsbatch")
    names = [s["StackName"] for s in aws.client("cloudformation").describe_stacks()["Stacks"]]
    assert stack_name(prefix) not in names
    assert "No infrastructure" in covalent.deploy("status", "awsbatch")
    assert not (covalent.package / "assets" / "infra" / "awsbatch.conf").exists()
