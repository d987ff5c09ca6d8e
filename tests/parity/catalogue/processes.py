"""What electrons may expect of the process that they run in."""

from __future__ import annotations

import covalent as ct

from ..case import Setting, Workflow, case


@case("Signals, threads, standard input and exit handlers in an electron")
def process_of_an_electron(setting: Setting) -> Workflow:
    @ct.electron
    def look():
        import signal
        import sys
        import threading

        received = []
        before = signal.signal(signal.SIGALRM, lambda number, frame: received.append(number))
        signal.raise_signal(signal.SIGALRM)
        signal.signal(signal.SIGALRM, before)
        local = threading.local()
        local.x = 1
        thread = threading.Thread(target=print, args=("from a thread",))
        thread.start()
        thread.join()
        return (
            [int(number) for number in received],
            threading.current_thread() is threading.main_thread(),
            sys.stdin.read() if sys.stdin else "",
            sys.getrecursionlimit(),
            __name__,
        )

    def workflow():
        return look()

    return Workflow(workflow)


@case("asyncio: an electron that runs a loop with tasks, locks, timeouts and a subprocess")
def asyncio_of_an_electron(setting: Setting) -> Workflow:
    @ct.electron
    def run():
        import asyncio

        async def main():
            process = await asyncio.create_subprocess_exec(
                "echo", "asynchronous", stdout=asyncio.subprocess.PIPE
            )
            out, _ = await process.communicate()
            try:
                await asyncio.wait_for(asyncio.Event().wait(), 0.01)
            except asyncio.TimeoutError:
                return out.decode(), "timed out"

        return asyncio.run(main())

    def workflow():
        return run()

    return Workflow(workflow)


@case("Standard streams that an electron replaces and puts back")
def streams_put_back(setting: Setting) -> Workflow:
    @ct.electron
    def speak():
        import contextlib
        import io
        import sys

        caught = io.StringIO()
        with contextlib.redirect_stdout(caught):
            print("caught")
        before, sys.stderr = sys.stderr, io.StringIO()
        print("lost", file=sys.stderr)
        sys.stderr = before
        print("seen")
        print("seen", file=sys.stderr)
        return caught.getvalue()

    def workflow():
        return speak()

    return Workflow(workflow)


@case("An electron that changes the environment, the folder and modules, and the next one")
def changes_of_an_electron(setting: Setting) -> Workflow:
    @ct.electron
    def change():
        import os
        import random

        random.seed(5)
        os.environ["PARITY_CHANGED"] = "yes"
        return os.environ.pop("PARITY_CHANGED"), random.random()

    def workflow():
        return change(), change()

    return Workflow(workflow)
