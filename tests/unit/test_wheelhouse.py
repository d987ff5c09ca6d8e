"""The archive of the server's packages for jobs whose code imports Covalent."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import covalent as ct
import pytest
from covalent._workflow.electron import _build_sublattice_graph
from covalent._workflow.transport import TransportableObject
from covalent.executor.utils.wrappers import wrapper_fn

from covalent_awsbatch_plugin import covalent_calls
from covalent_awsbatch_plugin.electron import wheelhouse as server
from covalent_awsbatch_plugin.job import archives, bucket, wheelhouse
from covalent_awsbatch_plugin.protocol import messages
from covalent_awsbatch_plugin.protocol.wheelhouse import MANIFEST, python

# What a job does with Covalent, with nothing on its path but the standard library and the archive.
USE = """
import json, sys
sys.path += sys.argv[1:]
import covalent as ct
import covalent.triggers, covalent.executor
covalent.executor._executor_manager.generate_plugins_list()
from covalent._workflow.electron import _build_sublattice_graph

@ct.electron
def double(x):
    return 2 * x

@ct.lattice
def workflow(x):
    return double(x)

names = ("executor", "executor_data", "workflow_executor", "workflow_executor_data", "hooks")
built = _build_sublattice_graph(workflow, json.dumps(dict.fromkeys(names)), 2)
strategies = [ct.fs.FileTransfer("/a", "/b"), ct.fs_strategies.HTTP(), ct.fs_strategies.Rsync()]
print(bool(built), ct.__version__)
"""


@pytest.fixture(scope="module")
def packed() -> bytes:
    content = server.archive()
    assert content, "this machine's Covalent was not installed from a wheel"
    return content


@pytest.fixture(scope="module")
def manifest(packed: bytes) -> dict[str, Any]:
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return json.loads(archive.read(MANIFEST))


def test_it_has_all_that_covalent_needs_in_a_job(packed, manifest, tmp_path):
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        archive.extractall(tmp_path)
    folders = [str(tmp_path / name) for name in manifest["distributions"]]
    home = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "COVALENT_PLUGIN_LOAD": "false"}
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", USE, *folders],
        env=home,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-2:] == ["True", ct.__version__]


def test_it_is_the_same_bytes_each_time(packed):
    assert server.archive.__wrapped__() == packed
    assert server.digest() == hashlib.sha256(packed).hexdigest()


def test_tasks_that_ask_at_once_have_it_packed_once():
    for cached in (server.archive, server.digest):
        cached.cache_clear()
    with ThreadPoolExecutor(4) as threads:
        digests = {each.result() for each in [threads.submit(server.digest) for _ in range(4)]}
    assert len(digests) == 1
    assert server.archive.cache_info().misses == 1


WHEEL = "Root-Is-Purelib: true\nTag: py3-none-any\n"


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"WHEEL": WHEEL},
        {"RECORD": "covalent.py,,\n"},
        {"WHEEL": WHEEL, "RECORD": "covalent.py,,\n"},
        {"WHEEL": WHEEL, "RECORD": "x.pth,,\n", "direct_url.json": '{"editable": true}'},
        {"METADATA": "Name: covalent\nVersion: 9\nRequires-Dist: not-installed\n"},
        {"METADATA": "Name: covalent\nVersion: 9\nRequires-Dist: what is this?\n"},
    ],
    ids=["nothing", "no record", "no wheel", "no file", "editable", "unmet", "invalid"],
)
def test_what_cannot_be_packed_is_left_to_pip(files, tmp_path, monkeypatch):
    metadata = tmp_path / "covalent-9.dist-info"
    metadata.mkdir()
    (tmp_path / "x.pth").write_text("")
    for name, text in {"METADATA": "Name: covalent\nVersion: 9\n", **files}.items():
        (metadata / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    assert server.archive.__wrapped__() == b""


def test_what_only_the_server_uses_is_left_out(packed, manifest):
    assert not server.SERVER_ONLY & manifest["distributions"].keys()
    assert len(packed) < 30 * 1024**2


def by_value(source: str) -> Any:
    """Return a function of a module that no other process has."""
    names: dict[str, Any] = {"__name__": "elsewhere"}
    exec(source, names)
    return names["function"]


plain = by_value("def function(*arguments): return 1")
imports_a_part = by_value("def function():\n from covalent._shared_files import logger")
mentions = by_value("def function(): return 'a covalent bond', '/covalent/file.py', 'covalent-x'")
imports = by_value("def function():\n import covalent\n return covalent.__version__")


@pytest.mark.parametrize(
    ("function", "arguments", "hooks", "named"),
    [
        (plain, [], [], False),
        (plain, ["text"], [ct.DepsPip(["numpy"]), ct.DepsBash(["true"])], False),
        (mentions, ["covalents"], [], False),
        (imports, [], [], True),
        (imports_a_part, [], [], True),
        (plain, [], [ct.DepsCall(imports)], True),
        (_build_sublattice_graph, [], [], True),
        (plain, [ct.fs.FileTransfer("/a", "/b")], [], True),
    ],
    ids=[
        "plain",
        "own hooks",
        "mentions it",
        "imports it",
        "imports a part of it",
        "a hook imports it",
        "builder",
        "an argument's class",
    ],
)
def test_tasks_that_name_covalent_are_found(function, arguments, hooks, named):
    call = partial(wrapper_fn, TransportableObject(function), [h.apply() for h in hooks], [])
    metadata = {"dispatch_id": "d", "node_id": 0}
    packed_arguments = [TransportableObject(each) for each in arguments]
    task = covalent_calls.pack_inline(call, packed_arguments, {}, metadata)
    assert server.names_covalent(task.call) is named


def test_a_function_too_large_to_look_into_is_taken_for_covalent_s():
    call = messages.Call(messages.Part("transportable", key="blob", size=10**6))
    assert server.names_covalent(call)


# ---- In the job


class Requests:
    """A bucket with one object."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def send(self, method: str, key: str, query="", headers=(), body=None):
        size = len(self.content)
        ranges = dict(headers)["range"].removeprefix("bytes=").split("-")
        piece = self.content[int(ranges[0]) : int(ranges[1]) + 1]
        return {"content-range": f"bytes 0-1/{size}", "etag": "e"}, piece


