"""Covalent's own nodes: the same results on the server's host as on Batch, and no job for them."""

from __future__ import annotations

import covalent as ct


@ct.electron
def pair(x):
    return x, {"a": [x, None], "b": (1, 2)}


@ct.electron
def same(x, y=None):
    return x if y is None else [x, y]


@ct.electron
def number(x):
    return 3.0 + x


def tuples(x):
    first, second = pair(x)
    return [first, second]


def everything(x):
    """Every kind of built-in node, on few electrons: each is a job in the second run."""
    first, second = pair(x)
    other = number(x)
    return {
        "lists": same([first, 2, [other]]),
        "dictionaries": same({"x": first, "nested": {"y": [other]}}),
        "item": second["b"],
        "none": second["a"][1],
        "attribute": other.real,
        "arithmetic": (other + 3) * 2 - other / 2,
        "constant": 7,
    }


EXPECTED = {
    "lists": [5, 2, [8.0]],
    "dictionaries": {"x": 5, "nested": {"y": [8.0]}},
    "item": (1, 2),
    "none": None,
    "attribute": 8.0,
    "arithmetic": 18.0,
    "constant": 7,
}


def lattices(shape, executor):
    return ct.lattice(shape, executor=executor, workflow_executor=executor)


def test_same_results_beside_the_server_and_on_batch(executor, run):
    beside = run(lattices(everything, executor()), 5)
    on_batch = run(lattices(everything, executor(builtin_nodes_on_batch=True)), 5)
    assert str(beside.status) == str(on_batch.status) == "COMPLETED", beside.error
    assert beside.result == on_batch.result == EXPECTED


def test_only_user_code_becomes_jobs(jobs_of, executor, run):
    result = run(lattices(tuples, executor()), 5)
    assert str(result.status) == "COMPLETED"
    assert len(jobs_of(result.dispatch_id)) == 1


def test_exceptions_in_glue_are_told_alike(executor, run):
    def missing(x):
        return same(pair(x)[1]["no such key"])

    texts = []
    for options in ({}, {"builtin_nodes_on_batch": True}):
        result = run(lattices(missing, executor(**options)), 5)
        assert str(result.status) == "FAILED"
        failed = [n for n in result.get_all_node_results() if str(n["status"]) == "FAILED"]
        assert len(failed) == 1
        texts.append(failed[0]["stderr"].split("Job: ")[0])
    assert texts[0] == texts[1]
    assert "KeyError: 'no such key'" in texts[0]
