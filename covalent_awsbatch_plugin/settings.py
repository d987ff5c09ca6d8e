"""Every option of the executor, once: its name, type, default, bounds and help.

The constructor, the section ``[executors.awsbatch]`` of Covalent's configuration, the command
line and the reference in the documentation are all made from ``OPTIONS``.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import InvalidOptions

SECTION = "executors.awsbatch"

# The image that release 0.42 wrote into every configuration file by itself: nobody's choice, and
# its Python is not the client's. It is taken to mean the default.
DEFAULT_IMAGE_0_42 = "public.ecr.aws/covalent/covalent-executor-base:stable"

Check = Callable[[Any], str | None]


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        name: Its name as constructor argument and configuration key.
        kind: Its type: str, int, float, bool or dict.
        default: Its value where neither argument nor configuration gives one.
        help: What it is, with its unit.
        bounds: The values it may have, in words.
        check: Says what is wrong with a value of the right type, or nothing.
        attribute: The executor's attribute, where it differs from the name.
        documented: Whether it is of the published interface (and so written to new
            configuration files) or new in 1.0.
    """

    name: str
    kind: type
    default: Any
    help: str
    bounds: str = ""
    check: Check = lambda value: None
    attribute: str = ""
    documented: bool = True

    @property
    def attr(self) -> str:
        """The name of the executor's attribute."""
        return self.attribute or self.name


def _between(low: float, high: float | None = None) -> Check:
    def check(value: Any) -> str | None:
        if value < low:
            return f"must be at least {low:g}"
        if high is not None and value > high:
            return f"must be at most {high:g}"
        return None

    return check


def _matches(pattern: str, rule: str) -> Check:
    def check(value: Any) -> str | None:
        return None if re.fullmatch(pattern, value) else rule

    return check


def _bucket(value: str) -> str | None:
    rule = "must be a name S3 accepts: 3 to 63 of a-z, 0-9, '.' and '-', no IP address"
    well_formed = re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", value) and ".." not in value
    if not well_formed or re.fullmatch(r"\d+\.\d+\.\d+\.\d+", value):
        return rule
    return rule if value.startswith("xn--") or value.endswith("-s3alias") else None


def _environment(value: dict[str, Any]) -> str | None:
    for name, content in value.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(name)):
            return f"must have names a shell accepts, not {name!r}"
        if name.startswith(("AWS_BATCH", "COVALENT_AWSBATCH_")):
            return f"must not set {name}: AWS_BATCH* and COVALENT_AWSBATCH_* are taken"
        if not isinstance(content, str):
            return f"must have text for values; {name} is {type(content).__name__}"
    return None


def _tags(value: dict[str, Any]) -> str | None:
    # AWS allows 50; the plugin's own take five.
    if len(value) > 45:
        return "must be at most 45"
    for key, content in value.items():
        if not isinstance(content, str) or not 0 < len(key) <= 128 or len(content) > 256:
            return f"must have keys of 1 to 128 and text values of up to 256 characters ({key!r})"
        if key.lower().startswith(("aws:", "covalent-awsbatch:")):
            return f"must not begin with aws: or covalent-awsbatch: ({key!r})"
    return None


def _container_properties(value: dict[str, Any]) -> str | None:
    taken = {"command", "vcpus", "memory", "resourceRequirements"} & set(value)
    if taken:
        return f"must not set {', '.join(sorted(taken))}: the plugin sets them itself"
    return None


def _choice(*choices: str) -> Check:
    def check(value: Any) -> str | None:
        return None if value in choices else f"must be one of {', '.join(map(repr, choices))}"

    return check


_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}"
_ROLE = r"[\w+=,.@/-]{1,512}|arn:aws[\w-]*:iam::\d{12}:role/[\w+=,.@/-]+"
_QUEUE = rf"{_NAME}|arn:aws[\w-]*:batch:[\w-]+:\d{{12}}:job-queue/{_NAME}"

