"""``doctor`` beside a Covalent server: whether that has the configuration that is checked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import toml

from covalent_awsbatch_plugin.cli.shared import configuration
from covalent_awsbatch_plugin.local.covalent_server import CovalentServer

from .command import CommandLine

AREA = "Covalent server"
NO_AWS = {"endpoint_url": "http://127.0.0.1:1", "vcpu": 3}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CovalentServer]:
    home = tmp_path_factory.mktemp("server")
    running = CovalentServer(home)
    running.config_file.parent.mkdir(parents=True)
    running.config_file.write_text(toml.dumps({"executors": {"awsbatch": NO_AWS}}), "utf-8")
    with running:
        yield running


@pytest.fixture
def beside(server: CovalentServer) -> CommandLine:
    """The command line of the shell in which the server was started."""
    return CommandLine(
        server.home, {"COVALENT_CONFIG_DIR": str(server.config_file.parent), "COLUMNS": "80"}
    )


def of_server(command: CommandLine) -> dict[str, dict[str, str]]:
    report = command("doctor", "--json").json()
    return {f["check"]: f for f in report["findings"] if f["area"] == AREA}


def statuses(found: dict[str, dict[str, str]]) -> dict[str, str]:
    return {check: finding["status"] for check, finding in found.items()}


ALL_OK = dict.fromkeys(("configuration", "environment", "plugin"), "ok")


def test_a_server_with_this_configuration(beside: CommandLine) -> None:
    assert statuses(of_server(beside)) == ALL_OK


class Answering(BaseHTTPRequestHandler):
    """A Covalent server of another host, as far as the doctor sees."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def test_a_server_of_another_host_is_not_taken_for_one_here(
    server: CovalentServer, beside: CommandLine, tmp_path: Path
) -> None:
    """It has the port of one that runs here."""
    content = toml.load(server.config_file)
    content["dispatcher"]["address"] = "127.0.0.2"
    (tmp_path / "covalent.conf").write_text(toml.dumps(content), "utf-8")
    beside.extra["COVALENT_CONFIG_DIR"] = str(tmp_path)
    with ThreadingHTTPServer(("127.0.0.2", server.port), Answering) as other:
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        found = of_server(beside)
        other.shutdown()
        thread.join()
    assert statuses(found) == {"configuration": "not checked"}
    assert "another user's or host's" in found["configuration"]["found"]


def test_no_server(command: CommandLine) -> None:
    command.configure(NO_AWS)
    dispatcher = {"address": "localhost", "port": 1}
    content = toml.load(command.configuration)
    command.configuration.write_text(toml.dumps({**content, "dispatcher": dispatcher}), "utf-8")
    found = of_server(command)
    assert statuses(found) == {"running": "ok"}
    assert "None answers at http://localhost:1" in found["running"]["found"]


def test_a_change_after_the_start_calls_for_a_restart(
    server: CovalentServer, beside: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COVALENT_CONFIG_DIR", str(server.config_file.parent))
    before = configuration.read_section()
    configuration.write_section({"batch_queue": "another", "vcpu": 4})
    found = of_server(beside)
    assert statuses(found) == {**ALL_OK, "configuration": "problem"}
    assert "changed after that: batch_queue, vcpu." in found["configuration"]["found"]
    assert "covalent restart" in found["configuration"]["fix"]
    # As it was: there is nothing that the server lacks.
    configuration.write_section({key: before[key] for key in ("batch_queue", "vcpu")})
    assert statuses(of_server(beside)) == ALL_OK


def test_another_configuration_file(
    server: CovalentServer, beside: CommandLine, tmp_path: Path
) -> None:
    other = tmp_path / "covalent.conf"
    other.write_text(server.config_file.read_text("utf-8"), "utf-8")
    beside.extra["COVALENT_CONFIG_DIR"] = str(tmp_path)
    found = of_server(beside)
    assert statuses(found) == {"file": "problem"}
    assert f"reads {server.config_file}" in found["file"]["found"]
    assert f"COVALENT_CONFIG_DIR={server.config_file.parent}" in found["file"]["fix"]


@pytest.mark.parametrize("variable", ["AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_REGION"])
def test_other_variables_than_the_shells(beside: CommandLine, variable: str) -> None:
    beside.extra[variable] = "eu-west-1"
    found = of_server(beside)
    assert statuses(found) == {**ALL_OK, "environment": "warning"}
    assert f"of {variable}:" in found["environment"]["found"]


def test_a_plugin_that_was_installed_after_the_start(beside: CommandLine) -> None:
    folder = beside.home / "site" / "covalent_awsbatch_plugin-9.0.dist-info"
    folder.mkdir(parents=True)
    metadata = "Metadata-Version: 2.1\nName: covalent-awsbatch-plugin\nVersion: 9.0\n"
    (folder / "RECORD").write_text(f"{folder.name}/METADATA,,\n")
    bounds = "Requires-Dist: covalent>=0\nRequires-Dist: fastapi>=0\n"
    (folder / "METADATA").write_text(f"{metadata}Requires-Python: >=3.10\n{bounds}")
    beside.extra["PYTHONPATH"] = str(folder.parent)
    found = of_server(beside)
    assert statuses(found) == {**ALL_OK, "plugin": "warning"}
    assert "installed after the server had started" in found["plugin"]["found"]
