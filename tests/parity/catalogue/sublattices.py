"""Lattices inside lattices."""

from __future__ import annotations

import covalent as ct

from ..case import FAILED, Setting, Workflow, case
from .parameters import Large


@ct.electron
def increment(x):
    return x + 1


@case("A sublattice", on_batch=True, differs={"sublattice": ("stdout",)})
def sublattice(setting: Setting) -> Workflow:
    @ct.electron
    @ct.lattice
    def twice(x, by=1):
        return increment(increment(x)) + by

    def workflow(x):
        return increment(twice(x, by=2))

    return Workflow(workflow, (1,))


@case("Sublattices three deep", differs={"sublattice": ("stdout",)})
def sublattices_three_deep(setting: Setting) -> Workflow:
    @ct.electron
    @ct.lattice
    def inner(x):
        return increment(x)

    @ct.electron
    @ct.lattice
    def middle(x):
        return inner(increment(x))

    @ct.electron
    @ct.lattice
    def outer(x):
        return middle(x)

    def workflow():
        return outer(1)

    return Workflow(workflow)


@case(
    "A sublattice with a large argument that its electrons share",
    differs={"sublattice": ("stdout",)},
)
def sublattice_with_large_argument(setting: Setting) -> Workflow:
    @ct.electron
    def total(large, factor):
        return sum(large.values) * factor

    @ct.electron
    @ct.lattice
    def totals(large):
        return [total(large, factor) for factor in range(3)]

    @ct.electron
    def make():
        return Large()

    def workflow():
        return totals(make())

    return Workflow(workflow)


@case("A sublattice without electrons", differs={"sublattice": ("stdout",)})
def sublattice_without_electrons(setting: Setting) -> Workflow:
    @ct.electron
    @ct.lattice
    def nothing(x):
        return {"x": x}

    def workflow():
        return nothing(1)

    return Workflow(workflow)


@case("A sublattice whose electron fails", ends=FAILED, differs={"sublattice": ("stdout",)})
def sublattice_that_fails(setting: Setting) -> Workflow:
    @ct.electron
    def fail(x):
        raise ValueError(x)

    @ct.electron
    @ct.lattice
    def failing(x):
        return fail(x)

    def workflow():
        return increment(failing(1))

    return Workflow(workflow)


@case("A sublattice that cannot be built", ends=FAILED)
def sublattice_that_cannot_be_built(setting: Setting) -> Workflow:
    @ct.electron
    @ct.lattice
    def failing(x):
        raise ValueError(f"while building with {x}")

    def workflow():
        return failing(1)

    return Workflow(workflow)


@case("As many sublattices as a result asks for", differs={"sublattice": ("stdout",)})
def dynamic_workflow(setting: Setting) -> Workflow:
    @ct.electron
    def how_many():
        return 3

    @ct.electron
    @ct.lattice
    def spread(number):
        return [increment(n) for n in range(number)]

    def workflow():
        return spread(how_many())

    return Workflow(workflow)


@case("A sublattice with an executor of its own", differs={"sublattice": ("stdout",)})
def sublattice_with_an_executor(setting: Setting) -> Workflow:
    @ct.electron
    @ct.lattice(executor="local", workflow_executor="local")
    def sub(x):
        return increment(x)

    def workflow():
        return sub(1)

    return Workflow(workflow)
