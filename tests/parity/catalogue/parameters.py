"""Parameters of every kind."""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import math
import pathlib
import uuid

import covalent as ct

from ..case import FAILED, Setting, Workflow, case


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.5


class Slotted:
    __slots__ = ("inner",)

    def __init__(self, inner):
        self.inner = inner

    def __repr__(self):
        return f"Slotted({self.inner!r})"


class Large:
    """Megabytes, but a short string form: Covalent names a node by it."""

    def __init__(self):
        self.values = array.array("q", range(400_000))

    def __repr__(self):
        return f"Large({len(self.values)})"


Pair = collections.namedtuple("Pair", "first second")

# Not lists, tuples, sets and dictionaries: of these Covalent makes nodes of their own.
VALUES = {
    "none": None,
    "true": True,
    "integer": -(2**200),
    "float": 1e-300,
    "nan": float("nan"),
    "infinity": float("-inf"),
    "complex": 1 - 2j,
    "text": "Grüße, 東京 \N{SNAKE} \n\t\0 end",
    "empty_text": "",
    "bytes": b"\x00\xff",
    "bytearray": bytearray(b"abc"),
    "frozenset": frozenset({1}),
    "range": range(1, 9, 2),
    "slice": slice(1, None, 3),
    "ellipsis": ...,
    "type": int,
    "callable": len,
    "date": datetime.datetime(2024, 2, 29, tzinfo=datetime.timezone.utc),
    "duration": datetime.timedelta(days=-1),
    "decimal": decimal.Decimal("1.10"),
    "fraction": fractions.Fraction(1, 3),
    "uuid": uuid.UUID(int=7),
    "path": pathlib.PurePosixPath("/a/b"),
    "enum": Colour.RED,
    "dataclass": Point(1),
    "slotted": Slotted([1]),
    "partial": functools.partial(int, base=2),
    "exception": ValueError("a", 1),
    "array": array.array("d", [0.5, 1]),
    "deque": collections.deque([1, 2], maxlen=2),
}


@case("Parameters of every type")
def parameters_of_every_type(setting: Setting) -> Workflow:
    @ct.electron
    def describe(**values):
        for name, value in values.items():
            print(name, type(value).__name__, repr(value))
        return sorted(values)

    def workflow():
        return describe(**VALUES)

    return Workflow(workflow)


@case(
    "Parameters with names that Covalent's wrapper has too",
    differs={
        "names": (
            "status",
            "output",
            "string",
            "raised",
            "dispatch.status",
            "dispatch.result",
            "dispatch.string",
            "dispatch.error",
        )
    },
)
def names_of_the_wrapper(setting: Setting) -> Workflow:
    @ct.electron
    def describe(function, call_before=None, call_after=None):
        return function, call_before, call_after

    def workflow():
        return describe(function=1, call_after=2)

    return Workflow(workflow)


@case("Inputs of the lattice: of every type, positional, by keyword, with defaults")
def inputs_of_the_lattice(setting: Setting) -> Workflow:
    @ct.electron
    def describe(*args, **kwargs):
        return repr((args, sorted(kwargs.items())))

    def workflow(first, second=2, *rest, only=4, **more):
        return describe(first, second, *rest, only=only, **more)

    args = (Colour.RED, Point(1), "third", b"\0")
    return Workflow(workflow, args, {"only": None, "other": 5.0})


@case("Functions with parameters of every kind")
def kinds_of_parameters(setting: Setting) -> Workflow:
    @ct.electron
    def everything(first, /, second, third=3, *rest, only, default="d", **more):
        return repr((first, second, third, rest, only, default, sorted(more.items())))

    @ct.electron
    def nothing():
        return "nothing"

    def workflow():
        return [
            everything(1, 2, only=4),
            everything(1, second=2, only=4),
            everything(1, 2, 3, 4, 5, only=6, default=7, other=8),
            nothing(),
        ]

    return Workflow(workflow)


@case("Lists, tuples, sets and dictionaries as parameters, with electrons inside", on_batch=True)
def collections_of_electrons(setting: Setting) -> Workflow:
    @ct.electron
    def one(x):
        return x

    @ct.electron
    def describe(value, other=None):
        return repr((value, other))

    def workflow():
        first = one(1)
        return describe([first, 2, (3, [])], other={"a": first, "b": {5}, "c": Pair(1, 2)})

    return Workflow(workflow)


@case("A large argument that several electrons share")
def large_argument(setting: Setting) -> Workflow:
    @ct.electron
    def total(large, factor):
        return sum(large.values) * factor

    def workflow(large):
        return [total(large, factor) for factor in range(3)]

    return Workflow(workflow, (Large(),))


@case("A call that lacks arguments fails in the task", ends=FAILED)
def missing_arguments(setting: Setting) -> Workflow:
    @ct.electron
    def two(a, b):
        return a, b

    def workflow():
        return two(1)

    return Workflow(workflow)


@case("A call with arguments of the wrong type fails in the task", ends=FAILED)
def wrong_arguments(setting: Setting) -> Workflow:
    root = ct.electron(math.sqrt)

    def workflow():
        return root("two")

    return Workflow(workflow)


@case("A TransportableObject as an argument")
def transportable_argument(setting: Setting) -> Workflow:
    @ct.electron
    def describe(value):
        return type(value).__name__, value

    def workflow():
        return describe(ct.TransportableObject([1, {"a": None}]))

    return Workflow(workflow)
