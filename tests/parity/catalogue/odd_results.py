"""Results that a stranger may return."""

from __future__ import annotations

import functools
import io
import ipaddress
import itertools
import math
import operator
import re
import sys
import types

import covalent as ct

from ..case import FAILED, Setting, Workflow, case


class Frame:
    """Like a table of a data library: it compares by element and has no truth."""

    def __init__(self, values):
        self.values = values

    def __eq__(self, other):
        return Frame([value == other for value in self.values])

    __hash__ = None

    def __bool__(self):
        raise ValueError("the truth of several values is ambiguous")

    def __len__(self):
        return len(self.values)

    def __getitem__(self, key):
        return self.values[key]

    def __iter__(self):
        return iter(self.values)

    def __array__(self):
        raise TypeError("no array")

    def __repr__(self):
        return f"Frame({self.values})"


class Anything:
    """It has every attribute, as objects of proxies and mocks do."""

    def __getattr__(self, name):
        if name.startswith("__") and name not in ("__name__",):
            raise AttributeError(name)
        return 7

    def __repr__(self):
        return "Anything()"


class Text(str):
    __slots__ = ("note",)


class Numbers(list):
    pass


def values():
    """Make many results: they go to the client, and to the next electron."""
    marked = Text("marked")
    marked.note = "kept"
    numbers = Numbers([1])
    numbers.unit = "m"
    looped: list = [1]
    looped.append(looped)
    return {
        "frame": Frame([1, 2]),
        "anything": Anything(),
        "text with attributes": (marked, marked.note),
        "list with attributes": (numbers, numbers.unit),
        "loop": looped,
        "module": math,
        "not implemented": NotImplemented,
        "class": type("Local", (), {"x": 1})().x,
        "bound method": "abc".upper,
        "unbound method": str.upper,
        "operator": operator.itemgetter(1),
        "partial": functools.partial(pow, 2),
        "pattern": re.compile(r"a+", re.IGNORECASE),
        "bytes": io.BytesIO(b"abc").getvalue(),
        "address": ipaddress.ip_network("10.0.0.0/8"),
        "count": next(itertools.count(3)),
        "iterator": iter([1, 2]),
        "mapping": types.SimpleNamespace(a=[1]),
        "proxy": dict(types.MappingProxyType({"a": 1})),
        "version": sys.version_info[:2],
        "error": OSError(2, "missing", "/file"),
        "nested": ((), [[]], {(): {}}, frozenset()),
        "surrogate": "caf\udce9",
        "integers": {2**63: -(2**63)},
        "zero": -0.0,
    }


@case("Results of many kinds, and the same as arguments")
def results_of_odd_types(setting: Setting) -> Workflow:
    give = ct.electron(values)

    @ct.electron
    def shown(given):
        order = {name: type(value).__name__ for name, value in given.items()}
        print(order)
        print({k: repr(v).encode("ascii", "backslashreplace")[:80] for k, v in given.items()})
        return given["frame"], given["anything"], given["loop"][1][1][0], given["partial"](3)

    def workflow():
        return shown(give())

    return Workflow(workflow)


@case("A result whose truth, comparison and iteration are its own, item by item", on_batch=True)
def result_like_a_table(setting: Setting) -> Workflow:
    @ct.electron
    def make():
        return Frame([Frame([1]), Frame([2])])

    def workflow():
        table = make()
        first, second = table
        return first[0] + second[0], table.values

    return Workflow(workflow)


def returning(make, name):
    def give():
        return make()

    give.__name__ = name
    return ct.electron(give)


@case("Results that cannot be pickled: files, views, matches, frames", ends=FAILED)
def results_that_cannot_be_pickled(setting: Setting) -> Workflow:
    def generator():
        yield 1

    makers = {
        "file": lambda: open("/dev/null"),  # noqa: SIM115 - a result
        "view": lambda: memoryview(b"abc"),
        "match": lambda: re.match("a", "a"),
        "frame": sys._getframe,
        "keys": {}.keys,
        "running": generator,
        "lambda_in_a_lock": lambda: [__import__("threading").RLock()],
    }

    def workflow():
        for name, make in makers.items():
            returning(make, name)()

    return Workflow(workflow)


def nested(depth):
    value: list = []
    for _ in range(depth):
        value = [value]
    return value


@case("A deep result")
def deep_result(setting: Setting) -> Workflow:
    @ct.electron
    def depth(value):
        found = 0
        while value:
            value, found = value[0], found + 1
        return found

    give = returning(lambda: nested(150), "give")

    def workflow():
        return depth(give())

    return Workflow(workflow)


@case("A result that is too deep", ends=FAILED)
def result_that_is_too_deep(setting: Setting) -> Workflow:
    give = returning(lambda: nested(100_000), "give")

    def workflow():
        return give()

    return Workflow(workflow)


@case("A function, a class and a generator function as results, used by the next electron")
def code_as_a_result(setting: Setting) -> Workflow:
    @ct.electron
    def make(factor):
        class Local:
            scale = factor

            def times(self, x):
                return x * self.scale

        def count(n):
            yield from range(n)

        return Local, Local(), count, lambda x: Local().times(x)

    @ct.electron
    def use(made):
        kind, instance, count, function = made
        return isinstance(instance, kind), kind.scale, list(count(3)), function(2)

    def workflow():
        return use(make(5))

    return Workflow(workflow)
