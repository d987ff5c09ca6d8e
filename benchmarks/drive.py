"""Drive one release's executor as Covalent's server does, and print what it cost as JSON.

Run as a script, by the Python of either release: ``python drive.py '{"tasks": 10, ...}'``. Each
run is a process of its own, so that peak memory and imports are this run's alone.
"""

from __future__ import annotations

import asyncio
import gc
import io
import json
import os
import re
import resource
import sys
import tempfile
import time
import uuid
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

# How often the event loop is asked whether it is blocked, in seconds.
BEAT = 0.01
# After the last task: time for what is cleaned up in the background, in seconds.
AFTERMATH = 1.5


def memory(kind: str) -> int:
    """Return this process's resident memory in bytes: now (VmRSS) or at its peak (VmHWM)."""
    text = Path("/proc/self/status").read_text()
    found = re.search(rf"{kind}:\s+(\d+) kB", text)
    assert found is not None
    return int(found[1]) * 1024


def forget_peak() -> None:
    """Let the peak start anew from the memory in use now."""
    Path("/proc/self/clear_refs").write_text("5")


def cpu_seconds() -> float:
    """Return the CPU time of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


class Collector:
    """Notes the time that Python's garbage collector takes."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._started: float | None = None
        gc.callbacks.append(self._note)

    def _note(self, phase: str, info: dict[str, int]) -> None:
        now = time.perf_counter()
        if phase == "start" or self._started is None:
            self._started = now
            return
        self._seconds += now - self._started
        self._started = None

    def seconds(self) -> float:
        """Return the seconds it took so far.

        A search that another thread makes has blocked the event loop before its end is reported.
        """
        under_way = time.perf_counter() - self._started if self._started is not None else 0.0
        return self._seconds + under_way

    def search(self) -> dict[str, float]:
        """Search all memory; return how many objects there are, and the seconds it took."""
        gc.collect()
        started = time.perf_counter()
        gc.collect()
        return {"seconds": time.perf_counter() - started, "objects": len(gc.get_objects())}


class Heartbeat:
    """Notes how long the event loop kept others waiting, with and without the collector."""

    def __init__(self, collector: Collector) -> None:
        self.longest = self.longest_busy = 0.0
        self.late = 0
        self._collector = collector
        self._task = asyncio.ensure_future(self._beat())

    async def _beat(self) -> None:
        while True:
            asked, collected = time.perf_counter(), self._collector.seconds()
            await asyncio.sleep(BEAT)
            late = time.perf_counter() - asked - BEAT
            busy = late - (self._collector.seconds() - collected)
            self.longest, self.longest_busy = max(self.longest, late), max(self.longest_busy, busy)
            self.late += late > 0.05

    def stop(self) -> dict[str, float]:
        self._task.cancel()
        return {
            "longest_block": self.longest,
            "longest_block_but_for_gc": self.longest_busy,
            "blocks_over_50_ms": self.late,
        }


class Server:
    """What Covalent's server does around ``run()``, without its database."""

    def __init__(self, executor_class: type, options: dict[str, Any], scratch: str) -> None:
        self.executor_class = executor_class
        self.attributes = executor_class(**options).to_dict()["attributes"]
        self.dispatch_id = str(uuid.uuid4())
        self.scratch = scratch
        self.handles = 0
        self.finished: dict[int, float] = {}

    async def execute(self, function: Any, args: list[Any], node_id: int) -> Any:
        """Run one electron and return its result."""
        executor = self.executor_class()
        executor.from_dict({"attributes": dict(self.attributes)})
        executor._init_runtime(loop=asyncio.get_running_loop(), cancel_pool=None)
        watch = asyncio.ensure_future(self._answer(executor))
        output, _, stderr, status = await executor._execute(
            function=function,
            args=args,
            kwargs={},
            dispatch_id=self.dispatch_id,
            results_dir=self.scratch,
            node_id=node_id,
        )
        self.finished[node_id] = time.time()
        watch.cancel()
        if str(status) != "COMPLETED":
            raise RuntimeError(f"task {node_id} is {status}: {stderr}")
        return output

    async def _answer(self, executor: Any) -> None:
        """Answer what the executor asks the database: is it cancelled, keep this handle."""
        while True:
            _, body = await executor._send_queue.get()
            asked = body == "cancel_requested"
            self.handles += not asked
            executor._recv_queue.put_nowait((True, False if asked else None))


def nothing(*args: Any) -> None:
    """Be a task that does nothing."""


def seconds_since_start(*args: Any) -> float:
    """Be a task that reports how long its job took to get here."""
    import os
    import time

    return time.time() - float(os.environ["FAKE_AWS_STARTED"])


FUNCTIONS = {"nothing": nothing, "seconds_since_start": seconds_since_start}


