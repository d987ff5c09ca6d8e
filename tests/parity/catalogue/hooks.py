"""Calls, shell commands, packages and modules before and after an electron."""

from __future__ import annotations

import os
import types
from pathlib import Path

import covalent as ct

from ..case import FAILED, Setting, Workflow, case


def note(place: Path, what: str):
    with (place / "trail").open("a") as file:
        file.write(f"{what}\n")
    return what


def noting(setting: Setting, what: str, keyword: str | None = "") -> ct.DepsCall:
    return ct.DepsCall(note, args=[setting.place, what], retval_keyword=keyword)


@case("DepsCall before and after: order, arguments, output")
def calls_before_and_after(setting: Setting) -> Workflow:
    def speak(*args, **kwargs):
        print("speaking", args, kwargs)
        note(setting.place, f"{args} {kwargs}")

    @ct.electron(
        deps_bash=f"echo bash >> {setting.place}/trail",
        call_before=[
            noting(setting, "first"),
            ct.DepsCall(speak, args=[1], kwargs={"b": [2]}),
            ct.DepsCall(speak),
        ],
        call_after=[noting(setting, "last"), noting(setting, "very last")],
    )
    def task():
        print("the task")
        return note(setting.place, "task")

    def workflow():
        return task()

    return Workflow(workflow)


@case("DepsCall with retval_keyword: injected, repeated, None, empty, and of a returned None")
def returned_values(setting: Setting) -> Workflow:
    @ct.electron(
        call_before=[
            noting(setting, "x", "one"),
            noting(setting, "y", "several"),
            noting(setting, "z", "several"),
            noting(setting, "nowhere", None),
            noting(setting, "nor there", ""),
            ct.DepsCall(print, args=["printed"], retval_keyword="nothing"),
        ],
        call_after=[noting(setting, "after", "ignored")],
    )
    def task(given, one="default", several=(), nothing="default"):
        return repr((given, one, several, nothing))

    def workflow():
        return task("given")

    return Workflow(workflow)


@case("DepsCall with a retval_keyword that the electron lacks fails", ends=FAILED)
def returned_value_without_a_parameter(setting: Setting) -> Workflow:
    @ct.electron(call_before=noting(setting, "x", "elsewhere"))
    def task():
        return 1

    def workflow():
        return task()

    return Workflow(workflow)


def failing(setting: Setting, **hooks) -> Workflow:
    @ct.electron(**hooks)
    def task():
        return note(setting.place, "task")

    def workflow():
        return task()

    return Workflow(workflow)


def fail():
    print("about to fail")
    raise ValueError("the hook fails")


@case("DepsCall that raises before", ends=FAILED)
def call_before_raises(setting: Setting) -> Workflow:
    return failing(setting, call_before=ct.DepsCall(fail), call_after=noting(setting, "never"))


@case("DepsCall that raises after", ends=FAILED)
def call_after_raises(setting: Setting) -> Workflow:
    return failing(setting, call_after=[ct.DepsCall(fail), noting(setting, "never")])


@case("DepsBash that fails", ends=FAILED, differs={"failed command": ("raised",)})
def shell_command_fails(setting: Setting) -> Workflow:
    commands = ["echo to stdout; echo to stderr >&2; exit 3", f"touch {setting.place}/never"]
    return failing(setting, deps_bash=commands)


@case("DepsPip that fails", ends=FAILED, differs={"failed command": ("raised",)})
def package_that_does_not_exist(setting: Setting) -> Workflow:
    missing = str(setting.place / "missing-1-py3-none-any.whl")
    return failing(setting, deps_pip=ct.DepsPip(packages=["--no-index", missing]))


@case("DepsBash of one command, of several, and its effect on the electron")
def shell_commands(setting: Setting) -> Workflow:
    @ct.electron(
        deps_bash=ct.DepsBash([f"cd {setting.place}; pwd > a", f"echo 1 > {setting.place}/b"])
    )
    def task():
        return (setting.place / "a").read_text(), (setting.place / "b").read_text()

    def workflow():
        return task()

    return Workflow(workflow)


def use_package(setting: Setting, deps_pip: ct.DepsPip) -> Workflow:
    """Return a workflow whose electron imports what was installed into the target folder."""
    target = target_folder(setting)

    @ct.electron(deps_pip=deps_pip)
    def task():
        import sys

        sys.path.insert(0, str(target))
        import parity_probe

        sys.path.remove(str(target))
        del sys.modules["parity_probe"]
        return parity_probe.answer

    def workflow():
        return task()

    return Workflow(workflow)


def target_folder(setting: Setting) -> Path:
    return setting.place / "ignored" / "target"


def wheel_of(setting: Setting, answer: int) -> Path:
    from ..packages import make_wheel

    folder = setting.place / "ignored"
    folder.mkdir(exist_ok=True)
    return make_wheel(folder, "parity_probe", f"answer = {answer}\n")


@case("DepsPip: packages")
def packages(setting: Setting) -> Workflow:
    where = ["--no-index", "--no-deps", "--target", str(target_folder(setting))]
    return use_package(setting, ct.DepsPip(packages=[*where, str(wheel_of(setting, 42))]))


def requirements_file(setting: Setting, line: str) -> Path:
    """Write a requirements file that only the client has: electrons get its text."""
    file = setting.place / "requirements.txt"
    file.write_text(f"--no-index\n{line}\n")
    return file


