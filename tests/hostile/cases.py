"""The table: each hostile function, and what its task must end with."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from covalent_awsbatch_plugin import errors

from . import functions as f
from .functions import VALUE


@dataclass(frozen=True)
class Case:
    """A function, and what must come of it.

    Attributes:
        function: It.
        value: What it returns, where no error is expected.
        error: The error that is expected.
        texts: What the diagnosis has, which is at the end of its standard error.
        absent: What its standard error does not have.
        stdout: What its standard output has.
        stderr: What its standard error has.
        allowed: How often it may be run.
        attempts: How often it is.
    """

    function: Callable[[], Any]
    value: Any = VALUE
    error: type[errors.BatchTaskError] | None = None
    texts: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    stdout: str = ""
    stderr: str = ""
    allowed: int = 2
    attempts: int = 1


def raised(function: Callable[[], Any], *texts: str, **expected: Any) -> Case:
    return Case(function, error=errors.TaskRaised, texts=texts, **{"allowed": 1, **expected})


def killed(function: Callable[[], Any], *texts: str, **expected: Any) -> Case:
    return Case(function, error=errors.TaskKilled, texts=texts, **{"allowed": 1, **expected})


def refused(function: Callable[[], Any], *texts: str, **expected: Any) -> Case:
    """Its result cannot be pickled: another attempt cannot do better."""
    return Case(function, error=errors.ResultNotSerializable, texts=texts, **expected)


LEFT = "The task left a process running, now killed: sleep."
LINGERED = "The task had finished, but its process was still running"

CASES = {
    # Streams and file descriptors
    "stdout closed": Case(f.closes_stdout, stdout="before\n"),
    "stderr closed, raises": raised(f.closes_stderr_and_raises, "after stderr was closed"),
    "streams that cannot flush": Case(f.replaces_streams_by_objects_that_cannot_flush),
    "no streams": Case(f.has_no_streams),
    "stream with its own buffer": Case(
        f.buffers_its_output_itself, stdout="in a buffer of its own"
    ),
    "flush ends the process": Case(f.has_a_stdout_whose_flush_ends_the_process),
    "output descriptors closed": Case(f.closes_its_output_descriptors),
    "all descriptors closed": Case(f.closes_every_descriptor),
    "all descriptors closed, raises": raised(
        f.closes_every_descriptor_and_raises, "without descriptors"
    ),
    "all descriptors closed, thread left": Case(
        f.closes_every_descriptor_and_waits_for_a_thread, stderr=LINGERED
    ),
    "all descriptors used again": Case(f.reuses_every_descriptor, stderr="written to: []"),
    "output redirected": Case(f.redirects_its_output),
    "output without a newline": Case(f.writes_without_a_newline, stdout="bytes left out"),
    "output that is no text": Case(f.writes_what_is_no_text, stdout="\ufffd", stderr="\ufffd"),
    # Processes and threads left behind
    "process left": Case(f.leaves_a_process, stderr=LEFT),
    "background writer left": Case(
        f.leaves_a_background_writer, stdout="written\n", stderr="now killed: s"
    ),
    "daemon left": Case(f.leaves_a_daemon, stderr=LEFT),
    "process that finishes the output": Case(
        f.leaves_a_process_that_finishes_the_output, stdout="the last line\n", absent=("killed",)
    ),
    "fork, both return": Case(f.forks_and_both_return),
    "fork, child raises": Case(f.forks_and_the_child_raises, 1, stderr="in the child"),
    "fork, child exits": Case(f.forks_and_the_child_exits, stdout="the child's output\n"),
    "fork, child returns last": Case(f.forks_and_the_child_returns_last, absent=("killed",)),
    "multiprocessing left": Case(f.leaves_a_multiprocessing_process, stderr=LINGERED),
    "process pool": Case(f.uses_a_process_pool, [1, 2, 3], absent=("killed",)),
    "thread left": Case(f.leaves_a_thread, stderr=LINGERED),
    "thread left, raises": raised(f.leaves_a_thread_and_raises, "with a thread left"),
    "daemon thread writes": Case(f.leaves_a_daemon_thread_that_writes, stdout="written"),
    "exit handler": Case(f.has_an_exit_handler, stdout="from the exit handler\n"),
    "exit handler ends the process": Case(f.has_an_exit_handler_that_ends_the_process),
    "exit handler hangs": Case(f.has_an_exit_handler_that_hangs, stderr=LINGERED),
    # Signals
    "SIGTERM": killed(f.ends_itself_by(signal.SIGTERM), "SIGTERM"),
    "SIGKILL": killed(f.ends_itself_by(signal.SIGKILL), "SIGKILL", absent=("used more memory",)),
    "SIGINT": raised(f.ends_itself_by(signal.SIGINT), "KeyboardInterrupt"),
    "SIGUSR1": killed(f.ends_itself_by(signal.SIGUSR1), "SIGUSR1"),
    "real-time signal": killed(f.ends_itself_by(40), "signal 40"),
    "crash": killed(f.crashes_in_native_code, "SIGSEGV", stderr="Segmentation fault"),
    "abort": killed(f.aborts, "SIGABRT", stderr="Aborted"),
    "group signalled": killed(f.signals_its_group, "SIGTERM"),
    "supervisor signalled": killed(f.ends_its_supervisor, "SIGTERM"),
    "end ignored": killed(
        f.does_not_end_when_it_is_asked_to,
        "SIGKILL",
        stderr="The task did not end within 20 seconds of SIGTERM and was killed.",
        absent=("used more memory",),
    ),
    "stopped": killed(
        f.stops_itself, "SIGKILL", stderr="The task did not end within 20 seconds of SIGTERM"
    ),
    "end taken": Case(f.returns_when_it_is_asked_to_end),
    "signals ignored": Case(f.ignores_every_signal),
    "signals blocked": Case(f.blocks_every_signal),
    "interrupted all the time": Case(f.is_interrupted_all_the_time),
    "alarm after the end": Case(f.is_killed_by_an_alarm_after_it_returned),
    # Ends
    "sys.exit(0)": raised(f.exits_with(0), "SystemExit: 0"),
    "sys.exit(text)": raised(f.exits_with("goodbye"), "SystemExit: goodbye"),
    "os._exit(0)": killed(f.leaves_with(0), "exit code 0", stdout="before the end\n"),
    "os._exit(21)": killed(f.leaves_with(21), "exit code 21", allowed=2, attempts=2),
    "os._exit(211)": killed(f.leaves_with(211), "exit code 211", allowed=2, attempts=2),
    "os._exit(200)": killed(f.leaves_with(200), "exit code 200", allowed=2, attempts=2),
    "KeyboardInterrupt": raised(f.raises(KeyboardInterrupt), "KeyboardInterrupt"),
    "GeneratorExit": raised(f.raises(GeneratorExit), "GeneratorExit"),
    "another program": killed(f.becomes_another_program, "exit code 0"),
    # Files, limits, and the interpreter
    "root folder": Case(f.goes_to_the_root_folder),
    "folder that is gone": Case(f.stays_in_a_folder_that_is_gone),
    "temporary folder emptied": Case(f.empties_its_temporary_folder),
    "temporary folder emptied, large result": Case(
        f.empties_its_temporary_folder_and_returns_much, b"x" * 1_000_000
    ),
    "temporary folder emptied, all closed": Case(
        f.empties_its_temporary_folder_and_closes_every_descriptor
    ),
    "umask": Case(f.masks_every_permission, b"x" * 1_000_000),
    "limit of file size": Case(f.limits("RLIMIT_FSIZE", 0)),
    "limit of file size, large result": Case(
        f.limits_its_files_and_returns_much, b"x" * 1_000_000
    ),
    "another user, large result": Case(f.becomes_another_user_and_returns_much, b"x" * 1_000_000),
    "limit of open files": Case(f.limits("RLIMIT_NOFILE", 3)),
    "limit of processes": Case(f.limits("RLIMIT_NPROC", 1)),
    "limit of address space": raised(f.runs_out_of_address_space, "MemoryError"),
    "limit of processor time": killed(f.uses_up_its_processor_time, "SIGXCPU"),
    "recursion limit": Case(f.lowers_the_recursion_limit),
    "endless recursion": raised(f.recurses_for_ever, "RecursionError"),
    "environment cleared": Case(f.clears_its_environment),
    "modules forgotten": Case(f.forgets_every_module),
    "builtins replaced": Case(f.replaces_builtins),
    "hooks that raise": Case(f.traces_with_a_function_that_raises),
    "modules shadowed": Case(f.shadows_modules),
    "modules shadowed, raises": raised(
        f.shadows_modules_and_raises, "among the wrong modules", absent=("the wrong module\n",)
    ),
    # Exceptions
    "__str__ raises": raised(f.raises(f.Unshowable), "Unshowable"),
    "__str__ exits": raised(f.raises(f.Exiting), "Exiting"),
    "__str__ returns no text": raised(f.raises(f.NotText), "NotText"),
    "hostile metaclass": raised(f.raises(f.of_a_hostile_class), "OfAHostileClass"),
    "hostile attributes": raised(f.raises(f.WithHostileAttributes), "WithHostileAttributes"),
    "BaseException": raised(f.raises(f.NotAnException), "NotAnException"),
    "huge message": raised(f.raises(lambda: ValueError("x" * 50_000_000)), "ValueError: xxx"),
    "cycle of causes": raised(f.raises(f.cyclic), "first", stderr="second"),
    "long chain": raised(f.raises(f.long_chain), "number 4999", stderr="the innermost"),
    "exception that cannot be pickled": raised(f.raises(f.unpicklable), "ValueError"),
    "surrogates in the message": raised(
        f.raises(lambda: ValueError("caf" + chr(0xDCE9))), r"caf\udce9", stderr=r"caf\udce9"
    ),
    "odd class name": raised(f.raises(f.oddly_named), "Odd: of an odd class"),
    "odd notes": raised(f.raises(f.with_odd_notes), "with notes"),
    # Results
    "result that refuses everything": refused(f.returns(f.Refusing), "refused"),
    "result that refuses all but pickling": Case(f.returns(f.HalfRefusing)),
    "result without a string form": refused(f.returns(f.WithoutAString), "no string form"),
    "result with odd attributes": Case(f.with_odd_attributes),
    "result with a huge documentation": Case(f.with_a_long_doc),
    "result too deep to pickle": refused(f.returns(f.deep), "RecursionError"),
    "result with a finalizer": Case(f.ends_its_process_when_collected),
    "exception with a finalizer": raised(
        f.raises_what_ends_its_process_when_collected, "with a finalizer"
    ),
    "result that is a generator": refused(f.returns(lambda: (i for i in ())), "generator"),
}

if sys.version_info >= (3, 11):
    CASES["group"] = raised(f.raises(f.grouped), "a group", stderr="a member")

# In a container the kernel enforces the memory that was asked for.
CONTAINER_CASES = {
    "out of memory": Case(
        f.fills_the_memory, error=errors.OutOfMemory, texts=("raise memory=",), allowed=1
    ),
}
