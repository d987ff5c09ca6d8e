"""Envelopes: what one side writes the other reads, and what is no envelope is refused."""

from __future__ import annotations

import contextlib
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covalent_awsbatch_plugin.protocol import envelope, exit_codes, messages, s3_keys
from covalent_awsbatch_plugin.protocol.envelope import BadEnvelope
from covalent_awsbatch_plugin.protocol.messages import Call, Outcome, Part, Task

# Any text, lone surrogates too, as names of files that are not UTF-8 have them.
any_texts = st.text(st.characters(exclude_categories=()), max_size=20)
texts = st.text(max_size=20)
headers = st.dictionaries(any_texts, st.none() | st.integers() | any_texts, max_size=3)
inline = st.builds(
    lambda kind, data, header, string: Part(
        kind, data=data, size=len(data), header=header, string=string
    ),
    st.sampled_from(["transportable", "pickle"]),
    st.binary(max_size=50),
    headers,
    texts,
)
stored = st.builds(
    lambda kind, key, size: Part(kind, key=key, size=size),
    st.sampled_from(["transportable", "pickle"]),
    any_texts,
    st.integers(0, 2**40),
)
parts = inline | stored
keywords = st.none() | any_texts | st.integers() | st.booleans() | st.floats(allow_nan=False)
hooks = st.tuples(parts, parts, parts, keywords | st.lists(keywords, max_size=2))
calls = st.builds(
    Call,
    parts,
    st.lists(parts, max_size=3).map(tuple),
    st.dictionaries(any_texts, parts, max_size=3),
    st.lists(hooks, max_size=2).map(tuple),
    st.lists(hooks, max_size=2).map(tuple),
)
tasks = st.builds(
    Task, any_texts, any_texts, calls, any_texts, any_texts, st.integers(), source=texts
)
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
    out_of_memory=st.booleans(),
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


@given(any_texts)
def test_an_outcome_s_texts_are_such_that_any_stream_takes_them(text):
    given = Outcome(
        messages.RAISED,
        error=text,
        traceback=text,
        python=text,
        stdout=text,
        stderr=text,
        result=Part("pickle", data=b"", string=text),
    )
    read = envelope.decode_outcome(envelope.encode_outcome(given))
    shown = {getattr(read, name) for name in envelope.TEXTS} | {read.result.string}
    assert shown == {text.encode("utf-8", "backslashreplace").decode()}


@pytest.mark.parametrize("size", [10, 1_000_000])
def test_an_outcome_s_header_does_not_grow_with_its_texts(size):
    long = "x" * size
    whole = envelope.encode_outcome(
        Outcome(
            messages.RAISED,
            error=long,
            traceback=long,
            result=Part("pickle", data=b"", string=long),
            stdout=long,
            stderr=long,
        )
    )
    assert int.from_bytes(whole[8:12], "big") < 1000
    assert envelope.decode_outcome(whole).error == long


def test_an_outcome_whose_header_is_too_long_is_refused_before_it_is_read():
    header = Part("pickle", data=b"", header={"doc": "x" * 2_000_000})
    with pytest.raises(BadEnvelope, match="header"):
        envelope.decode_outcome(envelope.encode_outcome(Outcome(messages.RETURNED, result=header)))


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
        exit_codes.EXIT_NOT_STORED,
        exit_codes.EXIT_CANNOT_UNPICKLE,
    )
    assert all(str(code).startswith(never) for code in hopeless)
    assert not str(exit_codes.EXIT_START_FAILED).startswith(never)
    assert not str(exit_codes.EXIT_RAISED).startswith(never)
