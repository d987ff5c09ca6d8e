"""Executors and other metadata of electrons and lattices, in every way that Covalent has."""

from __future__ import annotations

import covalent as ct

from ..case import Setting, Workflow, case


def increment(x):
    return x + 1


@case("An executor that is set on an electron, by attribute, metadata and the old name backend")
def executor_that_is_set(setting: Setting) -> Workflow:
    executor = setting.executor
    by_attribute, by_backend = ct.electron(increment), ct.electron(increment, backend=executor)
    by_attribute.electron_object.executor = executor

    def workflow(x):
        return by_backend(by_attribute(x))

    return Workflow(workflow, (1,), options={"executor": "local"})


@case("A lattice whose built-in nodes have an executor of another class")
def workflow_executor_of_another_class(setting: Setting) -> Workflow:
    electron = ct.electron(increment)

    def workflow(x):
        return electron(x) + electron([x][0])

    return Workflow(workflow, (1,), options={"workflow_executor": ct.executor.LocalExecutor()})


@case("A lattice of another executor with one electron of this")
def one_electron_of_many(setting: Setting) -> Workflow:
    executor = setting.executor
    here = ct.electron(increment, executor=ct.executor.LocalExecutor())
    there = ct.electron(increment, executor=executor)

    def workflow(x):
        return here(there(here(x)))

    return Workflow(workflow, (1,), options={"executor": "local", "workflow_executor": "local"})


@case("Hooks of the lattice and of an electron together")
def hooks_of_both(setting: Setting) -> Workflow:
    trail = setting.place / "trail"

    def note(what):
        with trail.open("a") as file:
            file.write(f"{what}\n")

    @ct.electron(
        deps_bash=f"echo bash of the electron >> {trail}",
        call_after=ct.DepsCall(note, ["after of the electron"]),
    )
    def electron():
        note("electron")

    def workflow():
        return electron()

    options = {
        "deps_bash": [f"echo bash of the lattice >> {trail}"],
        "call_before": [ct.DepsCall(note, ["before of the lattice"])],
        "call_after": ct.DepsCall(note, ["after of the lattice"]),
    }
    return Workflow(workflow, options=options)
