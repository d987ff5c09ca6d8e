"""Graphs that a stranger may build: nested collections, electrons in odd places."""

from __future__ import annotations

import covalent as ct

from ..case import FAILED, Setting, Workflow, case


@ct.electron
def same(x):
    return x


@ct.electron
def describe(*args, **kwargs):
    return repr((args, sorted(kwargs.items())))


@case("Electrons deep inside lists and dictionaries, and as keys", on_batch=True)
def nested_collections(setting: Setting) -> Workflow:
    def workflow():
        one, key = same(1), same("key")
        return describe([[[[one]]], {"a": [{"b": one}]}], {key: {"inner": one}}, x=[key, key])

    return Workflow(workflow)


@case("Empty collections as arguments")
def empty_collections(setting: Setting) -> Workflow:
    def workflow():
        return describe([], {}, (), set(), x=[], y={})

    return Workflow(workflow)


@case("The same electron as several arguments")
def shared_electron(setting: Setting) -> Workflow:
    def workflow():
        one = same(1)
        return describe(one, one, x=one, y=[one, one])

    return Workflow(workflow)


@case("Many arguments")
def many_arguments(setting: Setting) -> Workflow:
    def workflow():
        return describe(*range(15), **{f"k{number}": number for number in range(5)})

    return Workflow(workflow)


@case("An index that is a result itself", on_batch=True)
def computed_index(setting: Setting) -> Workflow:
    def workflow():
        values, index = same([10, 20, 30]), same(1)
        return values[index], (values[index] + index) * 2

    return Workflow(workflow)


@case("Operators of texts and lists")
def operators_of_texts(setting: Setting) -> Workflow:
    def workflow():
        text, numbers = same("ab"), same([1])
        return text + "c", text * 2, "x" + text, numbers + [2], numbers * 2

    return Workflow(workflow)


@case("A method of a result fails: Covalent has no node for calls", ends=FAILED)
def method_of_a_result(setting: Setting) -> Workflow:
    def workflow():
        return same("text").upper()

    return Workflow(workflow)


@case("A result of a node that is undefined fails", ends=FAILED)
def operator_of_unlike_types(setting: Setting) -> Workflow:
    def workflow():
        return same("text") + 1

    return Workflow(workflow)


@case("Electrons and lattices as arguments, and as results")
def electrons_as_values(setting: Setting) -> Workflow:
    @ct.electron
    def increment(x):
        return x + 1

    @ct.lattice
    def inner(x):
        return increment(x)

    @ct.electron
    def call(electron, lattice, x):
        return electron(x), lattice(x), electron(electron(x))

    @ct.electron
    def give():
        return increment

    @ct.electron
    def take(given):
        return given(5)

    def workflow():
        return call(increment, inner, 1), take(give())

    return Workflow(workflow)


@case("A lattice that is called inside another becomes part of it")
def lattice_inside_lattice(setting: Setting) -> Workflow:
    @ct.lattice
    def inner(x):
        return same(x) + 1

    def workflow():
        return describe(inner(1), inner(2))

    return Workflow(workflow)


@case("Unpacking into names, nested and ignored")
def unpacking_into_names(setting: Setting) -> Workflow:
    @ct.electron
    def three():
        return {"a": 1}, "bc", [3, 4]

    def workflow():
        mapping, _, (third, fourth) = three()
        return mapping["a"] + third, fourth

    return Workflow(workflow)


@case("Parameters and defaults that are objects of the lattice")
def objects_of_the_lattice(setting: Setting) -> Workflow:
    default = {"shared": [1]}

    @ct.electron
    def change(value=default):
        value["shared"].append(2)
        return value

    def workflow(given=default):
        return change(), change(), change(given), len(default["shared"])

    return Workflow(workflow)
