"""From a container's start to the user's function: seconds, processor time and disk.

A job's function measures itself: process 1 of its container knows when it started, and processor
time and files are those of all the container's processes.
"""

from __future__ import annotations

import ast
import asyncio
import configparser
import contextlib
import io
import json
import statistics
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cloudpickle
import covalent as ct
import docker
from covalent._shared_files.exceptions import TaskRuntimeError
from covalent._workflow.electron import _build_sublattice_graph
from covalent._workflow.transport import TransportableObject
from covalent.executor.utils.wrappers import wrapper_fn

from benchmarks.counting_proxy import CountingProxy, counting
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

# Release 0.42's protocol: the image has everything, and the job unpickles what it fetches.
OLD_PROTOCOL = """
import os
import boto3
import cloudpickle
s3 = boto3.client("s3", endpoint_url=os.environ["ENDPOINT"])
s3.download_file(os.environ["BUCKET"], "function.pkl", "/tmp/function.pkl")
with open("/tmp/function.pkl", "rb") as file:
    function, args, kwargs = cloudpickle.load(file)
print(function(*args, **kwargs).object_string)
"""

# Seconds for one dispatch. A way that takes longer is left out.
LIMIT = 400.0

Sample = dict[str, float]


def measure(times: int, width: int, package: str) -> dict[str, Any] | None:
    """Return what every way takes; None where there is no container engine.

    Args:
        times: How often each is measured; the medians are returned.
        width: Electrons of the sweep.
        package: What they install.
    """
    try:
        with dockerd.engine() as engine, LocalAws(runner="containers", slots=SLOTS) as aws:
            ways = dict(_ways(engine, aws, times, width, package))
            return {name: found for name, way in ways.items() if (found := _try(name, way))}
    except NoEngine as error:
        print(f"no container engine: {error}", end=" ")
        return None


def _try(name: str, way: Callable[[], Any]) -> Any:
    """Return what a way takes; None, after a line that explains it, where it fails."""
    try:
        return way()
    except (
        TaskRuntimeError,
        docker.errors.DockerException,
        TimeoutError,
        asyncio.TimeoutError,
    ) as e:
        print(f"{name}: {type(e).__name__}: {e}", flush=True)
        return None


def _ways(
    engine: docker.DockerClient, aws: LocalAws, times: int, width: int, package: str
) -> Iterator[tuple[str, Callable[[], Any]]]:
    images, python = Images(engine), find(OURS)
    assert python is not None
    bare, full = images.bare(python), images.full(python)
    # Whatever these need, they do not have it from an index.
    offline: dict[str, Any] = {"environment": index.UNREACHABLE}
    yield "a bare Python", lambda: _median(_alone(engine, bare) for _ in range(times))
    yield "bare image", lambda: _median(_run(aws, bare, **offline) for _ in range(times))
    yield "full image", lambda: _median(_run(aws, full, **offline) for _ in range(times))
    yield "0.42's protocol", lambda: _median(_old(engine, aws, full) for _ in range(times))
    covalent = partial(_run, aws, bare, _import_covalent(), **offline)
    yield "Covalent imported, first job", covalent
    yield "Covalent imported, later", lambda: _median(covalent() for _ in range(times))
    builder = partial(_build, aws, bare, **offline)
    yield "sublattice's builder", lambda: _median(builder() for _ in range(times))
    if not index.problem():
        sweep = partial(_deps_pip, aws, bare, package)
        yield "DepsPip, first job", lambda: sweep((1,))
        # The first dispatch's job installs and shares, the second's unpacks, each by itself.
        yield "DepsPip, later", lambda: sweep((1, 1), share_packages="bucket")
        yield "DepsPip, sweep", lambda: sweep((width,))


def _deps_pip(
    aws: LocalAws, image: str, package: str, widths: Sequence[int], **options: Any
) -> dict[str, float]:
    """Return what the last of some dispatches takes whose electrons install the same."""
    with _reach() as (reach, proxy):
        for width in widths:
            before = proxy.received
            sweep = _sweep(aws, image, width, package, **reach, **options)
        received = proxy.received - before
    summed = {key: sum(sample[key] for sample in sweep) for key in sweep[0]}
    return {**summed, "electrons": widths[-1], "received": received}


