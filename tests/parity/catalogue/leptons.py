"""Leptons: tasks in other languages."""

from __future__ import annotations

import ctypes

import covalent as ct

from ..case import FAILED, Setting, Workflow, case


@case("Leptons of Python, C and the shell")
def leptons(setting: Setting) -> Workflow:
    of_python = ct.Lepton("python", library_name="posixpath", function_name="join")
    of_c = ct.Lepton(
        "C",
        library_name="libm.so.6",
        function_name="sincos",
        argtypes=[
            (ctypes.c_double, ct.Lepton.INPUT),
            (ctypes.POINTER(ctypes.c_double), ct.Lepton.OUTPUT),
            (ctypes.POINTER(ctypes.c_double), ct.Lepton.OUTPUT),
        ],
    )
    of_the_shell = ct.Lepton(
        "bash",
        command="echo $1; total=$(($1 + {number}))",
        argtypes=[(int, ct.Lepton.INPUT_OUTPUT), (int, ct.Lepton.OUTPUT)],
        named_outputs=["number", "total"],
    )

    def workflow():
        return of_python("a", "b"), of_c(0.0, None, None), of_the_shell("2", number=3)

    return Workflow(workflow)


@case("A shell lepton with arguments from another electron, and one that fails", ends=FAILED)
def lepton_that_fails(setting: Setting) -> Workflow:
    failing = ct.Lepton("bash", command="echo to stderr >&2; exit 4")

    def workflow():
        return failing()

    return Workflow(workflow)


@case("A shell function of a library")
def lepton_of_a_script(setting: Setting) -> Workflow:
    script = setting.place / "script.sh"
    script.write_text('greet() { greeting="$1, $2"; }\n')
    greet = ct.Lepton(
        "bash",
        library_name=str(script),
        function_name="greet",
        argtypes=[(str, ct.Lepton.OUTPUT)],
        named_outputs=["greeting"],
    )

    def workflow():
        return greet("Hello", "world")

    return Workflow(workflow)


@case("Leptons with files and hooks")
def lepton_with_files(setting: Setting) -> Workflow:
    (setting.place / "in.txt").write_text("carried")
    here, there = str(setting.place / "in.txt"), str(setting.place / "out.txt")
    copy = ct.Lepton(
        "bash",
        command=f"cat {there} > {setting.place}/seen",
        files=[ct.fs.FileTransfer(here, there)],
        deps_bash=f"touch {setting.place}/bash",
        call_after=ct.DepsCall(print, args=["after"]),
    )

    def workflow():
        return copy()

    return Workflow(workflow)


@case("The decorator ct.leptons.bash")
def bash_decorator(setting: Setting) -> Workflow:
    @ct.leptons.bash(deps_pip=ct.DepsPip(packages=["pip"]))
    def touch(name):
        return f"touch {setting.place}/{name}"

    def workflow():
        return touch("made")

    return Workflow(workflow)


@case("Shell leptons: several commands, a name to show, variables, positions, the language shell")
def leptons_of_the_shell(setting: Setting) -> Workflow:
    shout = ct.Lepton(
        "shell",
        command=['first="$1-$2"', "word=$(printf %s '{word}' | tr a-z A-Z)"],
        argtypes=[(str, ct.Lepton.INPUT_OUTPUT), (str, ct.Lepton.OUTPUT)],
        named_outputs=["word", "first"],
        display_name="two commands",
    )
    lines = ct.Lepton("bash", command=f"for x in a b; do\n  echo $x >> {setting.place}/out\ndone")

    def workflow():
        lines()
        return shout("a", "b c", word="spoken")

    return Workflow(workflow)


@case("A Python lepton of a file, and one whose function is missing", ends=FAILED)
def leptons_of_python(setting: Setting) -> Workflow:
    library = setting.place / "library.py"
    library.write_text("def shout(text, times=1):\n    return text.upper() * times\n")
    shout = ct.Lepton("python", library_name=str(library), function_name="shout")
    missing = ct.Lepton("python", library_name=str(library), function_name="whisper")

    def workflow():
        return shout("a", times=2), missing("b")

    return Workflow(workflow)


@case("A C lepton that changes its argument, and one whose library is missing", ends=FAILED)
def leptons_of_c(setting: Setting) -> Workflow:
    exponent = ct.Lepton(
        "C",
        library_name="libm.so.6",
        function_name="frexp",
        argtypes=[
            (ctypes.c_double, ct.Lepton.INPUT),
            (ctypes.POINTER(ctypes.c_int32), ct.Lepton.INPUT_OUTPUT),
        ],
    )
    missing = ct.Lepton("C", library_name="libnone.so", function_name="none", argtypes=[])

    def workflow():
        return exponent(8.0, 0), missing()

    return Workflow(workflow)
