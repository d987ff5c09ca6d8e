"""CloudFormation templates, read and evaluated: the part of the language that ours uses. Pure.

Evaluation has two steps. ``resources`` puts in parameters and conditions, which shows what a
change of parameters changes; references to other resources stay. ``resolved`` puts those in,
once the resources they name are made.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any

import yaml

REFERENCE = re.compile(r"\$\{([^}]+)\}")
NOTHING = object()


class TemplateError(ValueError):
    """The template or its parameters are not valid; the message is CloudFormation's."""


class _Loader(yaml.SafeLoader):
    """Reads the short forms: ``!Ref x`` as ``{"Ref": x}``, ``!Sub x`` as ``{"Fn::Sub": x}``."""


def _short_form(loader: Any, suffix: str, node: Any) -> dict[str, Any]:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        text = loader.construct_scalar(node)
        return {name: text.split(".", 1) if suffix == "GetAtt" else text}
    return {name: loader.construct_sequence(node, deep=True)}


_Loader.add_multi_constructor("!", _short_form)


def load(text: str) -> dict[str, Any]:
    """Read a template, in YAML or JSON.

    Raises:
        TemplateError: It is neither, or has no resources.
    """
    try:
        content = yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader with tags
    except yaml.YAMLError as error:
        raise TemplateError(f"Template format error: {error}") from error
    if not isinstance(content, dict) or not content.get("Resources"):
        raise TemplateError(
            "Template format error: At least one Resources member must be defined."
        )
    return content


