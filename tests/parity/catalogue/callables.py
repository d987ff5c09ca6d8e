"""Electrons of every kind of callable."""

from __future__ import annotations

import functools
import math
import operator

import covalent as ct

from ..case import FAILED, Setting, Workflow, case

FACTOR = 3


def of_the_module(x):
    return x * FACTOR


class Account:
    """A class whose constructor and methods are electrons."""

    limit = 10

    def __init__(self, balance):
        self.balance = balance

    def deposit(self, amount):
        return self.balance + amount

    @classmethod
    def named(cls, name):
        return f"{name} at {cls.__name__}"

    @staticmethod
    def double(x):
        return 2 * x

    def __repr__(self):
        return f"Account({self.balance})"


class Adder:
    __name__ = "adder"

    def __init__(self, amount):
        self.amount = amount

    def __call__(self, x):
        return x + self.amount


def logged(function):
    @functools.wraps(function)
    def inner(*args):
        print("calling", function.__name__)
        return function(*args)

    return inner


@case("Electrons of every kind of callable")
def callables_of_every_kind(setting: Setting) -> Workflow:
    offset = 5

    def recursive(n):
        return 1 if n < 2 else n * recursive(n - 1)

    def outer(x):
        def nested(y):
            return x + y + offset

        return nested(1)

    annotated = lambda x: x + offset  # noqa: E731 - electrons of lambdas are wanted
    electrons = {
        "module": (ct.electron(of_the_module), 2),
        "lambda": (ct.electron(annotated), 2),
        "recursive": (ct.electron(recursive), 5),
        "nested": (ct.electron(outer), 2),
        "decorated": (ct.electron(logged(of_the_module)), 2),
        "class": (ct.electron(Account), 2),
        "method": (ct.electron(Account(1).deposit), 2),
        "class method": (ct.electron(Account.named), "Ada"),
        "static method": (ct.electron(Account.double), 2),
        "object": (ct.electron(Adder(1)), 2),
        "builtin": (ct.electron(len), "four"),
        "of C": (ct.electron(math.floor), 2.5),
        "operator": (ct.electron(operator.neg), 2),
    }

    def workflow():
        return {name: electron(arg) for name, (electron, arg) in electrons.items()}

    return Workflow(workflow)


@case("An electron that is called as a plain function inside another electron")
def electron_inside_electron(setting: Setting) -> Workflow:
    @ct.electron
    def inner(x):
        return x + 1

    @ct.electron
    def outer(x):
        return inner(inner(x))

    def workflow():
        return outer(1)

    return Workflow(workflow)


@case("A generator function: its result cannot be pickled", ends=FAILED)
def generator(setting: Setting) -> Workflow:
    @ct.electron
    def count():
        yield 1

    def workflow():
        return count()

    return Workflow(workflow)


@case("A coroutine function: its result cannot be pickled", ends=FAILED)
def coroutine(setting: Setting) -> Workflow:
    @ct.electron
    async def count():
        return 1

    def workflow():
        return count()

    return Workflow(workflow)


@case("asyncio inside an electron")
def asyncio_inside(setting: Setting) -> Workflow:
    @ct.electron
    def run():
        import asyncio

        async def double(x):
            await asyncio.sleep(0)
            return 2 * x

        async def both():
            return await asyncio.gather(double(1), double(2))

        return asyncio.run(both())

    def workflow():
        return run()

    return Workflow(workflow)


@case("multiprocessing and threads inside an electron")
def processes_inside(setting: Setting) -> Workflow:
    @ct.electron
    def run():
        import multiprocessing
        from concurrent.futures import ThreadPoolExecutor

        # Not terminated: workers of Covalent's local executor, and so their children, have the
        # server's handler of SIGTERM, which does nothing there. Pool.terminate can wait for ever.
        pool = multiprocessing.get_context("fork").Pool(2)
        squares = pool.map(abs, [-1, -2, -3])
        pool.close()
        pool.join()
        with ThreadPoolExecutor() as threads:
            return squares, list(threads.map(str, squares))

    def workflow():
        return run()

    return Workflow(workflow)