OPTIONS: tuple[Option, ...] = (
    Option(
        "credentials",
        str,
        "~/.aws/credentials",
        "Path of the AWS credentials file. Where the default file does not exist, the AWS SDK's "
        "own search applies: environment, SSO, instance or container role.",
        attribute="credentials_file",
    ),
    Option(
        "profile",
        str,
        "default",
        "Name of the AWS profile. Where the profile 'default' does not exist, or for an empty "
        "text, the AWS SDK's own search for credentials applies.",
    ),
    Option(
        "region",
        str,
        "us-east-1",
        "AWS region of the queue, the bucket and the logs.",
        "a region's name, such as eu-west-1",
        _matches(r"[a-z]{2,}(-[a-z]+)+-\d+", "must be a region's name, such as us-east-1"),
    ),
    Option(
        "s3_bucket_name",
        str,
        "covalent-batch-job-resources",
        "Name of the S3 bucket through which tasks and results travel.",
        "3 to 63 characters, as S3 accepts",
        _bucket,
    ),
    Option(
        "batch_queue",
        str,
        "covalent-batch-queue",
        "Name or ARN of the Batch job queue.",
        "1 to 128 of letters, digits, - and _; or an ARN",
        _matches(_QUEUE, "must be a queue's name (letters, digits, - and _) or ARN"),
    ),
    Option(
        "batch_execution_role_name",
        str,
        "ecsTaskExecutionRole",
        "Name or ARN of the IAM role with which ECS pulls the image and writes the log.",
        "a role's name or ARN",
        _matches(_ROLE, "must be a role's name or ARN"),
        attribute="execution_role",
    ),
    Option(
        "batch_job_role_name",
        str,
        "CovalentBatchJobRole",
        "Name or ARN of the IAM role that the task itself has.",
        "a role's name or ARN",
        _matches(_ROLE, "must be a role's name or ARN"),
    ),
    Option(
        "batch_job_log_group_name",
        str,
        "covalent-batch-job-logs",
        "Name of the CloudWatch log group of the jobs' output.",
        "1 to 512 of letters, digits, . - _ / #",
        _matches(r"[\w./#-]{1,512}", "must be a log group's name"),
        attribute="log_group_name",
    ),
    Option(
        "vcpu",
        int,
        2,
        "Number of vCPUs of the task.",
        "a whole number, at least 1",
        _between(1),
    ),
    Option(
        "memory",
        float,
        3.75,
        "Memory of the task in GB (1 GB is 1024 MiB here, as in release 0.42).",
        "at least 4 MiB (0.00390625)",
        _between(4 / 1024),
    ),
    Option("num_gpus", int, 0, "Number of GPUs of the task.", "at least 0", _between(0)),
    Option(
        "retry_attempts",
        int,
        3,
        "How many times in all a job is attempted.",
        "1 to 10 (0 is taken as 1)",
        _between(0, 10),
    ),
    Option(
        "time_limit",
        int,
        300,
        "Seconds after which an attempt is ended; it is not attempted again then.",
        "at least 60",
        _between(60),
    ),
    Option(
        "poll_freq",
        float,
        10,
        "Seconds between two looks at a job, at most. A new job is looked at sooner.",
        "at least 0.1",
        _between(0.1),
    ),
    Option(
        "cache_dir",
        str,
        "/tmp/covalent",  # noqa: S108 - the documented default; files in it are private
        "Folder of the server's temporary files for large arguments and results.",
    ),
    Option(
        "container_image_uri",
        str,
        "",
        "Image of the job. Any with the workflow's Python minor version serves; what it lacks "
        "is installed when the job starts. Empty: the official slim Python image.",
        check=_matches(r"[\w./:@-]{0,255}", "must be an image's name"),
    ),
    Option(
        "batch_job_definition_name",
        str,
        "covalent-batch-jobs",
        "Name of the job definition under which the plugin keeps its revisions.",
        "1 to 128 of letters, digits, - and _",
        _matches(_NAME, "must be of letters, digits, - and _, 128 at most"),
    ),
    Option(
        "environment",
        dict,
        {},
        "Environment variables of the task. They show in the job definition: no secrets.",
        "names a shell accepts; not AWS_BATCH*, COVALENT_AWSBATCH_*",
        _environment,
        documented=False,
    ),
    Option(
        "tags",
        dict,
        {},
        "Tags of the jobs and job definitions, as for cost allocation.",
        "at most 45; keys up to 128, values up to 256 characters",
        _tags,
        documented=False,
    ),
    Option(
        "endpoint_url",
        str,
        "",
        "URL of every AWS service, for the local AWS. Empty: AWS itself.",
        "an http or https URL",
        _matches(r"|https?://\S+", "must be an http or https URL"),
        documented=False,
    ),
    Option(
        "container_properties",
        dict,
        {},
        "Container properties of the job definition, as Batch names them, merged over the "
        "plugin's: linuxParameters, mountPoints, volumes, ulimits, secrets, user and so on.",
        "not command, vcpus, memory, resourceRequirements",
        _container_properties,
        documented=False,
    ),
    Option(
        "retry_on",
        str,
        "any",
        "Which failures are attempted again: 'any', or 'infrastructure' (a lost host, an image "
        "that could not be pulled and the like, but not a task that raised).",
        "'any' or 'infrastructure'",
        _choice("any", "infrastructure"),
        documented=False,
    ),
    Option(
        "glue_on_batch",
        bool,
        False,
        "Whether Covalent's own small nodes (lists, items, arithmetic) run as jobs too, instead "
        "of beside the server.",
        documented=False,
    ),
    Option(
        "keep_objects",
        bool,
        False,
        "Whether a task's objects stay in the bucket after it ended, until its lifecycle rule "
        "removes them.",
        documented=False,
    ),
)

BY_NAME: Mapping[str, Option] = {option.name: option for option in OPTIONS}

# Of Covalent's base classes: accepted, and left to them.
INHERITED = ("log_stdout", "log_stderr", "retries", "remote_cache", "covalent_version")


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
            wrong.append(_complaint(option, value, problem))
    if values["container_image_uri"] == DEFAULT_IMAGE_0_42:
        values["container_image_uri"] = ""
    _refuse(wrong)
    return values


def validate(values: Mapping[str, Any]) -> None:
    """Check the values of an executor's attributes.

    Raises:
        InvalidOptions: Values are of the wrong type or out of bounds; it names all of them.
    """
    _refuse(
        _complaint(option, values[option.attr], problem)
        for option in OPTIONS
        if (problem := _convert(option, values[option.attr])[1])
    )


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
