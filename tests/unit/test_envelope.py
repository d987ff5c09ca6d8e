"""Envelopes: what one side writes the other reads, and what is no envelope is told so."""

from __future__ import annotations

import contextlib
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covalent_awsbatch_plugin.protocol import envelope, exit_codes, messages, s3_keys
from covalent_awsbatch_plugin.protocol.envelope import BadEnvelope
from covalent_awsbatch_plugin.protocol.messages import Call, Outcome, Part, Task

texts = st.text(max_size=20)
headers = st.dictionaries(texts, st.integers() | texts, max_size=3)
inline = st.builds(
    lambda kind, data, header: Part(kind, data=data, size=len(data), header=header),
    st.sampled_from(["transportable", "pickle"]),
    st.binary(max_size=50),
    headers,
)
stored = st.builds(
    lambda kind, key, size: Part(kind, key=key, size=size),
    st.sampled_from(["transportable", "pickle"]),
    texts,
    st.integers(0, 2**40),
)
parts = inline | stored
hooks = st.tuples(parts, parts, parts, st.none() | texts | st.integers())
calls = st.builds(
    Call,
    parts,
    st.lists(parts, max_size=3).map(tuple),
    st.dictionaries(texts, parts, max_size=3),
    st.lists(hooks, max_size=2).map(tuple),
    st.lists(hooks, max_size=2).map(tuple),
)
tasks = st.builds(Task, texts, texts, calls, texts, texts, st.integers())
outcomes = st.builds(
    Outcome,
    st.sampled_from(messages.STATUSES),
    attempt=st.integers(1, 10),
    exit_code=st.integers(0, 255),
    error=texts,
    traceback=texts,
    started=st.floats(0, 2e9),
    ended=st.floats(0, 2e9),
    peak_memory=st.integers(0, 2**40),
    python=texts,
    result=st.none() | parts,
    stdout=texts,
    stderr=texts,
)


@given(tasks)
def test_a_task_comes_back_as_it_was(task):
    assert envelope.decode_task(envelope.encode_task(task)) == task


@given(outcomes)
def test_an_outcome_comes_back_as_it_was(outcome):
    assert envelope.decode_outcome(envelope.encode_outcome(outcome)) == outcome


class Bomb:
    """Its pickle, if anybody loaded it, would raise."""

    def __reduce__(self):
        return (pytest.fail, ("it was unpickled",))


@given(st.data())
def test_mutated_bytes_are_refused_or_read_and_never_unpickled(data):
    bomb = pickle.dumps(Bomb())
    whole = envelope.encode_outcome(
        Outcome(messages.RETURNED, result=Part("pickle", data=bomb, size=len(bomb)), stdout="out")
    )
    mutated = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 4))):
        if mutated:
            place = data.draw(st.integers(0, len(mutated) - 1))
            mutated[place] = data.draw(st.integers(0, 255))
    for decode in (envelope.decode_outcome, envelope.decode_task):
        with contextlib.suppress(BadEnvelope):
            decode(bytes(mutated))


@given(st.binary(max_size=300))
def test_any_bytes_behind_the_magic_are_refused_or_read(rest):
    for decode in (envelope.decode_outcome, envelope.decode_task):
        with contextlib.suppress(BadEnvelope):
            decode(envelope.MAGIC + rest)


def test_truncation_anywhere_is_refused():
    whole = envelope.encode_outcome(Outcome(messages.RETURNED, stdout="some output"))
    for length in range(len(whole)):
        with pytest.raises(BadEnvelope):
            envelope.decode_outcome(whole[:length])


@given(st.text() | st.integers())
def test_no_dispatch_id_leaves_its_prefix(name):
    key = s3_keys.task_key(name, name)
    prefix, dispatch, node, task = key.split("/")
    assert (prefix, task) == ("covalent", "task")
    assert {dispatch, node}.isdisjoint({"", ".", ".."})
    assert key.isascii()


def test_hostile_names_become_digests_and_plain_ones_stay():
    assert s3_keys.safe_name("../../etc/passwd").startswith("x")
    assert s3_keys.safe_name("a" * 65) != "a" * 65
    assert s3_keys.safe_name("3f8e1c1e-0000-4000-8000-000000000000").startswith("3f8e1c1e-")
    assert s3_keys.safe_name("..") != s3_keys.safe_name(".")


def test_exit_codes_that_are_never_retried_match_their_pattern():
    never = exit_codes.NEVER_RETRIED.rstrip("*")
    hopeless = (
        exit_codes.EXIT_PYTHON_MISMATCH,
        exit_codes.EXIT_NOT_SERIALIZABLE,
        exit_codes.EXIT_NO_PERMISSION,
        exit_codes.EXIT_BAD_TASK,
        exit_codes.EXIT_NO_PYTHON,
    )
    assert all(str(code).startswith(never) for code in hopeless)
    assert not str(exit_codes.EXIT_START_FAILED).startswith(never)
    assert not str(exit_codes.EXIT_RAISED).startswith(never)
