"""Parts of the documentation that are made from the code, so that they cannot go stale.

Each function returns Markdown. The pages take them in with the directive ``made``; the README's
table is written into it by ``python docs/tools/write.py``.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from covalent_awsbatch_plugin.options.table import OPTIONS, Option

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

# As wide as the page's column, in which it is not wrapped again.
HELP_WIDTH = 78

TYPES = {str: "text", int: "whole number", float: "number", bool: "true or false", dict: "table"}

RESOURCES = (
    ("S3 bucket", "`s3_bucket_name`", "Bucket", "Tasks go to it and outcomes come from it."),
    ("Log group", "`batch_job_log_group_name`", "LogGroup", "What the jobs write."),
    (
        "IAM role of the task",
        "`batch_job_role_name`",
        "JobRole",
        "What your function may do; it must at least read and write objects under `covalent/`.",
    ),
    (
        "IAM role of ECS",
        "`batch_execution_role_name`",
        "ExecutionRole",
        "Lets ECS pull the image and write the log.",
    ),
    (
        "VPC and subnets",
        "",
        "",
        "Where the instances run. The region's default VPC serves; `deploy` makes none.",
    ),
    (
        "Security group",
        "",
        "SecurityGroup",
        "Lets the instances connect out; nothing may connect in.",
    ),
    (
        "Compute environment",
        "",
        "OnDemandEnvironment",
        "Starts and ends EC2 instances as jobs need them; one more for spot, where asked for.",
    ),
    ("Job queue", "`batch_queue`", "JobQueue", "Where jobs wait for room."),
    (
        "Job definition",
        "`batch_job_definition_name`",
        "JobDefinition",
        "A name under which the plugin keeps one revision for each distinct set of properties.",
    ),
    (
        "IAM policy of the dispatcher",
        "",
        "DispatcherPolicy",
        "What the Covalent server may do; attach it to its user or role.",
    ),
)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def shown(option: Option) -> str:
    """Return an option's default as the configuration file would have it."""
    return "`" + (json.dumps(option.default) if option.default != {} else "{}") + "`"


def options() -> str:
    """Return the table of all options with their bounds."""
    rows = ((f"`{o.name}`", shown(o), f"{o.help} {_allowed(o)}") for o in OPTIONS)
    return table(("Option", "Default", "What it is"), rows)


def _allowed(option: Option) -> str:
    bounds = option.bounds.removeprefix("a whole number, ")
    escaped = re.sub(r"([*_])", r"\\\1", f"; {bounds}" if bounds else "")
    return f"*{TYPES[option.kind].capitalize()}*{escaped}."


def short_options() -> str:
    """Return the README's table of options."""
    rows = ((f"`{o.name}`", shown(o), o.help) for o in OPTIONS)
    return table(("Option", "Default", "What it is"), rows)


def attributes() -> str:
    """Return the options whose attribute of the executor has another name."""
    rows = ((f"`{o.name}`", f"`{o.attr}`") for o in OPTIONS if o.attr != o.name)
    return table(("Option", "Attribute"), rows)


def resources() -> str:
    """Return the table of the AWS resources."""
    rows = (
        (what, option or "none", f"`{logical}`" if logical else "yours", why)
        for what, option, logical, why in RESOURCES
    )
    return table(("Resource", "Option", "In the template", "What for"), rows)


def template() -> dict[str, Any]:
    """Return the CloudFormation template, its functions as plain text or lists."""
    import yaml

    class Loader(yaml.SafeLoader):
        """Reads CloudFormation's short functions."""

    Loader.add_multi_constructor("!", _function)
    text = (files("covalent_awsbatch_plugin") / "assets" / "cloudformation.yaml").read_text()
    return dict(yaml.load(text, Loader))


def _function(loader: Any, name: str, node: Any) -> Any:
    if not isinstance(node.value, str):
        return loader.construct_sequence(node, deep=True)
    if name == "Sub":
        return node.value
    return "${" + node.value + "}"


def parameters() -> str:
    """Return the template's parameters."""
    found = template()["Parameters"].items()
    rows = ((f"`{name}`", _default(p), p["Description"].strip()) for name, p in found)
    return table(("Parameter", "Default", "What it is"), rows)


def _default(parameter: Mapping[str, Any]) -> str:
    if "Default" not in parameter:
        return "none"
    return f"`{parameter['Default']}`" if parameter["Default"] != "" else "empty"


def policies() -> str:
    """Return every policy of the template, as JSON to paste."""
    parts = []
    for name, resource in template()["Resources"].items():
        properties = resource["Properties"]
        documents = [p["PolicyDocument"] for p in properties.get("Policies", ())]
        if "PolicyDocument" in properties and name != "BucketPolicy":
            documents.append(properties["PolicyDocument"])
        for document in documents:
            parts += [f"### {name}", f"{properties['Description'].strip()}.", _json(document)]
    return "\n\n".join(parts) + "\n"


def _json(value: Any) -> str:
    return f"```json\n{json.dumps(value, indent=2)}\n```"


def commands() -> str:
    """Return the help of every command."""
    import click

    from covalent_awsbatch_plugin.cli import COMMANDS, main

    parts = []
    with click.Context(
        main, info_name="covalent-awsbatch", terminal_width=HELP_WIDTH, **main.context_settings
    ) as parent:
        for name in COMMANDS:
            command = main.get_command(parent, name)
            if command is None:
                continue
            context = click.Context(command, info_name=name, parent=parent)
            shown = f"```text\n{command.get_help(context)}\n```"
            parts += [f"## {name}", f":::{{container}} help\n{shown}\n:::"]
    return "\n\n".join(parts) + "\n"


def changelog() -> str:
    """Return the changelog's releases."""
    text = ROOT.joinpath("CHANGELOG.md").read_text("utf-8")
    return "## " + text.partition("\n## ")[2]


def facts() -> str:
    """Return what only an account can show, and how it is measured."""
    from tests.account.facts import FACTS, NOT_MEASURED

    rows = [(fact.key, fact.text, f"with `{fact.needs}`" * bool(fact.needs)) for fact in FACTS]
    unmeasured = "\n".join(f"- {text}" for text in NOT_MEASURED)
    shown = table(("In the report", "What is expected of AWS", "Measured"), rows)
    return (
        f"{shown}\nNot measured, since no run shows it, or none that is quick:\n\n{unmeasured}\n"
    )


MAKERS: dict[str, Callable[[], str]] = {
    maker.__name__: maker
    for maker in (options, attributes, resources, parameters, policies, commands, facts, changelog)
}
