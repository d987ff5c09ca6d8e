"""From a deployment to Covalent's configuration: what was made, and how to get there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ...aws.calls.credentials import PROFILE_VARIABLES
from ...options import resolution
from ..shared.configuration import configuration_path, difference, read_section, write_section
from ..shared.screen import console
from .stack import StackState

CREDENTIALS_VARIABLES = ("AWS_SHARED_CREDENTIALS_FILE",)


def from_environment(options: Mapping[str, Any], configured: Mapping[str, Any]) -> dict[str, str]:
    """Return options that neither the call nor the configuration gives, but the environment.

    They are written to the configuration, since the Covalent server may have another environment.
    Keys in the environment win over profiles, so that no profile belongs to them.
    """
    named = {name: options[name] for name in resolution.SDK_OPTIONS}
    left = resolution.left_to_sdk(named, configured)
    if os.environ.get("AWS_ACCESS_KEY_ID") or "profile" not in left:
        return {}
    variables = {"credentials": CREDENTIALS_VARIABLES, "profile": PROFILE_VARIABLES}
    found = {
        option: next((os.environ[name] for name in names if os.environ.get(name)), "")
        for option, names in variables.items()
        if option in left
    }
    return {option: value for option, value in found.items() if value}


def settings(state: StackState, options: Mapping[str, Any], endpoint_url: str) -> dict[str, str]:
    """Return the configuration keys that make Covalent use the stack as this command did."""
    chosen = {key: options[key] for key in ("profile", "credentials") if options[key] is not None}
    configured = read_section()
    # An endpoint that is not configured is not mentioned; one that no longer applies is cleared.
    if endpoint_url or configured.get("endpoint_url"):
        chosen["endpoint_url"] = endpoint_url
    return {**state.options(), **chosen}


def configure(values: Mapping[str, str]) -> None:
    """Write values to the configuration, and show what that changes."""
    path, before = configuration_path(), read_section()
    changed = difference(before, values)
    if not changed:
        console().print(f"{path}: [executors.awsbatch] is as it should be.", markup=False)
        return
    existed = path.exists()
    backup = write_section(values)
    console().print(f"{path}: [executors.awsbatch]", markup=False)
    for line in changed:
        console().print(f"  {line}", style="red" if line[0] == "-" else "green", markup=False)
    if existed and backup:
        console().print(f"The file as it was: {backup}", markup=False)
    console().print("A Covalent server that runs sees this after 'covalent restart'.")
