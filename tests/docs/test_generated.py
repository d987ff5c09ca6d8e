"""What the repository has of generated pages is what the code generates."""

from __future__ import annotations

import inspect
import re
from types import ModuleType

import pytest

from covalent_awsbatch_plugin import errors
from covalent_awsbatch_plugin.options.table import BY_NAME, OPTIONS

from .pages import DOCS, ROOT

TOOLS = DOCS / "tools"


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))


def load(name: str) -> ModuleType:
    return __import__(name)


@pytest.mark.usefixtures("tools")
def test_generated_pages_are_current() -> None:
    for path, content in load("write").pages().items():
        assert path.read_text("utf-8") == content, (
            f"{path.relative_to(ROOT)} is stale: run 'python docs/tools/write.py'"
        )


def test_the_readme_has_every_option() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    for option in OPTIONS:
        assert f"| `{option.name}` |" in readme


@pytest.mark.usefixtures("tools")
def test_every_kind_of_failure_is_shown() -> None:
    shown = {type(example.error) for example in load("failures").examples()}
    kinds = {kind for _, kind in inspect.getmembers(errors, inspect.isclass)}
    assert kinds - shown == {errors.BatchTaskError}


@pytest.mark.usefixtures("tools")
def test_each_promise_about_the_engine_names_tests_that_exist() -> None:
    promises = load("promises")
    for promise in (*promises.RETRIED, *promises.KEPT):
        assert promise.tests
        for test in promise.tests:
            file, _, function = test.partition("::")
            assert re.search(rf"def {function}\(", (ROOT / file).read_text("utf-8")), test


@pytest.mark.usefixtures("tools")
def test_the_resources_named_are_those_of_the_template() -> None:
    made = load("made")
    named = {logical for _, _, logical, _ in made.RESOURCES if logical}
    assert named <= set(made.template()["Resources"])
    options = {option.strip("`") for _, option, _, _ in made.RESOURCES if option}
    assert options <= set(BY_NAME)


@pytest.mark.usefixtures("tools")
def test_policies_are_json_that_can_be_pasted() -> None:
    policies = load("made").policies()
    for action in ("batch:SubmitJob", "s3:GetObject", "logs:PutLogEvents", "iam:PassRole"):
        assert f'"{action}"' in policies
    assert "!Sub" not in policies