@contextlib.contextmanager
def _reach() -> Iterator[tuple[dict[str, Any], CountingProxy]]:
    """Give what options let a container reach this machine's package index, and what counts."""
    reachable = index.configured()
    with counting() as proxy:
        environment = {"PIP_PROXY": proxy.url, **reachable.environment}
        yield (
            {
                "environment": environment,
                "container_properties": reachable.container_properties,
            },
            proxy,
        )


def _median(samples: Iterator[Sample]) -> Sample:
    every = list(samples)
    return {name: statistics.median(sample[name] for sample in every) for name in every[0]}


def _alone(engine: docker.DockerClient, image: str) -> Sample:
    output = engine.containers.run(
        image, ["python3", "-c", ALONE], network_mode="host", remove=True, init=True
    )
    return dict(json.loads(output))


def _old(engine: docker.DockerClient, aws: LocalAws, image: str) -> Sample:
    """Run the function as release 0.42 does, in an image that has all that it needs."""
    keys = configparser.ConfigParser()
    keys.read(aws.credentials_file)
    [profile] = [keys[name] for name in keys.sections()][:1]
    bucket = aws.executor_options()["s3_bucket_name"]
    call = partial(wrapper_fn, TransportableObject(_function()), [], [])
    aws.client("s3").put_object(
        Bucket=bucket, Key="function.pkl", Body=cloudpickle.dumps((call, [], {}))
    )
    environment = {name.upper(): value for name, value in profile.items()}
    environment |= {"ENDPOINT": aws.endpoint_url, "BUCKET": bucket, "HOME": "/tmp"}
    output = engine.containers.run(
        image,
        ["python3", "-c", OLD_PROTOCOL],
        environment={**environment, "AWS_DEFAULT_REGION": "us-east-1"},
        network_mode="host",
        remove=True,
        init=True,
    )
    return dict(ast.literal_eval(output.decode().splitlines()[-1]))


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


def _build(aws: LocalAws, image: str, **options: Any) -> Sample:
    """Have a sublattice built, whose function prints what it took to get there."""
    measured = _function()

    def workflow() -> str:
        import json

        print(json.dumps(measured()))
        return "built"

    executor, printed = _executor(aws, image, **options), io.StringIO()
    metadata = json.dumps(ct.lattice(len, executor="local").metadata)
    arguments = [ct.lattice(workflow), metadata]
    with contextlib.redirect_stdout(printed):
        asyncio.run(_task(executor, _build_sublattice_graph, [], str(uuid.uuid4()), 0, arguments))
    line = next(x for x in printed.getvalue().splitlines() if x.startswith("{"))
    return dict(json.loads(line))


def _run(
    aws: LocalAws, image: str, function: Callable[[], Sample] | None = None, **options: Any
) -> Sample:
    executor = _executor(aws, image, **options)
    result = asyncio.run(_task(executor, function or _function(), [], str(uuid.uuid4()), 0))
    return dict(result.get_deserialized())


def _sweep(aws: LocalAws, image: str, width: int, package: str, **options: Any) -> list[Sample]:
    """Run electrons that install the same; return what each took."""
    executor, dispatch = _executor(aws, image, **options), str(uuid.uuid4())
    hook = ct.DepsPip([package]).apply()

    async def run_all() -> list[Sample]:
        tasks = [_task(executor, _function(), [hook], dispatch, node) for node in range(width)]
        ended = asyncio.as_completed(tasks, timeout=LIMIT)
        return [dict((await task).get_deserialized()) for task in ended]

    return asyncio.run(run_all())


def _executor(aws: LocalAws, image: str, **options: Any) -> AWSBatchExecutor:
    settings = {"container_image_uri": image, "poll_freq": 0.5, "retry_attempts": 1, "vcpu": 1}
    cache = Path(tempfile.gettempdir(), "covalent")
    return AWSBatchExecutor(
        **{**aws.executor_options(), **settings, "cache_dir": str(cache), **options}
    )


async def _task(
    executor: AWSBatchExecutor,
    function: Callable[..., Any],
    before: list[Any],
    dispatch: str,
    node: int,
    arguments: Sequence[Any] = (),
) -> Any:
    call = partial(wrapper_fn, TransportableObject(function), before, [])
    args = [TransportableObject(each) for each in arguments]
    metadata = {"dispatch_id": dispatch, "node_id": node}
    return await asyncio.wait_for(executor.run(call, args, {}, metadata), LIMIT)
