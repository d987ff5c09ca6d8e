"""Results of every kind, also those that cannot be shown or pickled."""

from __future__ import annotations

import array
import collections
import threading

import covalent as ct

from ..case import FAILED, Setting, Workflow, case
from .parameters import VALUES


class Unshown:
    def __repr__(self):
        raise RuntimeError("no representation")

    def __str__(self):
        return "a string form all the same"


class Silent:
    def __str__(self):
        raise RuntimeError("no string form")


class Surrogate:
    def __str__(self):
        return "\udcff"


class Unpickled:
    def __reduce__(self):
        raise RuntimeError("it is not to be pickled")


class OnlyOut:
    """It can be pickled, but not unpickled."""

    def __reduce__(self):
        return (int, ("no number",))


ALL_VALUES = VALUES | {
    "list": [1, [2, None]],
    "tuple": (1, (2,)),
    "dictionary": {1: {"a": (None,)}},
    "set": {1, 2},
    "defaultdict": collections.defaultdict(list, a=[1]),
}


def returning(make, name):
    def give():
        return make()

    give.__name__ = name
    return ct.electron(give)


@case("Results of every type")
def results_of_every_type(setting: Setting) -> Workflow:
    # A few electrons of many values each: an electron is a job.
    functions = {
        "all_of_them": lambda: ALL_VALUES,
        "text": lambda: VALUES["text"],
        "an_array": lambda: VALUES["array"],
        "nothing": lambda: None,
        "function": lambda: lambda x: x + 1,
        "exception": lambda: ValueError("returned, not raised"),
        "wrapped": lambda: ct.TransportableObject([1]),
    }

    def workflow():
        for name, make in functions.items():
            returning(make, name)()

    return Workflow(workflow)


@case("A result that only __repr__ refuses")
def result_without_representation(setting: Setting) -> Workflow:
    give = returning(Unshown, "give")

    def workflow():
        return give()

    return Workflow(workflow)


@case("A result that str() refuses", ends=FAILED)
def result_that_str_refuses(setting: Setting) -> Workflow:
    give = returning(Silent, "give")

    def workflow():
        return give()

    return Workflow(workflow)


@case("A result whose string form is not Unicode", ends=FAILED)
def result_with_a_surrogate(setting: Setting) -> Workflow:
    give = returning(Surrogate, "give")

    def workflow():
        return give()

    return Workflow(workflow)


@case("A result that pickle refuses: a lock", ends=FAILED)
def result_of_a_lock(setting: Setting) -> Workflow:
    give = returning(threading.Lock, "give")

    def workflow():
        return give()

    return Workflow(workflow)


@case("A result whose __reduce__ raises", ends=FAILED)
def result_whose_reduce_raises(setting: Setting) -> Workflow:
    give = returning(Unpickled, "give")

    def workflow():
        return give()

    return Workflow(workflow)


@case("A result that cannot be unpickled", ends=FAILED)
def result_that_cannot_be_unpickled(setting: Setting) -> Workflow:
    give = returning(OnlyOut, "give")

    @ct.electron
    def take(value):
        return value

    def workflow():
        return take(give())

    return Workflow(workflow)


@case("A large result, and a long string form", differs={"string form": ("string",)})
def large_result(setting: Setting) -> Workflow:
    @ct.electron
    def an_array():
        return array.array("q", range(200_000))

    @ct.electron
    def text():
        return "ä" * 300_000

    def workflow():
        return an_array()[0], text()[-1]

    return Workflow(workflow)
