"""A workflow of each kind, and a failure of each kind that can be provoked.

Functions are made inside of others: they are pickled by value then, as those of a script are.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any

import covalent as ct

from .trials import Executors, Trial

LARGE = 20_000_000

# A tiny package without dependencies, which the image does not have.
PACKAGE = "iniconfig"

NO_IMAGE = "public.ecr.aws/docker/library/python:no-such-tag"
NO_ROLE = "covalent-awsbatch-no-such-role"
MODULE = "covalent_awsbatch_only_here"


def single(executor: Any, function: Any, *args: Any, **electron: Any) -> Any:
    """Return a lattice of one electron."""
    task = ct.electron(function, executor=executor, **electron)

    @ct.lattice
    def workflow() -> Any:
        return task(*args)

    return workflow


# ---- Kinds of workflows


def plain(executors: Executors) -> Any:
    batch = executors()

    @ct.electron(executor=batch)
    def pair(x: int) -> tuple[int, int]:
        print(f"pair of {x}")
        return x, x + 1

    @ct.electron(executor=batch)
    def join(values: list[int]) -> str:
        return "-".join(map(str, values))

    @ct.lattice
    def workflow() -> Any:
        a, b = pair(1)
        c, d = pair(3)
        return join([a, b, c, d])

    return workflow


def with_package(executors: Executors) -> Any:
    def use(name: str) -> str:
        return importlib.import_module(name).__name__

    return single(executors(), use, PACKAGE, deps_pip=ct.DepsPip(packages=[PACKAGE]))


def nested(executors: Executors) -> Any:
    batch = executors()

    @ct.electron(executor=batch)
    def square(x: int) -> int:
        return x * x

    @ct.electron(executor=batch)
    @ct.lattice
    def inner(values: list[int]) -> Any:
        return [square(x) for x in values]

    @ct.lattice
    def workflow() -> Any:
        return inner([2, 3])

    return workflow


def large(executors: Executors) -> Any:
    def reverse(content: bytes) -> bytes:
        return content[::-1]

    return single(executors(), reverse, b"a" + bytes(LARGE))


def attempted_again(executors: Executors) -> Any:
    def second_time() -> str:
        if os.environ["AWS_BATCH_JOB_ATTEMPT"] == "1":
            raise ConnectionError("the first attempt fails")
        return os.environ["AWS_BATCH_JOB_ATTEMPT"]

    return single(executors(retry_attempts=2), second_time)


def cancelled(executors: Executors) -> Any:
    def sleep() -> None:
        import time

        time.sleep(600)

    return single(executors(), sleep)


WORKFLOWS = (
    Trial("plain workflow, with output and built-in nodes", plain, result="1-2-3-4"),
    Trial("package by DepsPip", with_package, result=PACKAGE),
    Trial("sublattice", nested, result=[4, 9]),
    Trial("argument and result of 20 MB", large, result=bytes(LARGE) + b"a"),
    Trial("second attempt", attempted_again, result="2"),
    Trial("cancelled workflow", cancelled, status="CANCELLED", cancel=True),
)

# ---- Kinds of failures


def raising(executors: Executors) -> Any:
    def divide() -> float:
        return 1 / 0

    return single(executors(), divide)


def exiting(executors: Executors) -> Any:
    def leave() -> None:
        os._exit(3)

    return single(executors(), leave)


def greedy(executors: Executors) -> Any:
    def grow() -> int:
        kept = []
        for _ in range(64):
            kept.append(bytearray(b"x" * 2**25))
        return len(kept)

    return single(executors(memory=0.5), grow)


def slow(executors: Executors) -> Any:
    def sleep() -> None:
        import time

        time.sleep(600)

    return single(executors(time_limit=60), sleep)


def without_image(executors: Executors) -> Any:
    return single(executors(container_image_uri=NO_IMAGE), lambda: None)


def without_module(executors: Executors) -> Any:
    folder = Path(os.environ["HOME"]) / "only-here"
    folder.mkdir(exist_ok=True)
    (folder / f"{MODULE}.py").write_text("def answer():\n    return 42\n")
    sys.path.insert(0, str(folder))
    try:
        module = importlib.import_module(MODULE)
    finally:
        sys.path.remove(str(folder))
    return single(executors(), module.answer)


def without_permission(executors: Executors) -> Any:
    # A role that ECS may assume, but that may not use the bucket.
    batch = executors()
    batch.batch_job_role_name = batch.execution_role
    return single(batch, lambda: None)


def without_role(executors: Executors) -> Any:
    return single(executors(batch_job_role_name=NO_ROLE), lambda: None)


def failing(what: str, build: Any, *words: str) -> Trial:
    return Trial(what, build, status="FAILED", words=words)


FAILURES = (
    failing("task that raises", raising, "ZeroDivisionError", "The task raised an exception"),
    failing("task that exits", exiting, "The task's process ended before the task did"),
    failing("task that takes too much memory", greedy, "raise memory= above 0.5 GB"),
    failing("task that takes too long", slow, "raise time_limit= above 60"),
    failing("image that does not exist", without_image, "image could not be pulled"),
    failing("module that the job lacks", without_module, MODULE, "install the package"),
    failing("role without the bucket", without_permission, "s3:GetObject"),
    failing("role that does not exist", without_role, NO_ROLE),
)