def parameters(template: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    """Return every parameter's value as text: the given one, or the default.

    Raises:
        TemplateError: One is unknown, missing or not allowed.
    """
    declared = template.get("Parameters", {})
    unknown = sorted(set(given) - set(declared))
    if unknown:
        raise TemplateError(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    values = {}
    for name, declaration in declared.items():
        value = given.get(name, declaration.get("Default", NOTHING))
        if value is NOTHING:
            raise TemplateError(f"Parameters: [{name}] must have values")
        values[name] = str(value)
        _check(name, values[name], declaration)
    return values


def _check(name: str, value: str, declaration: Mapping[str, Any]) -> None:
    allowed = [str(choice) for choice in declaration.get("AllowedValues", ())]
    pattern = declaration.get("AllowedPattern")
    low, high = declaration.get("MinValue"), declaration.get("MaxValue")
    wrong = bool(allowed and value not in allowed) or bool(
        pattern and not re.fullmatch(pattern, value)
    )
    if declaration["Type"] == "Number" and not wrong:
        number = float(value)
        wrong = (low is not None and number < low) or (high is not None and number > high)
    if wrong:
        rule = declaration.get("ConstraintDescription", f"{value!r} is not allowed")
        raise TemplateError(f"Parameter '{name}' must satisfy constraint: {rule}")


def environment(
    template: Mapping[str, Any], values: Mapping[str, str], pseudo: Mapping[str, str]
) -> dict[str, Any]:
    """Return what ``Ref`` knows without any resource: parameters and AWS's own names."""
    typed = {name: _typed(v, template["Parameters"][name]["Type"]) for name, v in values.items()}
    return {**typed, **pseudo, "AWS::NoValue": NOTHING}


def _typed(value: str, kind: str) -> Any:
    if kind.startswith("List<") or kind == "CommaDelimitedList":
        return value.split(",")
    return int(value) if kind == "Number" else value


def resources(template: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the resources whose conditions hold, with parameters and conditions put in."""
    conditions = template.get("Conditions", {})
    return {
        name: _evaluate(resource, known, conditions)
        for name, resource in template["Resources"].items()
        if "Condition" not in resource
        or _evaluate({"Condition": resource["Condition"]}, known, conditions)
    }


def outputs(template: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Return the outputs' values, with parameters and conditions put in."""
    declared = template.get("Outputs", {})
    conditions = template.get("Conditions", {})
    return {name: _evaluate(o["Value"], known, conditions) for name, o in declared.items()}


def in_order(wanted: Mapping[str, Any]) -> list[str]:
    """Return the resources' names, each after those it refers to."""
    order: list[str] = []

    def visit(name: str) -> None:
        if name not in order:
            for other in sorted(_references(wanted[name]) & set(wanted)):
                visit(other)
            order.append(name)

    for name in wanted:
        visit(name)
    return order


def resolved(node: Any, find: Callable[[str, str], Any]) -> Any:
    """Put in references to resources.

    Args:
        node: What ``resources`` or ``outputs`` returned.
        find: Returns a resource's physical id (for the attribute "") or attribute.
    """
    if isinstance(node, list):
        return [resolved(item, find) for item in node]
    if not isinstance(node, dict):
        return node
    if set(node) == {"Ref"}:
        return find(node["Ref"], "")
    if set(node) == {"Fn::GetAtt"}:
        return find(*node["Fn::GetAtt"])
    if set(node) == {"Fn::Join"}:
        separator, parts = node["Fn::Join"]
        return separator.join(str(resolved(part, find)) for part in parts)
    return {key: resolved(value, find) for key, value in node.items()}


def _references(node: Any) -> set[str]:
    if isinstance(node, list):
        return {name for item in node for name in _references(item)}
    if not isinstance(node, dict):
        return set()
    if set(node) == {"Ref"}:
        return {node["Ref"]}
    if set(node) == {"Fn::GetAtt"}:
        return {node["Fn::GetAtt"][0]}
    return {name for value in node.values() for name in _references(value)}


def _evaluate(node: Any, known: Mapping[str, Any], conditions: Mapping[str, Any]) -> Any:
    def inner(value: Any) -> Any:
        return _evaluate(value, known, conditions)

    if isinstance(node, list):
        return [value for item in node if (value := inner(item)) is not NOTHING]
    if not isinstance(node, dict):
        return node
    if len(node) == 1:
        ((name, argument),) = node.items()
        if name in _FUNCTIONS:
            return _FUNCTIONS[name](argument, inner, known, conditions)
    evaluated = {key: inner(value) for key, value in node.items() if key != "Condition"}
    if isinstance(node.get("Condition"), dict):
        # A policy statement's condition, not a resource's.
        evaluated["Condition"] = inner(node["Condition"])
    return {key: value for key, value in evaluated.items() if value is not NOTHING}


def _ref(argument: Any, _inner: Any, known: Mapping[str, Any], _conditions: Any) -> Any:
    return known.get(argument, {"Ref": argument})


def _get_att(argument: Any, *_: Any) -> Any:
    return {"Fn::GetAtt": argument}


def _sub(argument: Any, _inner: Any, known: Mapping[str, Any], _conditions: Any) -> Any:
    pieces = REFERENCE.split(argument)
    parts: list[Any] = []
    for index, piece in enumerate(pieces):
        if index % 2 == 0:
            parts.append(piece)
        elif piece in known:
            parts.append(str(known[piece]))
        else:
            name, _, attribute = piece.partition(".")
            parts.append({"Fn::GetAtt": [name, attribute]} if attribute else {"Ref": name})
    if all(isinstance(part, str) for part in parts):
        return "".join(parts)
    return {"Fn::Join": ["", [part for part in parts if part != ""]]}


def _if(argument: Any, inner: Any, known: Mapping[str, Any], conditions: Mapping[str, Any]) -> Any:
    name, then, otherwise = argument
    return inner(then if _condition(name, inner, known, conditions) else otherwise)


def _condition(name: str, inner: Any, _known: Any, conditions: Mapping[str, Any]) -> bool:
    return bool(inner(conditions[name]))


def _equals(argument: Any, inner: Any, *_: Any) -> bool:
    first, second = inner(argument)
    return str(first) == str(second)


def _not(argument: Any, inner: Any, *_: Any) -> bool:
    return not inner(argument)[0]


def _split(argument: Any, inner: Any, *_: Any) -> list[str]:
    separator, text = inner(argument)
    return str(text).split(separator)


def _select(argument: Any, inner: Any, *_: Any) -> Any:
    index, items = inner(argument)
    return items[int(index)]


def _base64(argument: Any, inner: Any, *_: Any) -> str:
    return base64.b64encode(str(inner(argument)).encode()).decode()


def _join(argument: Any, inner: Any, *_: Any) -> Any:
    separator, parts = inner(argument)
    if all(isinstance(part, str) for part in parts):
        return separator.join(parts)
    return {"Fn::Join": [separator, parts]}


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "Ref": _ref,
    "Condition": _condition,
    "Fn::GetAtt": _get_att,
    "Fn::Sub": _sub,
    "Fn::If": _if,
    "Fn::Equals": _equals,
    "Fn::Not": _not,
    "Fn::Split": _split,
    "Fn::Select": _select,
    "Fn::Base64": _base64,
    "Fn::Join": _join,
}
