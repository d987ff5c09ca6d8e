"""Dispatches that are looked at, changed or ended while they run: on ours as on local."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import covalent as ct
import pytest
from covalent.triggers import BaseTrigger, DatabaseTrigger, DirTrigger, SQLiteTrigger, TimeTrigger

from tests.end_to_end.conftest import wait_until

from .conftest import ENDED, LIMIT, LOCAL, ON_HOST, Runs, at_once, finished
from .observation import observe

MODES = (LOCAL, ON_HOST)


@ct.electron
def add(x, y):
    return x + y


@ct.electron
def double(x):
    return 2 * x


def lattice(mode: str, **options: Any) -> Any:
    def workflow(x, y=1):
        return double(add(x, y))

    return ct.lattice(workflow, executor=mode, workflow_executor=mode, **options)


def both(runs: Runs, look: Callable[[str], Any]) -> tuple[Any, Any]:
    """Return what is seen with our executor and with the local one."""
    assert runs
    ours, local = at_once(look, ON_HOST, LOCAL)
    return ours, local


def test_redispatch_with_new_arguments_other_electrons_and_reused_results(runs: Runs):
    @ct.electron
    def subtract(x, y):
        return x - y

    def look(mode: str) -> Any:
        first = finished(ct.dispatch(lattice(mode))(1, y=2), mode)
        again = ct.redispatch(first.dispatch_id)()
        other = ct.redispatch(first.dispatch_id)(5, y=6)
        reused = ct.redispatch(first.dispatch_id, reuse_previous_results=True)()
        replaced = ct.redispatch(first.dispatch_id, replace_electrons={"add": subtract})(5, y=3)
        results = [finished(dispatch_id, mode) for dispatch_id in (again, other, reused, replaced)]
        assert len({result.dispatch_id for result in results}) == 4
        return [(str(result.status), result.result) for result in results]

    ours, local = both(runs, look)
    assert ours == local
    assert [result for _, result in ours] == [6, 22, 6, 4]


def test_dispatch_without_running_and_dispatch_sync(runs: Runs):
    def look(mode: str) -> Any:
        waiting = ct.dispatch(lattice(mode), disable_run=True)(1)
        status = str(ct.get_result(waiting).status)
        started = ct.redispatch(waiting)() if status in ENDED else ct.dispatch(lattice(mode))(1)
        sync = ct.dispatch_sync(lattice(mode))(2)
        return status, finished(started, mode).result, sync.result, str(sync.status)

    ours, local = both(runs, look)
    assert ours == local
    assert ours[1:] == (4, 6, "COMPLETED")


def test_parts_of_a_result_and_its_metadata(runs: Runs):
    def look(mode: str) -> Any:
        dispatch_id = ct.dispatch(lattice(mode))(1)
        finished(dispatch_id, mode)
        bare = ct.get_result(dispatch_id, workflow_output=False, intermediate_outputs=False)
        whole = ct.get_result(dispatch_id)
        outputs = whole.get_all_node_outputs()
        node = whole.get_node_result(0)
        return (
            bare.encoded_result is None,
            {name: value.get_deserialized() for name, value in outputs.items()},
            whole.inputs.get_deserialized(),
            whole.post_process(),
            node["start_time"] <= node["end_time"],
            whole.start_time <= whole.end_time,
            whole.root_dispatch_id == dispatch_id,
            str(whole).count("COMPLETED"),
        )

    ours, local = both(runs, look)
    assert ours == local


def test_assets_of_a_result_manager(runs: Runs, tmp_path: Path):
    def look(mode: str) -> Any:
        dispatch_id = lattice(mode).dispatch(1)
        finished(dispatch_id, mode)
        manager = ct.get_result_manager(dispatch_id, results_dir=str(tmp_path / mode))
        manager.download_result_asset("result")
        manager.load_result_asset("result")
        for number, asset in ((0, "output"), (0, "function"), (0, "stdout")):
            manager.download_node_asset(number, asset)
            manager.load_node_asset(number, asset)
        result = manager.result_object
        output = result.lattice.transport_graph.get_node_value(0, "output")
        files = sorted(path.name for path in (tmp_path / mode).rglob("*") if path.is_file())
        return result.result, output.get_deserialized(), files

    ours, local = both(runs, look)
    assert ours == local
    assert ours[:2] == (4, 2)


def test_redispatch_of_a_sublattice(runs: Runs):
    @ct.electron
    def triple_of_both(x, y):
        return 3 * (x + y)

    def look(mode: str) -> Any:
        @ct.electron
        @ct.lattice
        def sub(x):
            return double(x)

        def workflow(x):
            return add(sub(x), 1)

        outer = ct.lattice(workflow, executor=mode, workflow_executor=mode)
        first = finished(ct.dispatch(outer)(2), mode)
        again = finished(ct.redispatch(first.dispatch_id)(5), mode)
        reused = ct.redispatch(
            first.dispatch_id,
            replace_electrons={"add": triple_of_both},
            reuse_previous_results=True,
        )()
        return [(str(r.status), r.result) for r in (first, again, finished(reused, mode))]

    ours, local = both(runs, look)
    assert ours == local
    assert [result for _, result in ours] == [5, 11, 15]


def test_a_trigger_starts_a_dispatch(runs: Runs, tmp_path: Path):
    def look(mode: str) -> Any:
        folder = tmp_path / mode
        folder.mkdir()
        trigger = DirTrigger(str(folder), ["created"])
        dispatch_id = ct.dispatch(lattice(mode, triggers=trigger))(1)
        before = str(ct.get_result(dispatch_id).status)
        (folder / "file").write_text("here")
        result = finished(dispatch_id, mode)
        ct.stop_triggers(dispatch_id)
        return before, str(result.status), result.result

    ours, local = both(runs, look)
    assert ours == local == ("NEW_OBJECT", "COMPLETED", 4)


def started_by(trigger: BaseTrigger, mode: str, happens: Callable[[], None]) -> tuple[str, int]:
    """Return how the dispatch of a trigger ended, after what the trigger waits for happened."""
    dispatch_id = ct.dispatch(lattice(mode, triggers=trigger))(1)
    try:
        happens()
        # Each second that the trigger lasts longer, it starts one more dispatch.
        wait_until(lambda: started(dispatch_id), LIMIT)
    finally:
        ct.stop_triggers(dispatch_id)
    result = finished(dispatch_id, mode)
    return str(result.status), result.result


def started(dispatch_id: str) -> bool:
    status = str(ct.get_result(dispatch_id, status_only=True)["status"])
    return status != "NEW_OBJECT"


def test_a_time_trigger_starts_a_dispatch(runs: Runs):
    ours, local = both(runs, lambda mode: started_by(TimeTrigger(1), mode, lambda: None))
    assert ours == local == ("COMPLETED", 4)


@pytest.mark.parametrize("kind", [SQLiteTrigger, DatabaseTrigger])
def test_a_database_trigger_starts_a_dispatch(
    runs: Runs, tmp_path: Path, kind: type[SQLiteTrigger] | type[DatabaseTrigger]
):
    def look(mode: str) -> Any:
        file = tmp_path / f"{mode}.sqlite"

        def execute(statement: str) -> None:
            with closing(sqlite3.connect(file)) as database, database:
                database.execute(statement)

        def happens() -> None:
            execute("INSERT INTO orders VALUES ('ready')")

        execute("CREATE TABLE orders (status TEXT)")
        path = str(file) if kind is SQLiteTrigger else f"sqlite:///{file}"
        return started_by(kind(path, "orders", 1, ["status = 'ready'"]), mode, happens)

    ours, local = both(runs, look)
    assert ours == local == ("COMPLETED", 4)


def test_a_trigger_of_ones_own_starts_it_again_and_again(runs: Runs):
    def look(mode: str) -> Any:
        trigger = BaseTrigger()
        trigger.use_internal_funcs = False
        dispatch_id = ct.dispatch(lattice(mode), disable_run=True)(1)
        trigger.lattice_dispatch_id = dispatch_id
        trigger.trigger()
        first = finished(dispatch_id, mode)
        trigger.trigger()
        (again,) = trigger.new_dispatch_ids
        return first.result, finished(again, mode).result

    ours, local = both(runs, look)
    assert ours == local == (4, 4)


def test_cancelling_a_sublattice_ends_its_jobs(runs: Runs, tmp_path: Path):
    started = tmp_path / "started"

    @ct.electron
    def sleep():
        started.write_text("now")
        time.sleep(300)

    @ct.electron
    @ct.lattice
    def sub():
        return sleep()

    @ct.lattice(executor=ON_HOST, workflow_executor=ON_HOST)
    def workflow():
        return sub()

    assert runs
    dispatch_id = ct.dispatch(workflow)()
    wait_until(started.exists)
    ct.cancel(dispatch_id)
    result = finished(dispatch_id, ON_HOST)
    seen = observe(result, tmp_path)
    assert seen.status == "CANCELLED"
    assert seen.nodes[0].sublattice is not None
    assert seen.nodes[0].sublattice.nodes[0].status == "CANCELLED"


def test_a_sublattice_that_names_its_executor_ignores_options_of_another_class(runs: Runs):
    @ct.electron
    @ct.lattice(executor=ON_HOST, workflow_executor=ON_HOST)
    def sub(x):
        return double(x)

    local = ct.executor.LocalExecutor()

    @ct.lattice(executor=local, workflow_executor=local)
    def workflow(x):
        return sub(x)

    assert runs
    result = finished(ct.dispatch(workflow)(2), ON_HOST)
    assert (str(result.status), result.result) == ("COMPLETED", 4)
    inner = result.get_node_result(0)["sublattice_result"]
    assert inner.lattice.transport_graph.get_node_value(0, "metadata")["executor"] == ON_HOST


def test_exhaustive_postprocessing(runs: Runs):
    """Covalent's other way to post-process: the lattice's function runs again on all results."""

    def look(mode: str) -> Any:
        result = finished(ct.dispatch(lattice(mode))(1), mode)
        return str(result.status), result.result

    ct.set_config("sdk.exhaustive_postprocess", "true")
    try:
        ours, local = both(runs, look)
    finally:
        ct.set_config("sdk.exhaustive_postprocess", "false")
    assert ours == local == ("COMPLETED", 4)


@pytest.mark.parametrize("stream", ["log_stdout", "log_stderr"])
def test_log_files_have_the_task_s_output(runs: Runs, stream: str, tmp_path: Path):
    import sys

    file = tmp_path / "task.log"
    options = {**runs.options(), stream: str(file)}

    @ct.electron(executor=ct.executor.AWSBatchExecutor(**options))
    def speak():
        print("spoken", file=sys.stdout if stream == "log_stdout" else sys.stderr)

    @ct.lattice
    def workflow():
        return speak()

    assert str(finished(ct.dispatch(workflow)(), ON_HOST).status) == "COMPLETED"
    assert file.read_text() == "spoken\n"
