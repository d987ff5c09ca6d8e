"""Covalent's built-in nodes: items, attributes, arithmetic, iteration, post-processing."""

from __future__ import annotations

import covalent as ct

from ..case import FAILED, Setting, Workflow, case


@ct.electron
def same(x):
    return x


class Box:
    def __init__(self, content):
        self.content = content

    def __repr__(self):
        return f"Box({self.content!r})"


@case("Items, attributes and slices of results", on_batch=True)
def items_and_attributes(setting: Setting) -> Workflow:
    def workflow():
        box, named = same(Box([1, 2, 3])), same(Box({"k": 5}))
        return {
            "attribute": box.content,
            "item": box.content[-1],
            "slice": box.content[0:2],
            "key": named.content["k"],
        }

    return Workflow(workflow)


@case("Unpacking a result")
def unpacking(setting: Setting) -> Workflow:
    @ct.electron
    def pair():
        return 1, ("two", [3])

    def workflow():
        first, second = pair()
        text, numbers = second
        return first, text, numbers

    return Workflow(workflow)


@case("Arithmetic with results, on either side")
def arithmetic(setting: Setting) -> Workflow:
    def workflow():
        x = same(3)
        return ((1 + x) * 2 - x / 2) ** 2 + 9 / x - (10 - x) * 0.5

    return Workflow(workflow)


def failing(make) -> Workflow:
    def workflow():
        return make(same(Box({})))

    return Workflow(workflow)


@case("A key that is missing", ends=FAILED)
def missing_key(setting: Setting) -> Workflow:
    return failing(lambda box: box.content["missing"])


@case("An attribute that is missing", ends=FAILED)
def missing_attribute(setting: Setting) -> Workflow:
    return failing(lambda box: box.missing)


@case("Arithmetic that is impossible", ends=FAILED)
def impossible_arithmetic(setting: Setting) -> Workflow:
    return failing(lambda box: box / 0)


@case("Division by zero of a node", ends=FAILED)
def division_by_zero(setting: Setting) -> Workflow:
    def workflow():
        return same(1) / same(0)

    return Workflow(workflow)


@case("A class of the user's in a built-in node: its methods run there", on_batch=True)
def operators_of_the_users(setting: Setting) -> Workflow:
    class Money:
        def __init__(self, amount):
            self.amount = amount

        def __add__(self, other):
            print("adding")
            return Money(self.amount + other)

        def __getitem__(self, key):
            return key, self.amount

        def __repr__(self):
            return f"Money({self.amount})"

    def workflow():
        money = same(Money(1))
        return money + 2, money["key"]

    return Workflow(workflow)


@case("An item that cannot be pickled", ends=FAILED, on_batch=True)
def unpicklable_item(setting: Setting) -> Workflow:
    class Locked:
        def __getitem__(self, key):
            import threading

            return threading.Lock()

    def workflow():
        return same(Locked())[0]

    return Workflow(workflow)


@case("A lattice that returns a tuple, set, dictionary, constant or nothing")
def returned_by_the_lattice(setting: Setting) -> Workflow:
    def workflow(x):
        one = same(1)
        return (one, {"a": [one, {"b": one}], 2: {3}}, "constant", x, None)

    return Workflow(workflow, ([1],))


@case("A lattice that returns nothing")
def lattice_without_result(setting: Setting) -> Workflow:
    def workflow():
        same(1)

    return Workflow(workflow)


@case("A lattice without electrons")
def lattice_without_electrons(setting: Setting) -> Workflow:
    def workflow(x):
        return x

    return Workflow(workflow, ("x",))


@case("ct.wait: an electron that waits for others")
def waiting(setting: Setting) -> Workflow:
    trail = setting.place / "trail"

    @ct.electron
    def write(x):
        with trail.open("a") as file:
            file.write(x)

    @ct.electron
    def read(x):
        return x + trail.read_text()

    def workflow():
        first = write("1")
        second = write("2")
        ct.wait(child=second, parents=first)
        third = read("read: ")
        ct.wait(child=third, parents=[first, second])
        fourth = read("again: ")
        fourth.wait_for([third])
        return third, fourth

    return Workflow(workflow)


@case("Loops and conditions in a lattice")
def loops(setting: Setting) -> Workflow:
    def workflow(n, even):
        total = same(0)
        for number in range(n):
            if even and number % 2:
                continue
            total = total + number
        return total

    return Workflow(workflow, (5,), {"even": True})


@case("An executor for each electron, chosen while the lattice is built")
def executors_by_electron(setting: Setting) -> Workflow:
    executor = setting.executor

    def where(x):
        return x + 1

    def workflow():
        here = ct.electron(where, executor=executor)
        there = ct.electron(where, executor="local")
        return [(here if number else there)(number) for number in range(2)]

    return Workflow(workflow)
