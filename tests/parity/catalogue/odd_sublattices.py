"""Sublattices as a stranger may use them."""

from __future__ import annotations

from collections.abc import Mapping

import covalent as ct

from ..case import FAILED, Setting, Workflow, case

DIFFERS: Mapping[str, tuple[str, ...]] = {"sublattice": ("stdout",)}


@ct.electron
def increment(x):
    return x + 1


@case("A sublattice's result: unpacked, indexed, calculated with, in a list", differs=DIFFERS)
def result_of_a_sublattice(setting: Setting) -> Workflow:
    @ct.electron
    def pair(x):
        return [x, {"x": x}]

    @ct.electron
    @ct.lattice
    def sub(x):
        return pair(increment(x))

    def workflow():
        made = sub(1)
        number, mapping = made
        return [number + 1, mapping["x"], made[1], [made, 2]]

    return Workflow(workflow)


@case("A sublattice that calls itself fails: Covalent pickles it as it is defined", ends=FAILED)
def recursive_sublattice(setting: Setting) -> Workflow:
    @ct.electron
    @ct.lattice
    def countdown(n):
        if n == 0:
            return increment(0)
        return countdown(n - 1)

    def workflow():
        return countdown(2)

    return Workflow(workflow)


@case("A sublattice with parameters of every kind", differs=DIFFERS)
def parameters_of_a_sublattice(setting: Setting) -> Workflow:
    @ct.electron
    def describe(*args, **kwargs):
        return repr((args, sorted(kwargs.items())))

    @ct.electron
    @ct.lattice
    def sub(first, second=2, *rest, only, **more):
        return describe(first, second, *rest, only=only, **more)

    def workflow():
        one = increment(0)
        return sub(one, 2, [one, 3], only={"k": one}, other=None), sub("a", only=Setting)

    return Workflow(workflow)


@case("Hooks of a sublattice: of its lattice and around it", differs=DIFFERS)
def hooks_of_a_sublattice(setting: Setting) -> Workflow:
    trail = setting.place / "trail"

    def note(what):
        with trail.open("a") as file:
            file.write(f"{what}\n")

    @ct.electron
    def task():
        note("task")

    @ct.electron(call_before=ct.DepsCall(note, ["around it"]))
    @ct.lattice(call_before=ct.DepsCall(note, ["of its lattice"]), deps_bash=f"echo sh >> {trail}")
    def sub():
        return task()

    def workflow():
        return sub()

    return Workflow(workflow)


@case("An electron that waits for a sublattice, and a sublattice that waits", differs=DIFFERS)
def waiting_for_a_sublattice(setting: Setting) -> Workflow:
    trail = setting.place / "trail"

    @ct.electron
    def note(what):
        with trail.open("a") as file:
            file.write(f"{what}\n")

    @ct.electron
    @ct.lattice
    def sub(what):
        return note(what)

    def workflow():
        first = sub("first")
        second = note("second")
        ct.wait(second, first)
        third = sub("third")
        ct.wait(third, [first, second])

    return Workflow(workflow)


@case("An electron of a sublattice of a sublattice fails", ends=FAILED, differs=DIFFERS)
def deep_failure(setting: Setting) -> Workflow:
    @ct.electron
    def fail(x):
        print("deep inside")
        raise LookupError(x)

    @ct.electron
    @ct.lattice
    def inner(x):
        return fail(x)

    @ct.electron
    @ct.lattice
    def outer(x):
        return increment(inner(x))

    def workflow():
        return outer(1)

    return Workflow(workflow)


@case("Objects of a module that only the client has, in built-in nodes and a sublattice")
def objects_of_a_module(setting: Setting) -> Workflow:
    import sys
    import types

    name = "parity_classes"
    module = sys.modules.get(name) or types.ModuleType(name)
    if name not in sys.modules:
        exec("class Point:\n    def __init__(self, x):\n        self.x = x\n", module.__dict__)
        sys.modules[name] = module

    @ct.electron(deps_module=module)
    def make(x):
        return [module.Point(x), {"point": module.Point(x)}]

    @ct.electron(deps_module=module)
    def use(point):
        return type(point).__name__, point.x

    def workflow():
        point, mapping = make(1)
        return use(point), use(mapping["point"])

    return Workflow(workflow)
