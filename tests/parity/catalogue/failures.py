"""Electrons that raise."""

from __future__ import annotations

import sys

import covalent as ct

from ..case import FAILED, Setting, Workflow, case

# The fields of a node that local leaves empty where its worker is lost.
WHAT_IT_WROTE = ("stdout", "stderr", "raised")


class Custom(Exception):
    """An exception of the user's, with state."""

    def __init__(self, code, detail):
        super().__init__(code, detail)
        self.code = code


class Unshown(Exception):
    def __str__(self):
        raise RuntimeError("no text")


def raising(name, action):
    def fail():
        print("before it")
        print("also before it", file=sys.stderr)
        action()

    fail.__name__ = name
    electron = ct.electron(fail)

    def workflow():
        return electron()

    return Workflow(workflow)


@case("An exception", ends=FAILED)
def exception(setting: Setting) -> Workflow:
    def action():
        raise ValueError("what a pity\nin two lines")

    return raising("fail", action)


@case("An exception of a class of the user's", ends=FAILED)
def exception_of_ones_own(setting: Setting) -> Workflow:
    def action():
        raise Custom(7, {"detail": None})

    return raising("fail", action)


@case("An exception with a cause and a context", ends=FAILED)
def exception_with_a_cause(setting: Setting) -> Workflow:
    def action():
        try:
            try:
                {}["key"]
            except KeyError as error:
                raise ValueError("the cause") from error
        except ValueError:
            raise RuntimeError("the end")  # noqa: B904 - the context is wanted

    return raising("fail", action)


@case(
    "An exception whose text is not Unicode", ends=FAILED, differs={"not Unicode": WHAT_IT_WROTE}
)
def exception_with_a_surrogate(setting: Setting) -> Workflow:
    def action():
        raise ValueError("a file name: \udcff")

    return raising("fail", action)


@case("An exception that cannot be shown", ends=FAILED)
def exception_that_cannot_be_shown(setting: Setting) -> Workflow:
    def action():
        raise Unshown

    return raising("fail", action)


@case("sys.exit", ends=FAILED, differs={"exit": WHAT_IT_WROTE})
def exit_of_python(setting: Setting) -> Workflow:
    def action():
        sys.exit(3)

    return raising("fail", action)


@case("KeyboardInterrupt", ends=FAILED, differs={"exit": WHAT_IT_WROTE})
def keyboard_interrupt(setting: Setting) -> Workflow:
    def action():
        raise KeyboardInterrupt

    return raising("fail", action)


@case("A package that is missing", ends=FAILED)
def missing_package(setting: Setting) -> Workflow:
    def action():
        import no_such_package_anywhere  # noqa: F401

    return raising("fail", action)


@case("Electrons that depend on one that failed do not run", ends=FAILED)
def dependents_do_not_run(setting: Setting) -> Workflow:
    @ct.electron
    def fail():
        raise ValueError("first")

    @ct.electron
    def after(x):
        (setting.place / "ran").write_text("it ran")
        return x

    def workflow():
        return after(fail())

    return Workflow(workflow)
