"""What electrons write."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings

import covalent as ct

from ..case import Setting, Workflow, case


@case("stdout and stderr of print, sys.stdout, logging and warnings")
def python_output(setting: Setting) -> Workflow:
    @ct.electron
    def speak():
        import logging

        print("Grüße aus 東京")
        print("without a line's end", end="")
        sys.stdout.write("\nfrom write\n")
        print("to stderr", file=sys.stderr)
        logging.getLogger("parity").warning("from logging")
        return True

    def workflow():
        return speak()

    return Workflow(workflow)


@case("Output of subprocesses and native code", differs={"native output": ("stdout", "stderr")})
def native_output(setting: Setting) -> Workflow:
    @ct.electron
    def speak():
        subprocess.run(["echo", "from a subprocess"], check=True)
        os.write(2, b"from a file descriptor\n")
        return True

    def workflow():
        return speak()

    return Workflow(workflow)


@case("Warnings")
def warnings_of_python(setting: Setting) -> Workflow:
    @ct.electron
    def warn():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            warnings.warn("careful", stacklevel=1)
        return [str(warning.message) for warning in caught]

    def workflow():
        return warn()

    return Workflow(workflow)


@case("Megabytes of output")
def much_output(setting: Setting) -> Workflow:
    @ct.electron
    def speak():
        for number in range(40_000):
            print(f"line {number:>40}")

    def workflow():
        return speak()

    return Workflow(workflow)


@case("Output of electrons that run at once is each its own")
def output_of_several(setting: Setting) -> Workflow:
    @ct.electron
    def speak(number):
        for _ in range(100):
            print(number)
            print(-number, file=sys.stderr)

    def workflow():
        for number in range(1, 4):
            speak(number)

    return Workflow(workflow)


@case("More output than a job keeps", differs={"much output": ("stdout",)})
def too_much_output(setting: Setting) -> Workflow:
    @ct.electron
    def speak():
        for number in range(60_000):
            print(f"line {number:>80}")

    def workflow():
        return speak()

    return Workflow(workflow)
