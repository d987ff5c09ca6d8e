"""The configuration file before and after: nothing of the user's is lost."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest
import toml
from filelock import FileLock

from covalent_awsbatch_plugin.cli.shared import configuration
from covalent_awsbatch_plugin.cli.shared.errors import Refusal
from covalent_awsbatch_plugin.errors import InvalidOptions
from covalent_awsbatch_plugin.options import resolution

from .command import CommandLine

USERS = """
[dispatcher]
port = 31234
address = "localhost"

[executors.dask]
workdir = "/somewhere"

[executors.awsbatch]
vcpu = 4
batch_queue = "old-queue"
region = "eu-west-1"

[executors.awsbatch.tags]
team = "chemistry"
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COVALENT_CONFIG_DIR", str(tmp_path))
    return tmp_path / "covalent.conf"


def test_other_keys_and_sections_stay(path: Path) -> None:
    path.write_text(USERS, "utf-8")
    before = toml.loads(USERS)
    configuration.write_section({"batch_queue": "new-queue", "s3_bucket_name": "b"})
    after = toml.load(path)
    changed = after["executors"]["awsbatch"]
    assert changed.pop("batch_queue") == "new-queue"
    assert changed.pop("s3_bucket_name") == "b"
    before["executors"]["awsbatch"].pop("batch_queue")
    assert after == before


def test_the_backup_is_the_file_as_it_was(path: Path) -> None:
    path.write_text(USERS, "utf-8")
    backup = configuration.write_section({"batch_queue": "new-queue"})
    assert backup is not None
    assert backup.read_text("utf-8") == USERS
    again = configuration.write_section({"batch_queue": "newer-queue"})
    assert again not in (None, backup)
    assert backup.read_text("utf-8") == USERS


def test_nothing_to_change_changes_nothing(path: Path) -> None:
    path.write_text(USERS, "utf-8")
    assert configuration.write_section({"vcpu": 4}) is None
    assert path.read_text("utf-8") == USERS
    assert {p.name for p in path.parent.iterdir()} <= {path.name, f"{path.name}.lock"}


def test_a_new_file_is_readable_by_its_owner_alone(path: Path) -> None:
    assert configuration.write_section({"region": "us-east-1"}) is None
    assert toml.load(path) == {"executors": {"awsbatch": {"region": "us-east-1"}}}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_mode_and_a_symbolic_link_stay(path: Path, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles" / "covalent.conf"
    real.parent.mkdir()
    real.write_text(USERS, "utf-8")
    real.chmod(0o640)
    path.symlink_to(real)
    configuration.write_section({"vcpu": 8})
    assert path.is_symlink()
    assert toml.load(real)["executors"]["awsbatch"]["vcpu"] == 8
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


@pytest.mark.parametrize("broken", ["[executors.awsbatch\nvcpu = 1", "vcpu = = 1", '= "x"', "[a"])
def test_a_broken_file_is_refused_and_left_alone(path: Path, broken: str) -> None:
    path.write_text(broken, "utf-8")
    for use in (configuration.read_section, lambda: configuration.write_section({"vcpu": 1})):
        with pytest.raises(Refusal, match="not valid TOML"):
            use()
    assert path.read_text("utf-8") == broken


def test_a_file_that_is_being_written_is_read_when_it_is_written(path: Path) -> None:
    path.write_text("", "utf-8")
    writer = threading.Timer(configuration.LOOK_EVERY, path.write_text, [USERS])
    writer.start()
    assert configuration.read_section()["batch_queue"] == "old-queue"
    writer.join()


def test_a_file_that_is_held_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configuration, "LOCK_TIMEOUT", 0.05)
    path.write_text(USERS, "utf-8")
    with FileLock(f"{path}.lock"), pytest.raises(Refusal, match="Another process holds"):
        configuration.write_section({"vcpu": 1})
    assert path.read_text("utf-8") == USERS


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"COVALENT_CONFIG_DIR": "/a", "XDG_CONFIG_DIR": "/b"}, "/a/covalent.conf"),
        ({"XDG_CONFIG_DIR": "/b"}, "/b/covalent.conf"),
        ({}, "/home/me/.config/covalent/covalent.conf"),
    ],
)
def test_the_file_lies_where_covalent_looks(
    variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("COVALENT_CONFIG_DIR", "XDG_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert os.fspath(configuration.configuration_path()) == expected


def test_the_difference_shows_old_and_new() -> None:
    lines = configuration.difference(
        {"region": "us-east-1", "vcpu": 2},
        {"region": "eu-west-1", "vcpu": 2, "s3_bucket_name": "b"},
    )
    assert lines == ['- region = "us-east-1"', '+ region = "eu-west-1"', '+ s3_bucket_name = "b"']


def test_a_byte_that_is_not_utf_8_is_named(path: Path) -> None:
    path.write_bytes(b'[executors.awsbatch]\nregion = "caf\xe9"\n')
    with pytest.raises(Refusal, match=r"line 2 has the byte 0xe9") as refused:
        configuration.read_section()
    assert str(path) in refused.value.message
    assert "UTF-8" in refused.value.fix


@pytest.mark.parametrize("text", ["executors = 3", "[executors]\nawsbatch = 3"])
def test_a_value_where_the_section_should_be_is_named(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
    for use in (configuration.read_section, lambda: configuration.write_section({"vcpu": 1})):
        with pytest.raises(Refusal, match="which is not a section"):
            use()
    assert path.read_text("utf-8") == text


def test_what_cannot_be_written_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVALENT_CONFIG_DIR", "/proc/no-such-folder")
    with pytest.raises(Refusal, match="cannot be written") as refused:
        configuration.write_section({"batch_queue": "mine", "vcpu": 2})
    assert 'batch_queue = "mine"' in refused.value.fix
    assert "vcpu = 2" in refused.value.fix


def test_a_refused_value_names_file_and_section(path: Path) -> None:
    with pytest.raises(InvalidOptions) as refused:
        resolution.resolve({"vcpu": 0}, {"memory": "much", "vcpu": 3})
    vcpu, memory = str(refused.value).split(";")
    assert f"([executors.awsbatch] of {path})" in memory
    assert str(path) not in vcpu


def test_config_show_has_value_source_and_what_boto3_uses(on_aws: CommandLine) -> None:
    on_aws.configure({**on_aws.section(), "vcpu": 4, "memory": 3.75, "vcpus": 8})
    on_aws.extra["AWS_REGION"] = "eu-west-3"
    done = on_aws("config", "show", "--json")
    assert done.code == 0, done.text
    report = done.json()
    settings = {setting["name"]: setting for setting in report["settings"]}
    assert (settings["vcpu"]["value"], settings["vcpu"]["source"]) == (4, "file")
    # Covalent writes defaults into its file: that is no choice.
    assert settings["memory"]["source"] == "default"
    assert settings["region"]["boto3"] == "eu-west-3 (AWS_REGION)"
    assert report["unknown"] == {"vcpus": "vcpu"}
    assert "did you mean vcpu?" in on_aws("config", "show").out

    on_aws.configure({"vcpu": 0})
    refused = on_aws("config", "show")
    assert refused.code == 1
    assert "REFUSED: vcpu is 0" in refused.out
