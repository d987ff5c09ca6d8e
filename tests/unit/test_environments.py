"""Environments that electrons share: archives that are used, and those that are refused."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from covalent_awsbatch_plugin.job import archives, environments, installed_files
from covalent_awsbatch_plugin.job.archives import Unusable
from covalent_awsbatch_plugin.job.environments import MANIFEST, SharedEnvironment
from covalent_awsbatch_plugin.job.s3_request import S3Error

MODULE = "covalent_probe_shared"


class Objects:
    """A bucket in memory."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.claim_age = 0.0

    def put_once(self, key: str, content: bytes) -> bool:
        is_new = key not in self.objects
        self.objects.setdefault(key, content)
        return is_new

    def age(self, key: str) -> float:
        return self.claim_age

    def download(self, key: str, path: Path) -> None:
        if key not in self.objects:
            raise S3Error("NoSuchKey", "none", 404)
        path.write_bytes(self.objects[key])

    def upload(self, path: Path, key: str, once: bool = False) -> None:
        assert once
        self.put_once(key, path.read_bytes())


class Place:
    """A place where a fake of pip installs one package with a module, data and a program."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.site = folder / "lib/python3/site-packages"
        self.site.mkdir(parents=True)
        self.installations = 0
        monkeypatch.setattr(sys, "prefix", str(folder))
        monkeypatch.setattr(site, "getuserbase", lambda: str(folder / "user"))
        monkeypatch.setattr(sys, "path", [str(self.site), *sys.path])
        monkeypatch.setattr(environments, "site_packages", lambda: self.site)
        self.root = folder

    def install(self) -> None:
        self.installations += 1
        files = {
            f"{MODULE}/__init__.py": "answer = 42\n",
            f"{MODULE}/broken.py": "this is no Python {{\n",
            f"{MODULE}/data.bin": "data",
            f"{MODULE}-1.dist-info/METADATA": f"Name: {MODULE}\n",
            "../../../bin/probe": "#!/bin/sh\necho probed\n",
        }
        record = f"{MODULE}-1.dist-info/RECORD"
        lines = [f"{name},," for name in (*files, record)]
        for name, content in {**files, record: "\n".join(lines)}.items():
            path = Path(os.path.normpath(self.site / name))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        (self.root / "bin/probe").chmod(0o755)

    def forget(self) -> None:
        """Be as the image is."""
        subprocess.run(["rm", "-r", str(self.site), str(self.root / "bin")], check=True)
        self.site.mkdir()

    def files(self) -> dict[str, bytes]:
        """Return what is installed, without what Python has compiled."""
        return {
            str(path.relative_to(self.root)): path.read_bytes()
            for path in self.root.rglob("*")
            if path.is_file() and path.suffix != ".pyc"
        }


@pytest.fixture
def place(tmp_path, monkeypatch) -> Place:
    return Place(tmp_path / "prefix", monkeypatch)


@pytest.fixture
def bucket() -> Objects:
    return Objects()


@pytest.fixture
def reports() -> list[str]:
    return []


@pytest.fixture
def shared(bucket, reports) -> SharedEnvironment:
    return SharedEnvironment(bucket, "key", reports.append)  # type: ignore[arg-type]


def test_what_one_job_installs_the_next_unpacks(place, bucket, shared, reports):
    shared.install(place.install)
    installed = place.files()
    place.forget()
    shared.install(place.install)
    assert place.installations == 1
    assert place.files() == installed
    assert subprocess.check_output([place.root / "bin/probe"], text=True) == "probed\n"
    assert list((place.site / MODULE).rglob("__init__*.pyc"))
    assert reports == []


def test_jobs_that_start_at_once_do_not_wait_and_one_shares(place, bucket, shared):
    bucket.objects["key.claim"] = b""
    shared.install(place.install)
    assert place.installations == 1
    assert set(bucket.objects) == {"key.claim"}


def test_the_claim_of_a_lost_job_counts_for_nothing(place, bucket, shared):
    bucket.objects["key.claim"] = b""
    bucket.claim_age = environments.CLAIM_LIFETIME + 1
    shared.install(place.install)
    assert "key" in bucket.objects


DAMAGE = {
    "cut": lambda content: content[: len(content) // 2],
    "garbage": lambda content: os.urandom(1000),
    "empty": lambda content: b"",
    "a flipped bit": lambda content: content[:400] + bytes([content[400] ^ 1]) + content[401:],
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_archive_leads_back_to_pip(place, bucket, shared, reports, damage):
    shared.install(place.install)
    installed = place.files()
    place.forget()
    bucket.objects["key"] = DAMAGE[damage](bucket.objects["key"])
    shared.install(place.install)
    assert place.installations == 2
    assert place.files() == installed
    assert len(reports) == 1
    assert "pip installs" in reports[0]


def archive_with(folder: Path, name: str, mode: int = 0o100644, size: int = 1) -> Path:
    """Write an archive for this environment, with one member."""
    file = folder / "archive"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        here = environments.describe_here(installed_files.distributions())
        archive.writestr(MANIFEST, json.dumps(here))
        member = zipfile.ZipInfo(name)
        member.external_attr = mode << 16
        archive.writestr(member, b"0" * size)
    return file


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("prefix/../../outside", 0o100644),
        ("/etc/passwd", 0o100644),
        ("prefix//x", 0o100644),
        ("elsewhere/x", 0o100644),
        ("prefix", 0o100644),
        ("prefix/a\\..\\..\\x", 0o100644),
        ("prefix/link", 0o120777),
        ("prefix/device", 0o020644),
    ],
)
def test_a_hostile_archive_is_refused(tmp_path, name, mode):
    file = archive_with(tmp_path, name, mode)
    here = environments.describe_here(installed_files.distributions())
    with pytest.raises(Unusable):
        environments.extract(file, tmp_path / "files", here)
    assert not (tmp_path / "files").exists()


def test_an_archive_that_fills_the_disk_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LARGEST", 10_000)
    file = archive_with(tmp_path, "prefix/bomb", size=10_001)
    here = environments.describe_here(installed_files.distributions())
    with pytest.raises(Unusable, match="do not fit"):
        environments.extract(file, tmp_path / "files", here)


@pytest.mark.parametrize("name", ["python", "platform", "libc", "installed", "executable"])
def test_an_archive_of_another_environment_is_refused(tmp_path, name):
    file = archive_with(tmp_path, "prefix/x")
    here = environments.describe_here(installed_files.distributions())
    with pytest.raises(Unusable, match=name):
        environments.extract(file, tmp_path / "files", {**here, name: "another"})


def test_packages_of_the_image_that_pip_replaces_are_not_shared(place, bucket, shared, reports):
    old = place.site / f"{MODULE}-0.dist-info"
    old.mkdir()

    def upgrade() -> None:
        old.rmdir()
        place.install()

    shared.install(upgrade)
    assert set(bucket.objects) == {"key.claim"}
    assert "replaced packages of the image" in reports[0]


def test_a_failing_installation_fails(place, bucket, shared):
    def fail() -> None:
        raise subprocess.CalledProcessError(1, "pip")

    with pytest.raises(subprocess.CalledProcessError):
        shared.install(fail)
    assert bucket.objects == {}


def test_a_bucket_that_refuses_fails_no_task(place, reports):
    class Refusing(Objects):
        def download(self, key: str, path: Path) -> None:
            raise S3Error("AccessDenied", "no", 403)

        def put_once(self, key: str, content: bytes) -> bool:
            raise S3Error("AccessDenied", "no", 403)

    SharedEnvironment(Refusing(), "key", reports.append).install(place.install)  # type: ignore[arg-type]
    assert place.installations == 1
    assert len(reports) == 2