@case("DepsPip: a requirements file that is satisfied already, which overrides the packages")
def requirements(setting: Setting) -> Workflow:
    # Satisfied wherever pip runs: a requirements file has no option for a target folder.
    file = requirements_file(setting, "pip")
    hooks = ct.DepsPip(packages=["no-such-package"], reqs_path=str(file))
    file.unlink()
    return failing(setting, deps_pip=hooks)


@case(
    "DepsPip: a requirements file that cannot be met fails",
    ends=FAILED,
    differs={"failed command": ("raised",)},
)
def requirements_that_cannot_be_met(setting: Setting) -> Workflow:
    file = requirements_file(setting, "no-such-package==1")
    return failing(setting, deps_pip=ct.DepsPip(reqs_path=str(file)))


@case("DepsModule: a module that only the client has, by name and as an object")
def modules(setting: Setting) -> Workflow:
    import importlib
    import sys

    folder = setting.place / "ignored"
    folder.mkdir(exist_ok=True)
    name = f"parity_module_{abs(hash(setting.place)) % 10**8}"
    (folder / f"{name}.py").write_text("FACTOR = 3\n\ndef triple(x):\n    return FACTOR * x\n")
    sys.path.insert(0, str(folder))
    module = importlib.import_module(name)
    sys.path.remove(str(folder))

    @ct.electron(deps_module=name)
    def by_name(x):
        return module.triple(x)

    @ct.electron(deps_module=[ct.DepsModule(module)])
    def as_object(x):
        return module.triple(x)

    def workflow():
        return by_name(2), as_object(3)

    return Workflow(workflow)


@case("A module that only the client has, without DepsModule, fails", ends=FAILED)
def module_of_the_client(setting: Setting) -> Workflow:
    import sys

    module = types.ModuleType("parity_only_here")
    exec("def double(x):\n    return 2 * x", module.__dict__)
    sys.modules["parity_only_here"] = module

    @ct.electron
    def use(x):
        return module.double(x)

    def workflow():
        return use(1)

    return Workflow(workflow)


@case("Hooks of the lattice count for all of its electrons")
def hooks_of_the_lattice(setting: Setting) -> Workflow:
    @ct.electron
    def first():
        return note(setting.place, "first")

    @ct.electron(call_before=noting(setting, "its own"))
    def second(x):
        return note(setting.place, "second")

    def workflow():
        return second(first())

    options = {"call_before": noting(setting, "before"), "call_after": noting(setting, "after")}
    return Workflow(workflow, options=options)


@case("What a hook does to the process, the electron sees")
def hooks_and_the_process(setting: Setting) -> Workflow:
    def prepare():
        os.environ["PARITY"] = "from the hook"

    @ct.electron(call_before=ct.DepsCall(prepare))
    def look():
        return os.environ.pop("PARITY", None)

    def workflow():
        return look()

    return Workflow(workflow)


@case("Callables of every kind as hooks")
def callables_as_hooks(setting: Setting) -> Workflow:
    from functools import partial

    @ct.electron(
        call_before=[
            ct.DepsCall(partial(note, setting.place), args=["partial"], retval_keyword="a"),
            ct.DepsCall(lambda: "lambda", retval_keyword="b"),
            ct.DepsCall(len, args=["four"], retval_keyword="c"),
            ct.DepsCall("text".upper, retval_keyword="d"),
        ]
    )
    def task(a=None, b=None, c=None, d=None):
        return a, b, c, d

    def workflow():
        return task()

    return Workflow(workflow)


@case("DepsBash: quotes, pipes, variables and several lines")
def shell_commands_of_every_kind(setting: Setting) -> Workflow:
    out = setting.place / "out"
    commands = [
        f"printf '%s\\n' \"it's\" 'a \"b\"' | sort > {out}",
        f"for word in x y; do\n  echo $word >> {out}\ndone",
        f"NAME='größe 東'; echo \"$NAME ${{#NAME}}\" >> {out}",
        f"unset NOTHING; echo [$NOTHING] >> {out}",
    ]

    @ct.electron(deps_bash=ct.DepsBash(commands))
    def read():
        return out.read_text()

    def workflow():
        return read()

    return Workflow(workflow)


@case("A hook's value that cannot be pickled is handed to its electron")
def value_that_cannot_be_pickled(setting: Setting) -> Workflow:
    import threading

    @ct.electron(call_before=ct.DepsCall(threading.Lock, retval_keyword="lock"))
    def use(lock=None):
        with lock:
            return lock.locked()

    def workflow():
        return use()

    return Workflow(workflow)


@case("Hooks of the lattice fail for an electron", ends=FAILED)
def hooks_of_the_lattice_fail(setting: Setting) -> Workflow:
    @ct.electron
    def task():
        return note(setting.place, "task")

    def workflow():
        return task()

    return Workflow(workflow, options={"call_before": ct.DepsCall(fail)})


@case("Hooks of an electron that is given collections, and whose result is unpacked")
def hooks_and_built_in_nodes(setting: Setting) -> Workflow:
    @ct.electron(call_before=noting(setting, "before"), call_after=noting(setting, "after"))
    def pair(values, mapping):
        return note(setting.place, "task"), (values, mapping)

    def workflow():
        first, second = pair([1, 2], {"a": 3})
        return first, second

    return Workflow(workflow)
