"""What electrons know of their dispatch, and dispatches that they make."""

from __future__ import annotations

import covalent as ct

from ..case import Setting, Workflow, case


@case("ct.get_context in an electron and in its hooks")
def context(setting: Setting) -> Workflow:
    def note(name):
        seen = ct.get_context()
        (setting.place / f"{name}-{seen.task_id}").write_text(seen.dispatch_id)

    @ct.electron(
        call_before=ct.DepsCall(note, args=["before"]),
        call_after=ct.DepsCall(note, args=["after"]),
    )
    def look(x):
        seen = ct.get_context()
        return seen.dispatch_id, seen.task_id, x

    def workflow():
        return look(1), look(2)

    return Workflow(workflow)


@case("Dispatching a workflow from within an electron")
def dispatch_inside(setting: Setting) -> Workflow:
    @ct.electron
    def double(x):
        return 2 * x

    # Covalent's local executor has a process for each CPU, and the electron below keeps one of
    # them while it waits: what it waits for must not need another.
    @ct.lattice(executor="awsbatch", workflow_executor="awsbatch")
    def inner(x):
        return double(x)

    server = setting.server

    @ct.electron
    def dispatch():
        dispatch_id = ct.dispatch(inner, dispatcher_addr=server)(21)
        return ct.get_result(dispatch_id, wait=True, dispatcher_addr=server).result

    def workflow():
        return dispatch()

    return Workflow(workflow)


@case("The working directory and the environment are writable")
def environment(setting: Setting) -> Workflow:
    @ct.electron
    def look():
        import os
        import tempfile

        with tempfile.TemporaryFile() as file:
            file.write(b"x")
        before = os.getcwd()
        os.chdir("/")
        os.chdir(before)
        return "HOME" in os.environ, "PATH" in os.environ, os.getcwd() == before

    def workflow():
        return look()

    return Workflow(workflow)


@case(
    "The environment of the Covalent server",
    differs={"environment": ("output", "string", "dispatch.result", "dispatch.string")},
)
def environment_of_the_server(setting: Setting) -> Workflow:
    @ct.electron
    def look():
        import os

        return sorted({"COVALENT_DISPATCH_ID", "COVALENT_SVC_PORT"} & os.environ.keys())

    def workflow():
        return look()

    return Workflow(workflow)
