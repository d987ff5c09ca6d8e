"""The options' values: arguments over configuration over defaults, converted and checked."""

from __future__ import annotations

import difflib
import logging
import os
import sys
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..errors import InvalidOptions
from .bounds import conflicts
from .table import BY_NAME, INHERITED, OPTIONS, Option

SECTION = "executors.awsbatch"

log = logging.getLogger("covalent_awsbatch_plugin")

_warned: set[str] = set()

# The image that release 0.42 wrote into every configuration file by itself: no user chose it, and
# its Python is not the client's. It is taken to mean the default.
DEFAULT_IMAGE_0_42 = "public.ecr.aws/covalent/covalent-executor-base:stable"


def defaults(documented_only: bool = False) -> dict[str, Any]:
    """Return every option's default by name."""
    return {o.name: o.default for o in OPTIONS if o.documented or not documented_only}


def default_image(version: str = "") -> str:
    """Return the official slim image of a Python version, by default the running one's."""
    minor = ".".join((version or sys.version.split()[0]).split(".")[:2])
    return f"public.ecr.aws/docker/library/python:{minor}-slim"


def nearest(name: str) -> str:
    """Return the option whose name is most like ``name``, or nothing."""
    found = difflib.get_close_matches(name, [*BY_NAME, *INHERITED], n=1, cutoff=0.5)
    return found[0] if found else ""


def configuration_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the path of Covalent's configuration file, by Covalent's own rule.

    Args:
        environment: The variables of the process that reads it; this one's by default.
    """
    folder = environment.get("COVALENT_CONFIG_DIR") or environment.get("XDG_CONFIG_DIR")
    if not folder:
        home = environment.get("HOME") or os.path.expanduser("~")
        folder = os.path.join(home, ".config", "covalent")
    return Path(folder) / "covalent.conf"


def configured() -> dict[str, Any]:
    """Return the section of Covalent's configuration; it has none before Covalent is imported."""
    from covalent._shared_files.config import get_config

    try:
        return dict(get_config(SECTION))
    except KeyError:
        return {}


# What an AWS SDK finds by itself where the user leaves it open.
SDK_OPTIONS = ("credentials", "profile", "region")


def left_to_sdk(arguments: Mapping[str, Any], configured: Mapping[str, Any]) -> list[str]:
    """Return those of SDK_OPTIONS that nothing chose: as boto3 does it is what counts then.

    Covalent writes every default to its configuration file, and passes the whole section as
    arguments when it makes an executor itself. So a default in the file is no choice, nor is an
    argument of such a call. A region belongs to the bucket that the file names with it, as
    ``deploy`` writes both.
    """
    known = {key: value for key, value in configured.items() if key in BY_NAME}
    by_covalent = bool(known) and all(arguments.get(k) == v for k, v in known.items())
    given = {} if by_covalent else arguments
    return [name for name in SDK_OPTIONS if not _is_chosen(name, given.get(name), known)]


def _is_chosen(name: str, argument: Any, configured: Mapping[str, Any]) -> bool:
    if argument is not None:
        return bool(argument)
    value = configured.get(name)
    if value in (None, ""):
        return False
    default_bucket = BY_NAME["s3_bucket_name"].default
    names_bucket = configured.get("s3_bucket_name", default_bucket) != default_bucket
    return (name == "region" and names_bucket) or not _is_default(name, value)


def _is_default(name: str, value: Any) -> bool:
    # Release 0.42 wrote the path of the credentials file with the home folder in it.
    default = str(BY_NAME[name].default)
    return os.path.expanduser(str(value)) == os.path.expanduser(default)


def chosen(values: Mapping[str, Any], left: Iterable[str]) -> dict[str, str]:
    """Return the attributes of SDK_OPTIONS, empty for those that are left to the SDK."""
    attributes = {name: BY_NAME[name].attr for name in SDK_OPTIONS}
    return {
        attribute: ""
        if name in left and _is_default(name, values[attribute])
        else values[attribute]
        for name, attribute in attributes.items()
    }


def report_unknown(unknown: Mapping[str, Any], configured: Mapping[str, Any]) -> None:
    """Warn of unknown keys of the configuration, each once; refuse unknown arguments of a call.

    Raises:
        TypeError: An argument has an unknown name.
    """
    for name in unknown:
        likely = nearest(name)
        hint = f"; did you mean {likely!r}?" if likely else ""
        if name not in configured:
            raise TypeError(f"AWSBatchExecutor has no option {name!r}{hint}")
        if name not in _warned:
            _warned.add(name)
            where = f"[{SECTION}] of {configuration_path()}"
            message = f"AWS Batch: the key {name!r} in {where} is unknown and ignored{hint}"
            log.warning("%s", message)
            # The log may be a file; this is printed where the executor is made.
            warnings.warn(message, stacklevel=3)


def resolve(arguments: Mapping[str, Any], configured: Mapping[str, Any]) -> dict[str, Any]:
    """Return every option's value by attribute name: argument, else configuration, else default.

    An argument that is not None wins, also 0 and an empty text. Values of the configuration that
    are text, as ``covalent deploy`` writes them, become numbers.

    Raises:
        InvalidOptions: Values are of the wrong type or out of bounds; it names all of them.
    """
    values, wrong = {}, []
    for option in OPTIONS:
        value = _first(arguments.get(option.name), configured.get(option.name), option.default)
        converted, problem = _convert(option, value)
        values[option.attr] = converted
        if problem:
            given = arguments.get(option.name) is not None
            chosen = not given and configured.get(option.name) is not None
            where = f" ([{SECTION}] of {configuration_path()})" if chosen else ""
            wrong.append(_complaint(option, value, problem) + where)
    if values["container_image_uri"] == DEFAULT_IMAGE_0_42:
        values["container_image_uri"] = ""
    _refuse(wrong or conflicts(values))
    return values


def validate(values: Mapping[str, Any]) -> None:
    """Check the values of an executor's attributes.

    Raises:
        InvalidOptions: Values are of the wrong type or out of bounds; it names all of them.
    """
    wrong = [
        _complaint(option, values[option.attr], problem)
        for option in OPTIONS
        if (problem := _convert(option, values[option.attr])[1])
    ]
    _refuse(wrong or conflicts(values))


def _first(*values: Any) -> Any:
    return next(value for value in values if value is not None)


def _convert(option: Option, value: Any) -> tuple[Any, str | None]:
    if isinstance(value, str) and option.kind in (int, float, bool):
        value = _number(option.kind, value)
    if option.kind is float and isinstance(value, int) and not isinstance(value, bool):
        return value, option.check(value)
    if option.kind is int and isinstance(value, float) and value.is_integer():
        value = int(value)
    if option.kind is dict and isinstance(value, Mapping):
        value = dict(value)
    if option.kind is str and hasattr(value, "__fspath__"):
        value = str(value)
    if not isinstance(value, option.kind) or (option.kind is not bool and isinstance(value, bool)):
        return value, f"must be {_WORDS[option.kind]}"
    return value, option.check(value)


_WORDS = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "a table of names and values",
}


def _number(kind: type, text: str) -> Any:
    if kind is bool:
        return {"true": True, "false": False}.get(text.strip().lower(), text)
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() else number


def _complaint(option: Option, value: Any, problem: str) -> str:
    # What is in these may be secret; the problem itself names the key.
    shown = "" if option.kind is dict else f" is {value!r}, but"
    return f"{option.name}{shown} {problem}"


def _refuse(wrong: Iterable[str]) -> None:
    listed = list(wrong)
    if listed:
        raise InvalidOptions("; ".join(listed) + ".")
