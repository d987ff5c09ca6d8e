"""An executor as people see it: in a terminal, a notebook, and Covalent's interface. Pure."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .table import OPTIONS, Option

# Covalent's user interface shows the first nine attributes of an executor.
FIRST = (
    "batch_queue",
    "vcpu",
    "memory",
    "num_gpus",
    "time_limit",
    "retry_attempts",
    "container_image_uri",
    "s3_bucket_name",
    "region",
)

ARGUMENT, FILE, DEFAULT = "argument", "covalent.conf", "default"


@dataclass(frozen=True)
class Shown:
    """An option of an executor.

    Attributes:
        name: Its name.
        value: Its value as text; of tables only the names, since the values may be secret.
        source: Where it comes from.
    """

    name: str
    value: str
    source: str


def ordered(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes with the most informative ones first."""
    return {**{name: values[name] for name in FIRST}, **values}


def shown(attributes: Mapping[str, Any], configured: Mapping[str, Any]) -> Iterator[Shown]:
    """Yield the options of an executor, those of FIRST first."""
    by_name = {option.name: option for option in OPTIONS}
    for name in ordered(by_name):
        option = by_name[name]
        value = attributes.get(option.attr, option.default)
        yield Shown(name, _text(value), _source(option, value, configured))


def as_text(attributes: Mapping[str, Any], configured: Mapping[str, Any]) -> str:
    """Return the executor as the call that makes it, without what is the default."""
    chosen = [one for one in shown(attributes, configured) if one.source != DEFAULT]
    return f"AWSBatchExecutor({', '.join(f'{one.name}={one.value}' for one in chosen)})"


def as_html(attributes: Mapping[str, Any], configured: Mapping[str, Any]) -> str:
    """Return the executor as a table for a notebook."""
    rows = "".join(
        f"<tr><th style='text-align:left'>{one.name}</th>"
        f"<td style='text-align:left'><code>{html.escape(one.value)}</code></td>"
        f"<td style='text-align:left'>{one.source}</td></tr>"
        for one in shown(attributes, configured)
    )
    head = "<tr><th>Option</th><th>Value in effect</th><th>From</th></tr>"
    return f"<table><caption>AWSBatchExecutor</caption>{head}{rows}</table>"


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: ..." for key in value) + "}"
    return repr(value)


def _source(option: Option, value: Any, configured: Mapping[str, Any]) -> str:
    # Covalent writes every default into its file; that is no choice of the user's.
    if value == option.default:
        return DEFAULT
    # What covalent deploy writes is text.
    return FILE if str(configured.get(option.name)) == str(value) else ARGUMENT