def made(**changes: Any) -> bytes:
    """Return an archive of two distributions, one of them with native code."""
    distributions = {
        "covalent": {"version": "1", "bounds": "", "platforms": ["any"]},
        "native-probe": {"version": "2", "bounds": ">=1.5,<3", "platforms": ["any"]},
    }
    content = {"python": python(), "distributions": distributions}
    content["distributions"]["native-probe"].update(changes.pop("native", {}))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("covalent/covalent/__init__.py", "")
        archive.writestr("covalent/covalent-1.dist-info/METADATA", "")
        archive.writestr("native-probe/native_probe.py", "")
        archive.writestr("native-probe/native_probe-2.dist-info/METADATA", "")
        archive.writestr(MANIFEST, json.dumps({**content, **changes}))
    return buffer.getvalue()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.setattr(wheelhouse, "site_packages", lambda: folder)
    monkeypatch.setattr(sys, "path", [str(folder)])
    return folder


def install(content: bytes, named: bytes | None = None) -> list[list[str]]:
    """Install an archive; return what pip was asked for."""
    asked: list[list[str]] = []
    key = "covalent/_shared/" + hashlib.sha256(named or content).hexdigest()
    wheelhouse.install(bucket.Bucket(Requests(content)), key, asked.append)
    return asked


def files(site: Path) -> set[str]:
    return {path.name for path in site.iterdir()}


ALL = {"covalent", "covalent-1.dist-info", "native_probe.py", "native_probe-2.dist-info"}


def test_everything_is_put_in_place_without_pip(site):
    assert install(made()) == []
    assert files(site) == ALL


def test_a_wheel_for_another_platform_comes_from_the_index_in_its_version(site):
    assert install(made(native={"platforms": ["macosx_11_0_arm64"]})) == [
        ["--no-deps", "native-probe==2"]
    ]
    assert files(site) == {"covalent", "covalent-1.dist-info"}


@pytest.mark.parametrize("version", ["1.5", "2", "2.9"])
def test_what_the_image_has_stays_where_it_fits(site, version):
    (site / f"native_probe-{version}.dist-info").mkdir()
    assert install(made()) == []
    assert files(site) == {"covalent", "covalent-1.dist-info", f"native_probe-{version}.dist-info"}


@pytest.mark.parametrize("version", ["1.4", "3"])
def test_an_image_with_a_version_that_does_not_fit_is_left_to_pip(site, version):
    (site / f"native_probe-{version}.dist-info").mkdir()
    with pytest.raises(archives.Unusable, match=f"native-probe {version}"):
        install(made())
    assert files(site) == {f"native_probe-{version}.dist-info"}


def test_an_archive_for_another_python_is_left(site):
    with pytest.raises(archives.Unusable, match="cpython-39"):
        install(made(python="cpython-39"))
    assert files(site) == set()


def test_a_damaged_archive_is_left(site):
    content = made()
    with pytest.raises(bucket.Damaged):
        install(content[:-1] + b"x", named=content)
    assert files(site) == set()


def test_where_pip_fails_nothing_is_put_in_place(site):
    content = made(native={"platforms": ["win_amd64"]})
    key = "covalent/_shared/" + hashlib.sha256(content).hexdigest()

    def refuse(arguments: list[str]) -> None:
        raise subprocess.CalledProcessError(1, arguments)

    with pytest.raises(subprocess.CalledProcessError):
        wheelhouse.install(bucket.Bucket(Requests(content)), key, refuse)
    assert files(site) == set()


def test_a_full_disk_is_found_before_anything_is_put_in_place(site, monkeypatch):
    monkeypatch.setattr(archives, "SPARE", 10**18)
    with pytest.raises(archives.Unusable, match="do not fit"):
        install(made())
    assert files(site) == set()


@pytest.mark.parametrize(
    ("platform", "libc", "machine", "fitting"),
    [
        ("any", ("", ""), "aarch64", True),
        ("manylinux_2_17_x86_64", ("glibc", "2.17"), "x86_64", True),
        ("manylinux_2_28_x86_64", ("glibc", "2.17"), "x86_64", False),
        ("manylinux2014_x86_64", ("glibc", "2.36"), "x86_64", True),
        ("manylinux1_x86_64", ("glibc", "2.36"), "x86_64", True),
        ("manylinux_2_17_aarch64", ("glibc", "2.36"), "x86_64", False),
        ("manylinux_2_17_x86_64", ("", ""), "x86_64", False),
        ("musllinux_1_2_x86_64", ("glibc", "2.36"), "x86_64", False),
        ("linux_x86_64", ("glibc", "2.36"), "x86_64", False),
        ("macosx_11_0_arm64", ("glibc", "2.36"), "x86_64", False),
    ],
)
def test_wheels_are_for_platforms(platform, libc, machine, fitting, monkeypatch):
    monkeypatch.setattr(wheelhouse.platform, "libc_ver", lambda: libc)
    monkeypatch.setattr(wheelhouse.sysconfig, "get_platform", lambda: f"linux-{machine}")
    assert wheelhouse.fits([platform]) is fitting
