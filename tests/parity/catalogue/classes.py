"""Classes of the user's as tasks, arguments and results."""

from __future__ import annotations

import abc
import contextlib
import dataclasses
import enum
import functools
import math
import typing

import covalent as ct

from ..case import FAILED, Setting, Workflow, case


@dataclasses.dataclass(frozen=True, order=True)
class Reading:
    """It checks itself, and keeps what it was made of."""

    value: float
    tags: tuple[str, ...] = ()
    seen: list[str] = dataclasses.field(default_factory=list, compare=False)
    size: int = dataclasses.field(init=False)

    def __post_init__(self):
        if self.value < 0:
            raise ValueError(f"negative: {self.value}")
        object.__setattr__(self, "size", len(self.tags))

    def scaled(self, factor):
        return dataclasses.replace(self, value=self.value * factor)


class Shape(abc.ABC):
    registry: typing.ClassVar[list] = []

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        Shape.registry.append(cls.__name__)

    @abc.abstractmethod
    def area(self): ...


class Square(Shape):
    def __init__(self, side):
        self.side = side

    def area(self):
        return self.side**2

    def __eq__(self, other):
        return type(self) is type(other) and self.side == other.side

    __hash__ = None

    def __repr__(self):
        return f"Square({self.side})"


class Kept:
    """It chooses what is pickled."""

    def __init__(self, path):
        self.path = path
        self.handle = object()

    def __getstate__(self):
        return {"path": self.path}

    def __setstate__(self, state):
        self.__dict__.update(state, handle="made anew")

    def __repr__(self):
        return f"Kept({self.path!r}, {self.handle if isinstance(self.handle, str) else '...'})"


class Permission(enum.Flag):
    READ = 1
    WRITE = 2


class Meta(type):
    def __call__(cls, *args):
        return super().__call__(*args, "by the metaclass")


class Made(metaclass=Meta):
    def __init__(self, *parts):
        self.parts = parts

    def __repr__(self):
        return f"Made{self.parts}"


T = typing.TypeVar("T")


class Holder(typing.Generic[T]):
    def __init__(self, value: T):
        self.value = value

    def __repr__(self):
        return f"Holder({self.value!r})"


@case("Objects of the user's classes go from electron to electron")
def objects_of_the_users(setting: Setting) -> Workflow:
    @ct.electron
    def make():
        return (
            Reading(1.5, ("a", "b"), ["x"]),
            Square(3),
            Kept("/data"),
            Permission.READ | Permission.WRITE,
            Made("here"),
            Holder[int](5),
        )

    @ct.electron
    def use(values):
        known = (Reading, Square, Kept, Permission, Made, Holder)
        reading, square, _, flag, *_ = values
        print([isinstance(value, kind) for value, kind in zip(values, known, strict=True)])
        print(reading == Reading(1.5, ("a", "b")), square == Square(3), Permission.READ in flag)
        return reading.scaled(2), square.area(), values

    def workflow():
        return use(make())

    return Workflow(workflow)


@case("A class that refuses its arguments in an electron", ends=FAILED)
def object_that_refuses(setting: Setting) -> Workflow:
    make = ct.electron(Reading)

    def workflow():
        return make(-1.0)

    return Workflow(workflow)


class Flow:
    """Its methods are electrons."""

    def __init__(self, factor):
        self.factor = factor

    @ct.electron
    def times(self, x):
        return x * self.factor

    @staticmethod
    @ct.electron
    def negative(x):
        return -x

    def __repr__(self):
        return f"Flow({self.factor})"


@case("Electrons that are methods of a class")
def electrons_in_a_class(setting: Setting) -> Workflow:
    flow = Flow(3)

    def workflow(x):
        return flow.times(Flow.negative(x))

    return Workflow(workflow, (2,))


@case("Functions made by functools and contextlib")
def functions_of_functools(setting: Setting) -> Workflow:
    def power(base, exponent, plus=0):
        return base**exponent + plus

    partial = functools.partial(power, 2, plus=1)
    partial.__name__ = "partial"

    @contextlib.contextmanager
    def opened(name):
        print("opening", name)
        yield name.upper()
        print("closing", name)

    @ct.electron
    def inside(name):
        with opened(name) as shouted, contextlib.suppress(KeyError):
            print(shouted)
            raise KeyError(name)
        return "done"

    power_of_two = ct.electron(partial)

    def workflow():
        return power_of_two(3), inside("door")

    return Workflow(workflow)


@case("Closures over modules, functions, classes and each other")
def closures(setting: Setting) -> Workflow:
    module, helper, state = math, (lambda x: x + 0.5), {"calls": 0}

    def even(n):
        return n == 0 or odd(n - 1)

    def odd(n):
        return n != 0 and even(n - 1)

    @ct.electron
    def use(x):
        state["calls"] += 1
        return module.floor(helper(x)), even(4), state["calls"], Square(2)

    def workflow():
        return use(1.6), use(2.6)

    return Workflow(workflow)
