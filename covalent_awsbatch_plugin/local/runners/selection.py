"""Which runner runs jobs."""

from __future__ import annotations

from importlib import import_module

from .engine import engine_answers
from .runner import Runner

NAMES = ("auto", "processes", "containers")


def make_runner(name: str | Runner) -> Runner:
    """Make a runner.

    Args:
        name: One of NAMES; ``auto`` means containers where a container engine answers. Or a
            runner of one's own.

    Raises:
        ValueError: There is no such runner.
    """
    if not isinstance(name, str):
        return name
    if name not in NAMES:
        raise ValueError(f"runner is {name!r}, but must be one of {', '.join(NAMES)}")
    if name == "containers" or (name == "auto" and engine_answers()):
        containers = import_module(f"{__package__}.containers")
        runner: Runner = containers.ContainerRunner()
        return runner
    from .processes import ProcessRunner

    return ProcessRunner()
