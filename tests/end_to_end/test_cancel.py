"""Cancelling: before a task starts, while its job waits, and while it runs."""

from __future__ import annotations

import time

import covalent as ct
import pytest

from .conftest import node, wait_until


def status_of(dispatch_id: str) -> str:
    return str(ct.get_result(dispatch_id, status_only=True)["status"])


@pytest.fixture
def sleeper(executor):
    batch = executor()

    @ct.electron(executor=batch)
    def sleep(seconds):
        print("asleep", flush=True)
        time.sleep(seconds)
        return seconds

    return sleep


def assert_ended(jobs_of, dispatch_id: str) -> None:
    wait_until(lambda: all(j["status"] == "FAILED" for j in jobs_of(dispatch_id)))
    for job in jobs_of(dispatch_id):
        assert dispatch_id in job["statusReason"]


def test_while_running(jobs_of, sleeper):
    @ct.lattice
    def workflow():
        return sleeper(300)

    dispatch_id = ct.dispatch(workflow)()
    wait_until(lambda: [j for j in jobs_of(dispatch_id) if j["status"] == "RUNNING"])
    ct.cancel(dispatch_id)
    wait_until(lambda: status_of(dispatch_id) == "CANCELLED", 20)
    result = ct.get_result(dispatch_id, wait=True)
    assert str(node(result, "sleep")["status"]) == "CANCELLED"
    assert_ended(jobs_of, dispatch_id)


def test_while_queued(jobs_of, sleeper, busy_hosts):
    @ct.lattice
    def workflow():
        return sleeper(300)

    dispatch_id = ct.dispatch(workflow)()
    wait_until(lambda: [j for j in jobs_of(dispatch_id) if j["status"] == "RUNNABLE"])
    ct.cancel(dispatch_id)
    wait_until(lambda: status_of(dispatch_id) == "CANCELLED", 20)
    assert_ended(jobs_of, dispatch_id)


def test_before_it_starts(jobs_of, executor, sleeper):
    @ct.electron(executor=executor())
    def after(x):
        return x

    @ct.lattice
    def workflow():
        return after(sleeper(300))

    dispatch_id = ct.dispatch(workflow)()
    wait_until(lambda: [j for j in jobs_of(dispatch_id) if j["status"] == "RUNNING"])
    ct.cancel(dispatch_id)
    wait_until(lambda: status_of(dispatch_id) == "CANCELLED", 20)
    assert len(jobs_of(dispatch_id)) == 1, "the second task became a job"
    assert_ended(jobs_of, dispatch_id)


def test_of_single_nodes_spares_the_others(jobs_of, executor, sleeper):
    batch = executor()

    @ct.electron(executor=batch)
    def quick(x):
        return x

    @ct.lattice
    def workflow():
        return [sleeper(301), sleeper(302), quick(3)]

    dispatch_id = ct.dispatch(workflow)()
    wait_until(lambda: len([j for j in jobs_of(dispatch_id) if j["status"] == "RUNNING"]) >= 2)
    nodes = ct.get_result(dispatch_id).get_all_node_results()
    numbers = [n["node_id"] for n in nodes if n["node_name"] == "sleep"]
    ct.cancel(dispatch_id, task_ids=list(reversed(numbers)))
    wait_until(lambda: status_of(dispatch_id) in ("CANCELLED", "FAILED"), 20)
    nodes = ct.get_result(dispatch_id, wait=True).get_all_node_results()
    by_number = {n["node_id"]: str(n["status"]) for n in nodes}
    assert {by_number[number] for number in numbers} == {"CANCELLED"}
    quick_one = next(n for n in nodes if n["node_name"] == "quick")
    assert str(quick_one["status"]) == "COMPLETED"
