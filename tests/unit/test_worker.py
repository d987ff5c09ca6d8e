"""The worker's parts that need no job."""

from __future__ import annotations

import base64
import importlib
import os
import pickle
import subprocess
import sys
import threading
from typing import Any

import pytest

from covalent_awsbatch_plugin.aws.jobs.logs import LINE_LIMIT, harmless
from covalent_awsbatch_plugin.aws.jobs.poller import parse_all
from covalent_awsbatch_plugin.job import electron_call, on_demand, supervisor, task_process
from covalent_awsbatch_plugin.job.output import Tee
from covalent_awsbatch_plugin.job.tracebacks import Source
from covalent_awsbatch_plugin.protocol import exit_codes, messages


def through_a_tee(chunks: list[bytes], limit: int) -> tuple[str, bytes]:
    """Return what a tee keeps and what it passes on."""
    source, sink = os.pipe(), os.pipe()
    passed = bytearray()

    def collect() -> None:
        while data := os.read(sink[0], 65536):
            passed.extend(data)

    collector = threading.Thread(target=collect)
    collector.start()
    tee = Tee(source[0], sink[1], limit)
    for chunk in chunks:
        os.write(source[1], chunk)
    os.close(source[1])
    kept = tee.finish()
    os.close(sink[1])
    collector.join()
    for end in (source[0], sink[0]):
        os.close(end)
    return kept, bytes(passed)


def test_output_is_kept_and_passed_on():
    kept, passed = through_a_tee(["Grüße\n".encode(), b"\xff\xfe not UTF-8\n"], 1000)
    assert kept == "Grüße\n�� not UTF-8\n"
    assert passed == "Grüße\n".encode() + b"\xff\xfe not UTF-8\n"


def test_of_endless_output_the_ends_are_kept_and_all_is_passed_on():
    size = 1000
    chunks = [b"begin", *[b"x" * 4096] * 500, b"end"]
    kept, passed = through_a_tee(chunks, size)
    assert kept.startswith("beginxxx")
    assert kept.endswith("xxxend")
    assert "bytes left out" in kept
    assert len(kept) < size + 200
    assert len(passed) == sum(map(len, chunks))


def test_output_of_exactly_the_limit_is_whole():
    kept, _ = through_a_tee([b"a" * 500, b"b" * 500], 1000)
    assert kept == "a" * 500 + "b" * 500


def raised(function) -> BaseException:
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - any, as a task may raise
        function()
    return caught.value


def test_a_task_s_exception_is_told_with_its_traceback():
    def fail():
        raise ValueError("too bad\nreally")

    outcome = task_process.explain(raised(fail), Source())
    assert outcome.status == messages.RAISED
    assert outcome.exit_code == exit_codes.EXIT_RAISED
    assert outcome.error == "ValueError: too bad really"
    assert outcome.traceback.rstrip().endswith("really")


def test_leaving_early_counts_as_raising():
    outcome = task_process.explain(raised(lambda: sys.exit(0)), Source())
    assert (outcome.status, outcome.exit_code) == (messages.RAISED, exit_codes.EXIT_RAISED)


def test_what_a_failed_command_wrote_is_shown():
    command = [sys.executable, "-c", "import sys; sys.exit('no such package')"]
    error = raised(lambda: subprocess.run(command, check=True, capture_output=True))
    assert "no such package" in task_process.explain(error, Source()).traceback


def part(value: Any) -> messages.Part:
    content = base64.b64encode(pickle.dumps(value, 0))
    return messages.Part("transportable", data=content, size=len(content))


# The pickle of a name in a module that no image has.
MISSING = messages.Part(
    "transportable", data=base64.b64encode(b"cno_such_module\nname\n."), size=1
)
HOOK = (part(print), part(("called",)), part({}), None)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (messages.Call(MISSING), "the function"),
        (messages.Call(part(max), args=(part(1), MISSING)), "argument 2"),
        (messages.Call(part(dict), kwargs={"one": part(1), "x": MISSING}), "argument 'x'"),
        (
            messages.Call(part(dict), before=(HOOK, (part(print), MISSING, part({}), "y"))),
            "the arguments of call 2 before the task",
        ),
        (
            messages.Call(part(dict), after=((MISSING, part(()), part({}), None),)),
            "the function of call 1 after the task",
        ),
    ],
)
def test_the_part_that_cannot_be_unpickled_is_named_and_nothing_is_retried(call, name):
    error = raised(lambda: electron_call.run(call, lambda part: part.data or b""))
    outcome = task_process.explain(error, Source())
    assert outcome.status == messages.RAISED
    assert outcome.exit_code == exit_codes.EXIT_CANNOT_UNPICKLE
    assert outcome.error == (
        "ModuleNotFoundError: No module named 'no_such_module' "
        f"(while {name} of the task was being unpickled)"
    )
    assert outcome.traceback.rstrip().endswith("No module named 'no_such_module'")
    assert electron_call.__file__ not in outcome.traceback


def test_what_is_imported_is_installed_where_the_temporary_folder_was_removed(
    tmp_path, monkeypatch
):
    def install(module, requirements):
        (tmp_path / "s3transfer.py").write_text("here = True")

    removed = tmp_path / "removed" / "installing"
    finder = on_demand.OnDemand({"boto3": ["boto3"]}, install, removed)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])
    monkeypatch.delitem(sys.modules, "s3transfer", raising=False)
    assert importlib.import_module("s3transfer").here
    sys.modules.pop("s3transfer")


def test_an_image_without_pip_is_a_sentence():
    command = [sys.executable, "-I", "-S", "-c", on_demand.PIP, "install", "x"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "covalent-awsbatch: this image has no pip.\n"


@pytest.mark.parametrize(
    ("end", "code", "words"),
    [("os.kill(os.getpid(), 9)", 137, "SIGKILL"), ("os._exit(5)", 5, "exit code 5")],
)
def test_an_end_without_a_report_is_explained(end, code, words):
    child = subprocess.Popen([sys.executable, "-c", f"import os; {end}"])
    _, status = os.waitpid(child.pid, 0)
    child.returncode = 0
    outcome = supervisor.outcome_without_report(status)
    assert (outcome.status, outcome.exit_code) == (messages.KILLED, code)
    assert words in outcome.error


def test_hostile_log_lines_do_no_harm():
    assert harmless("\x1b[31mred\x1b[0m\x07\r\n") == "�[31mred�[0m�"
    assert len(harmless("x" * 10_000_000)) <= LINE_LIMIT + 4


def test_a_poisoned_description_stalls_no_other():
    good = {"jobId": "good", "status": "RUNNING"}
    poisoned = [{}, {"jobId": "x"}, {"jobId": "y", "status": "RUNNING", "container": []}, None]
    assert set(parse_all([*poisoned, good])) >= {"good"}
    assert "x" not in parse_all(poisoned)
