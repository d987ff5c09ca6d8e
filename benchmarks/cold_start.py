"""From a container's start to the user's function: seconds, processor time and disk.

A job's function measures itself: process 1 of its container knows when it started, and processor
time and files are those of all the container's processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import covalent as ct
import docker
from covalent._workflow.transport import TransportableObject
from covalent.executor.utils.wrappers import wrapper_fn

from covalent_awsbatch_plugin.awsbatch import AWSBatchExecutor
from covalent_awsbatch_plugin.local import LocalAws
from covalent_awsbatch_plugin.local.runners.engine import NoEngine
from tests.containers import dockerd, index
from tests.containers.images import Images
from tests.pythons import OURS, find

SLOTS = 4

# Runs in a container, alone or as a task: what it took to get here.
MEASURE = """
def measure():
    import os, time
    ticks, uptime = os.sysconf("SC_CLK_TCK"), float(open("/proc/uptime").read().split()[0])
    stat = lambda pid: open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
    seconds = uptime - int(stat(1)[19]) / ticks
    times = [sum(map(int, stat(pid)[11:15])) for pid in os.listdir("/proc") if pid.isdigit()]
    started, disk = time.time() - seconds - 0.1, 0
    for folder, folders, files in os.walk("/"):
        if folder == "/":
            folders[:] = set(folders) - {"proc", "sys", "dev"}
        for name in files:
            found = os.lstat(os.path.join(folder, name))
            disk += found.st_blocks * 512 if found.st_ctime > started else 0
    return {"seconds": seconds, "cpu": sum(times) / ticks, "disk": disk}
"""
ALONE = f"{MEASURE}\nimport json\nprint(json.dumps(measure()))"

Sample = dict[str, float]


def measure(times: int, width: int, package: str) -> dict[str, Any] | None:
    """Return the medians of every way; None where there is no container engine.

    Args:
        times: How often each is measured.
        width: Electrons of the sweep.
        package: What they install.
    """
    try:
        with dockerd.engine() as engine, LocalAws(runner="containers", slots=SLOTS) as aws:
            return _measure(engine, aws, times, width, package)
    except NoEngine as error:
        print(f"no container engine: {error}", end=" ")
        return None


def _measure(
    engine: docker.DockerClient, aws: LocalAws, times: int, width: int, package: str
) -> dict[str, Any]:
    images, python = Images(engine), find(OURS)
    assert python is not None
    bare, full = images.bare(python), images.full(python)
    offline: dict[str, Any] = {"environment": index.UNREACHABLE}
    found: dict[str, Any] = {
        "a bare Python": _median(_alone(engine, bare) for _ in range(times)),
        "bare image": _median(_run(aws, bare, **offline) for _ in range(times)),
        "full image": _median(_run(aws, full, **offline) for _ in range(times)),
    }
    if index.problem():
        return found
    with _reach() as reach:
        covalent = [_run(aws, bare, _import_covalent(), **reach) for _ in range(2)]
        found["Covalent imported, first job"], found["Covalent imported, later"] = covalent
        started = time.monotonic()
        sweep = _sweep(aws, bare, width, package, **reach)
        found["sweep"] = {"seconds": time.monotonic() - started}
    found["DepsPip, first job"] = sweep[0]
    found["DepsPip, later"] = sweep[-1]
    return found


@contextlib.contextmanager
def _reach() -> Iterator[dict[str, Any]]:
    """Give what options let a container reach this machine's package index."""
    reachable = index.configured()
    yield {
        "environment": reachable.environment,
        "container_properties": reachable.container_properties,
    }


def _median(samples: Iterator[Sample]) -> Sample:
    every = list(samples)
    return {name: statistics.median(sample[name] for sample in every) for name in every[0]}


def _alone(engine: docker.DockerClient, image: str) -> Sample:
    output = engine.containers.run(
        image, ["python3", "-c", ALONE], network_mode="host", remove=True, init=True
    )
    return dict(json.loads(output))


def _function() -> Callable[[], Sample]:
    """Return the function, made here so that it travels by value."""
    names: dict[str, Any] = {"__name__": "measured"}
    exec(MEASURE, names)
    return names["measure"]  # type: ignore[no-any-return]


def _import_covalent() -> Callable[[], Sample]:
    measured = _function()

    def import_covalent() -> Sample:
        import covalent

        return measured() if covalent else {}

    return import_covalent


def _run(
    aws: LocalAws, image: str, function: Callable[[], Sample] | None = None, **options: Any
) -> Sample:
    executor = _executor(aws, image, **options)
    return asyncio.run(_task(executor, function or _function(), [], str(uuid.uuid4()), 0))


def _sweep(aws: LocalAws, image: str, width: int, package: str, **options: Any) -> list[Sample]:
    """Run electrons that install the same; return what they took, in the order of their ends."""
    executor, dispatch = _executor(aws, image, **options), str(uuid.uuid4())
    hook = ct.DepsPip([package]).apply()

    async def run_all() -> list[Sample]:
        tasks = [_task(executor, _function(), [hook], dispatch, node) for node in range(width)]
        return [await task for task in asyncio.as_completed(tasks)]

    return asyncio.run(run_all())


def _executor(aws: LocalAws, image: str, **options: Any) -> AWSBatchExecutor:
    settings = {"container_image_uri": image, "poll_freq": 0.5, "retry_attempts": 1, "vcpu": 1}
    cache = Path(tempfile.gettempdir(), "covalent")
    return AWSBatchExecutor(
        **{**aws.executor_options(), **settings, "cache_dir": str(cache), **options}
    )


async def _task(
    executor: AWSBatchExecutor,
    function: Callable[[], Sample],
    before: list[Any],
    dispatch: str,
    node: int,
) -> Sample:
    call = functools.partial(wrapper_fn, TransportableObject(function), before, [])
    result = await executor.run(call, [], {}, {"dispatch_id": dispatch, "node_id": node})
    return dict(result.get_deserialized())