class Work:
    """The tasks to run: copies of one call, as the server reads them from its database."""

    def __init__(self, work: dict[str, Any]) -> None:
        from covalent._workflow.transport import TransportableObject
        from covalent.executor.utils.wrappers import wrapper_fn

        self._load = TransportableObject.deserialize
        self._wrapper = wrapper_fn
        function = FUNCTIONS[work.get("function", "nothing")]
        self._function = TransportableObject(function).serialize()
        self.shared, self.payload = b"", 0
        self.own: list[Any] = []
        if size := work.get("argument_size", 0):
            argument = TransportableObject(io.BytesIO(os.urandom(size)))
            self.payload = len(argument._object) + len(argument.object_string)
            if work["tasks"] == 1:
                self.own = [argument]
            else:
                self.shared = argument.serialize()

    def call(self) -> tuple[Any, list[Any]]:
        """Return one task's callable and arguments, objects of its own."""
        args = self.own or ([self._load(self.shared)] if self.shared else [])
        return partial(self._wrapper, self._load(self._function), [], []), args


async def run_all(server: Server, work: Work, count: int, one_by_one: bool) -> list[Any]:
    """Run all tasks, at once unless ``one_by_one``, and return what came back."""
    running = []
    for node_id in range(count):
        task = asyncio.ensure_future(server.execute(*work.call(), node_id))
        running.append(task)
        await (task if one_by_one else asyncio.sleep(0))
    return await asyncio.gather(*running)


async def wait_for_nothing(server: Server, work: Work, count: int, seconds: float) -> Any:
    """Let all tasks wait for jobs that never end, and measure only the waiting."""
    collector = Collector()
    empty = collector.search()
    whole, running = Heartbeat(collector), []
    for node_id in range(count):
        running.append(asyncio.ensure_future(server.execute(*work.call(), node_id)))
        await asyncio.sleep(0)
    while server.handles < count:
        await asyncio.sleep(0.2)
        for task in running:
            if task.done():
                task.result()
    submitting = whole.stop()
    # One period of polling, so that every job has had its first looks.
    await asyncio.sleep(12)
    beat, cpu, start = Heartbeat(collector), cpu_seconds(), time.monotonic()
    await asyncio.sleep(seconds)
    window = {"from": start, "to": time.monotonic(), "cpu": cpu_seconds() - cpu}
    found = {"submitting": submitting, "window": window, **beat.stop()}
    return {**found, "search": {"before": empty, "waiting": collector.search()}}


async def measure(server: Server, work: Work, given: dict[str, Any]) -> dict[str, Any]:
    """Run the tasks and return their cost."""
    if given.get("wait"):
        return dict(await wait_for_nothing(server, work, given["tasks"], given["wait"]))
    beat, cpu, start = Heartbeat(Collector()), cpu_seconds(), time.perf_counter()
    results = await run_all(server, work, given["tasks"], given.get("one_by_one", False))
    wall = time.perf_counter() - start
    found: dict[str, Any] = {"wall": wall, "cpu": cpu_seconds() - cpu, **beat.stop()}
    found["peak"] = memory("VmHWM")
    found["finished"] = server.finished
    if given.get("keep_results"):
        found["results"] = [result.get_deserialized() for result in results]
    await asyncio.sleep(AFTERMATH)
    return found


def set_fake(url: str, values: dict[str, Any]) -> None:
    """Change what the fake AWS does from now on."""
    with urlopen(Request(url, data=json.dumps(values).encode())):
        pass


def event_loop() -> asyncio.AbstractEventLoop:
    """Return a loop of the kind the server runs on."""
    import uvloop

    return uvloop.new_event_loop()


def main() -> None:
    """Do the work described by the first argument."""
    given = json.loads(sys.argv[1])
    import covalent

    from covalent_awsbatch_plugin.awsbatch import AWSBatchExecutor

    imported = memory("VmRSS")
    with tempfile.TemporaryDirectory() as scratch:
        loop = event_loop()
        asyncio.set_event_loop(loop)
        if "warm" in given:
            first = Server(AWSBatchExecutor, given["options"], scratch)
            loop.run_until_complete(run_all(first, Work({}), 1, one_by_one=True))
            set_fake(**given["warm"])
        server = Server(AWSBatchExecutor, given["options"], scratch)
        work = Work(given)
        before = memory("VmRSS")
        forget_peak()
        found = loop.run_until_complete(measure(server, work, given))
    print(json.dumps({"imported": imported, "before": before, "payload": work.payload, **found}))
    assert covalent
    sys.stdout.flush()
    # Whatever still waits for jobs that never end is of no interest.
    os._exit(0)


if __name__ == "__main__":
    main()
