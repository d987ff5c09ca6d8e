"""Names of functions, parameters and lattices that a stranger may choose."""

from __future__ import annotations

import covalent as ct

from ..case import Setting, Workflow, case


def named(function, name):
    function.__name__ = function.__qualname__ = name
    return ct.electron(function)


@case("Parameters with names that executors use")
def parameters_of_executors(setting: Setting) -> Workflow:
    @ct.electron
    def describe(self, executor, hooks, args, *, task_metadata, dispatch_id, node_id=3, **kwargs):
        values = (self, executor, hooks, args, task_metadata, dispatch_id, node_id)
        return repr((values, sorted(kwargs.items())))

    def workflow():
        return describe(1, 2, hooks=3, args=4, task_metadata=5, dispatch_id=6, cls=7, cwd=8)

    return Workflow(workflow)


@case("Names that are not ASCII")
def names_in_other_scripts(setting: Setting) -> Workflow:
    @ct.electron
    def größe(länge, 幅=2):  # noqa: N803, PLC2401 - such names are wanted
        return {"länge": länge, "幅": 幅}

    def рабочий_процесс(ввод):  # noqa: PLC2401
        return größe(ввод, 幅=größe(1))

    return Workflow(рабочий_процесс, (5,))


def electrons_named(names: tuple[str, ...]) -> Workflow:
    """Return a workflow of electrons with these names."""

    def make(name):
        def function(value):
            return value, name

        return named(function, name)

    electrons = [make(name) for name in names]

    def workflow():
        return [electron(number) for number, electron in enumerate(electrons)]

    return Workflow(workflow)


@case("Functions that bear the names of builtins, and of Covalent's own functions")
def names_of_other_functions(setting: Setting) -> Workflow:
    names = ("print", "wrapper_fn", "_auto_list_node", "_postprocess_recursively")
    names += ("_build_sublattice_graph", "main")

    return electrons_named(names)


@case("Function names that no definition could have")
def names_that_are_none(setting: Setting) -> Workflow:
    names = ("with space/and:colon", "%s {} \n next", "", "n" * 300, "../up")

    return electrons_named(names)


@case("A docstring that is none, and a long one")
def odd_docstrings(setting: Setting) -> Workflow:
    def numbered():
        return 1

    def long():
        return 2

    numbered.__doc__ = None
    long.__doc__ = "ä\n" * 100_000
    first, second = ct.electron(numbered), ct.electron(long)

    def workflow():
        return first() + second()

    workflow.__doc__ = "Several\nlines: Grüße"
    return Workflow(workflow)
