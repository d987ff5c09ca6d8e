"""``covalent-awsbatch config``: the executor's options in effect, and where each comes from."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import click

from ..errors import InvalidOptions
from ..options import resolution
from ..options.table import BY_NAME, INHERITED, OPTIONS, Option
from .shared.configuration import configuration_path, read_section
from .shared.screen import console

FILE, DEFAULT, SDK = "file", "default", "AWS SDK"

# What boto3 takes from the environment where an option leaves the choice to it.
VARIABLES = {
    "credentials": ("AWS_SHARED_CREDENTIALS_FILE",),
    "profile": ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"),
    "region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    "endpoint_url": ("AWS_ENDPOINT_URL",),
}


@dataclass(frozen=True)
class Setting:
    """An option's value in effect.

    Attributes:
        name: The option's name.
        value: Its value.
        source: ``file`` or ``default``.
        problem: Why the executor would refuse it; empty where it would not.
        boto3: What boto3 would use by itself; empty where that is the same or no question.
    """

    name: str
    value: Any
    source: str
    problem: str = ""
    boto3: str = ""


@click.group()
def config() -> None:
    """Show the executor's configuration."""


@config.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(as_json: bool) -> None:
    """Show each option's value in effect, where it comes from, and what boto3 would use.

    This is what a Covalent server that starts in this environment takes for executor="awsbatch";
    arguments of an executor in a workflow win over it. Exit code 1 where a value is refused.
    """
    section = read_section()
    settings = [_setting(option, section) for option in OPTIONS]
    unknown = unknown_keys(section)
    if as_json:
        report = {
            "file": str(configuration_path()),
            "settings": [asdict(setting) for setting in settings],
            "unknown": unknown,
        }
        click.echo(json.dumps(report, indent=2, default=str))
    else:
        _show(settings, unknown)
    if any(setting.problem for setting in settings):
        raise click.exceptions.Exit(1)


def unknown_keys(section: Mapping[str, Any]) -> dict[str, str]:
    """Return the keys of the section that are no options, each with the nearest option."""
    known = (*BY_NAME, *INHERITED)
    return {key: resolution.nearest(key) for key in section if key not in known}


def _setting(option: Option, section: Mapping[str, Any]) -> Setting:
    configured = section.get(option.name)
    # Covalent writes every default into its file; that is no choice of the user's.
    chosen = configured is not None and configured != option.default
    if option.name in resolution.SDK_OPTIONS:
        chosen = option.name not in resolution.left_to_sdk({}, section)
    value = configured if configured is not None else option.default
    try:
        values = resolution.resolve({}, {option.name: value})
    except InvalidOptions as error:
        return Setting(option.name, value, FILE, problem=error.detail)
    other = "" if chosen else _by_boto3(option)
    return Setting(option.name, values[option.attr], FILE if chosen else DEFAULT, boto3=other)


def _by_boto3(option: Option) -> str:
    for variable in VARIABLES.get(option.name, ()):
        if os.environ.get(variable):
            return f"{os.environ[variable]} ({variable})"
    return _region_of_profile() if option.name == "region" else ""


def _region_of_profile() -> str:
    import botocore.exceptions
    import botocore.session

    try:
        region = botocore.session.Session().get_config_variable("region")
    except botocore.exceptions.BotoCoreError:
        return ""
    return f"{region} (AWS configuration file)" if region else ""


def _show(settings: list[Setting], unknown: Mapping[str, str]) -> None:
    screen = console()
    screen.print(f"\\[executors.awsbatch] in {configuration_path()}", style="bold")
    width = max(len(setting.name) for setting in settings)
    for setting in settings:
        line = f"  {setting.name:<{width}}  {_literal(setting.value)}"
        style = "red" if setting.problem else "dim" if setting.source == DEFAULT else ""
        notes = [setting.source] if setting.source == DEFAULT else []
        notes += [f"boto3: {setting.boto3}"] if setting.boto3 else []
        notes += [f"REFUSED: {setting.problem}"] if setting.problem else []
        suffix = f"  ({'; '.join(notes)})" if notes else ""
        screen.print(line + suffix, style=style, markup=False)
    for key, nearest in unknown.items():
        hint = f"; did you mean {nearest}?" if nearest else "; remove it."
        screen.print(f"  {key}  is unknown and ignored{hint}", style="yellow", markup=False)


def _literal(value: Any) -> str:
    if isinstance(value, Mapping):
        # Values of environment variables may be secret.
        return "{" + ", ".join(f"{key} = ..." for key in value) + "}"
    return json.dumps(value, default=str)
