"""What a user's function may do to its process, to its job and to the readers of its outcome.

The functions travel by value and run in a job only. Each imports what it needs.
"""

from __future__ import annotations

import os
import signal
import sys

VALUE = "the value"


# ---- Streams and file descriptors


def closes_stdout():
    print("before")
    sys.stdout.close()
    return VALUE


def closes_stderr_and_raises():
    sys.stderr.close()
    raise ValueError("after stderr was closed")


def replaces_streams_by_objects_that_cannot_flush():
    sys.stdout = sys.stderr = object()
    return VALUE


def has_no_streams():
    sys.stdout = sys.stderr = sys.stdin = None
    return VALUE


def buffers_its_output_itself():
    sys.stdout = open(1, "w", buffering=1 << 20, closefd=False)  # noqa: SIM115
    print("in a buffer of its own")
    return VALUE


def has_a_stdout_whose_flush_ends_the_process():
    class Stream:
        def flush(self):
            os._exit(9)

    sys.stdout = Stream()
    return VALUE


def closes_its_output_descriptors():
    os.close(1)
    os.close(2)
    return VALUE


def closes_every_descriptor():
    os.closerange(0, 65536)
    return VALUE


def closes_every_descriptor_and_raises():
    os.closerange(0, 65536)
    raise ValueError("without descriptors")


def closes_every_descriptor_and_waits_for_a_thread():
    import threading
    import time

    os.closerange(0, 65536)
    threading.Thread(target=time.sleep, args=(600,)).start()
    return VALUE


def reuses_every_descriptor():
    """Opens files under the numbers that the worker's pipes had; none is written to."""
    import tempfile
    from pathlib import Path

    folder = Path(tempfile.mkdtemp())
    os.closerange(3, 65536)
    files = [open(folder / str(number), "wb") for number in range(64)]  # noqa: SIM115
    import atexit

    def check():
        written = [file.name for file in files if os.path.getsize(file.name)]
        os.write(2, f"written to: {written}\n".encode())

    atexit.register(check)
    return VALUE


def redirects_its_output():
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    return VALUE


def writes_without_a_newline():
    os.write(1, b"x" * 20_000_000)
    return VALUE


def writes_what_is_no_text():
    os.write(1, bytes(range(256)) + b"\xed\xb3\xbf")
    os.write(2, b"\xff\xfe")
    return VALUE


# ---- Processes and threads left behind


def leaves_a_process():
    import subprocess

    subprocess.Popen(["sleep", "600"])
    return VALUE


def leaves_a_background_writer():
    import subprocess

    subprocess.Popen(["sh", "-c", "while true; do echo written; sleep 0.05; done"])
    return VALUE


def leaves_a_daemon():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.closerange(0, 65536)
            os.execvp("sleep", ["sleep", "600"])
        os._exit(0)
    os.wait()
    return VALUE


def leaves_a_process_that_finishes_the_output():
    import subprocess

    last = subprocess.Popen(["sh", "-c", "cat >/dev/null; echo the last line"], stdin=-1)
    os.dup2(last.stdin.fileno(), 200)
    return VALUE


def forks_and_both_return():
    child = os.fork()
    if child == 0:
        return "the child's value"
    os.waitpid(child, 0)
    return VALUE


def forks_and_the_child_raises():
    child = os.fork()
    if child == 0:
        raise ValueError("in the child")
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def forks_and_the_child_exits():
    child = os.fork()
    if child == 0:
        print("the child's output")
        sys.exit(3)
    os.waitpid(child, 0)
    return VALUE


def forks_and_the_child_returns_last():
    import time

    if os.fork() == 0:
        time.sleep(0.5)
        return "the child's value"
    return VALUE


def leaves_a_multiprocessing_process():
    import multiprocessing
    import time

    multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,)).start()
    return VALUE


def uses_a_process_pool():
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
        return list(pool.map(abs, [-1, -2, -3]))


def leaves_a_thread():
    import threading
    import time

    threading.Thread(target=time.sleep, args=(600,)).start()
    return VALUE


def leaves_a_thread_and_raises():
    import threading
    import time

    threading.Thread(target=time.sleep, args=(600,)).start()
    raise ValueError("with a thread left")


def leaves_a_daemon_thread_that_writes():
    import threading

    def write():
        while True:
            print("written")

    threading.Thread(target=write, daemon=True).start()
    return VALUE


def has_an_exit_handler():
    import atexit

    atexit.register(print, "from the exit handler")
    return VALUE


def has_an_exit_handler_that_ends_the_process():
    import atexit

    atexit.register(os._exit, 9)
    return VALUE


def has_an_exit_handler_that_hangs():
    import atexit
    import time

    atexit.register(time.sleep, 600)
    return VALUE


# ---- Signals


def ends_itself_by(number):
    def function():
        os.kill(os.getpid(), number)
        signal.pause()

    return function


def crashes_in_native_code():
    import ctypes

    ctypes.string_at(0)


def aborts():
    os.abort()


def signals_its_group():
    os.killpg(0, signal.SIGTERM)
    signal.pause()


def ends_its_supervisor():
    os.kill(os.getppid(), signal.SIGTERM)
    signal.pause()


def does_not_end_when_it_is_asked_to():
    import time

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.kill(os.getppid(), signal.SIGTERM)
    time.sleep(600)


def stops_itself():
    import time
    from pathlib import Path

    supervisor, task = os.getppid(), os.getpid()
    if os.fork() == 0:
        while Path(f"/proc/{task}/stat").read_text().rsplit(")", 1)[1].split()[0] != "T":
            time.sleep(0.01)
        os.kill(supervisor, signal.SIGTERM)
        os._exit(0)
    os.kill(task, signal.SIGSTOP)


def returns_when_it_is_asked_to_end():
    import time

    def stop(*_):
        raise InterruptedError

    signal.signal(signal.SIGTERM, stop)
    try:
        os.kill(os.getppid(), signal.SIGTERM)
        time.sleep(600)
    except InterruptedError:
        return VALUE


def ignores_every_signal():
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    return VALUE


def blocks_every_signal():
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    return VALUE


def is_interrupted_all_the_time():
    def interrupt(*_):
        raise TimeoutError("a handler of the task")

    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)

    class Result:
        def __reduce__(self):
            # The last of the task's code that runs.
            signal.signal(signal.SIGUSR1, interrupt)
            return str, (VALUE,)

    return Result()


def is_killed_by_an_alarm_after_it_returned():
    import threading
    import time

    threading.Thread(target=time.sleep, args=(600,)).start()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(1)
    return VALUE


# ---- Ends


def exits_with(code):
    def function():
        sys.exit(code)

    return function


def leaves_with(code):
    def function():
        print("before the end", flush=True)
        os._exit(code)

    return function


def raises(make):
    def function():
        raise make()

    return function


def becomes_another_program():
    os.execv(sys.executable, [sys.executable, "-c", ""])


# ---- Files, limits, and the interpreter


def goes_to_the_root_folder():
    os.chdir("/")
    return VALUE


def stays_in_a_folder_that_is_gone():
    import tempfile

    folder = tempfile.mkdtemp()
    os.chdir(folder)
    os.rmdir(folder)
    return VALUE


def empty_temporary_folder():
    import shutil
    import tempfile

    assert "AWS_BATCH_JOB_ID" in os.environ
    folder = tempfile.gettempdir()
    for entry in os.listdir(folder):
        path = os.path.join(folder, entry)
        shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)


def empties_its_temporary_folder():
    empty_temporary_folder()
    return VALUE


def empties_its_temporary_folder_and_returns_much():
    empty_temporary_folder()
    return b"x" * 1_000_000


def empties_its_temporary_folder_and_closes_every_descriptor():
    empty_temporary_folder()
    os.closerange(0, 65536)
    return VALUE


def masks_every_permission():
    os.umask(0o777)
    return b"x" * 1_000_000


def limits(name, soft):
    def function():
        import resource

        limit = getattr(resource, name)
        resource.setrlimit(limit, (soft, resource.getrlimit(limit)[1]))
        return VALUE

    return function


def limits_its_files_and_returns_much():
    limits("RLIMIT_FSIZE", 1000)()
    return b"x" * 1_000_000


def becomes_another_user_and_returns_much():
    if os.getuid() == 0:
        os.setgid(65534)
        os.setuid(65534)
    return b"x" * 1_000_000


def runs_out_of_address_space():
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
    held = [bytearray(1 << 20) for _ in range(4096)]
    return len(held)


def uses_up_its_processor_time():
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (1, 60))
    while True:
        pass


def lowers_the_recursion_limit():
    import inspect

    sys.setrecursionlimit(len(inspect.stack()) + 10)
    return VALUE


def recurses_for_ever():
    def again():
        again()

    again()


def clears_its_environment():
    os.environ.clear()
    return VALUE


def forgets_every_module():
    sys.modules.clear()
    sys.path.clear()
    sys.meta_path.clear()
    return VALUE


def replaces_builtins():
    import builtins

    builtins.open = builtins.print = builtins.__import__ = None
    return VALUE


def traces_with_a_function_that_raises():
    def trace(*_):
        raise ValueError("from the trace function")

    sys.excepthook = trace
    sys.unraisablehook = trace
    sys.setprofile(None)
    return VALUE


def shadows_modules():
    for name in ("json", "signal", "traceback", "linecache", "cloudpickle", "struct", "os"):
        with open(f"{name}.py", "w") as file:
            file.write("raise RuntimeError('the wrong module')\n")
    sys.path.insert(0, os.getcwd())
    return VALUE


def shadows_modules_and_raises():
    shadows_modules()
    raise ValueError("among the wrong modules")


# ---- Exceptions


class Unshowable(Exception):
    def __str__(self):
        raise ValueError("from __str__")

    __repr__ = __str__


class Exiting(Exception):
    def __str__(self):  # noqa: PLE0307
        sys.exit(0)

    __repr__ = __str__


class NotText(Exception):
    def __str__(self):
        return 5  # noqa: PLE0307


def of_a_hostile_class():
    """Made in the job only: libraries walk the subclasses of BaseException."""

    class Hostile(type):
        def __getattribute__(cls, name):
            raise RuntimeError(f"no {name}")

    class OfAHostileClass(Exception, metaclass=Hostile):
        pass

    return OfAHostileClass()


class WithHostileAttributes(Exception):
    def __getattribute__(self, name):
        raise RuntimeError(f"no {name}")


class NotAnException(BaseException):
    pass


def cyclic():
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    return first


def long_chain():
    error = ValueError("the innermost")
    for number in range(5000):
        outer = ValueError(f"number {number}")
        outer.__cause__ = error
        error = outer
    return error


def unpicklable():
    import threading

    return ValueError(threading.Lock())


def oddly_named():
    class Odd(Exception):
        __module__ = 7

    Odd.__qualname__ = "Odd" + chr(0xDCFF) + chr(10)
    return Odd("of an odd class")


def grouped():
    return ExceptionGroup("a group", [ValueError("a member"), TypeError("another")])  # noqa: F821


def with_odd_notes():
    error = ValueError("with notes")
    error.__notes__ = 7
    return error


# ---- Results


class Refusing:
    """Every special method raises, those too that pickling needs."""

    def refuse(self, *_):
        raise RuntimeError("refused")

    __str__ = __repr__ = __reduce__ = __reduce_ex__ = __getattr__ = __eq__ = __hash__ = refuse
    __len__ = __bool__ = __iter__ = __call__ = __format__ = __sizeof__ = __dir__ = refuse


class HalfRefusing:
    """It can be pickled and shown; all else raises."""

    def refuse(self, *_):
        raise RuntimeError("refused")

    __eq__ = __hash__ = __len__ = __bool__ = __iter__ = __call__ = __format__ = refuse

    def __reduce__(self):
        return str, (VALUE,)

    def __str__(self):
        return VALUE


class WithoutAString:
    def __str__(self):
        raise RuntimeError("no string form")


def with_odd_attributes():
    class Result:
        __doc__ = 5

        def __init__(self):
            self.__name__ = object()

        def __reduce__(self):
            return str, (VALUE,)

        def __str__(self):
            return VALUE

    return Result()


def deep():
    nested = []
    for _ in range(200_000):
        nested = [nested]
    return nested


def with_a_long_doc():
    class Result:
        def __reduce__(self):
            return str, (VALUE,)

        def __str__(self):
            return VALUE

    Result.__doc__ = "\udcff" * 10_000_000
    return Result()


def returns(make):
    def function():
        return make()

    return function


def ends_its_process_when_collected():
    class Result:
        def __reduce__(self):
            return str, (VALUE,)

        def __str__(self):
            return VALUE

        def __del__(self):
            os._exit(9)

    return Result()


def raises_what_ends_its_process_when_collected():
    class Ending(Exception):
        def __del__(self):
            os._exit(9)

    raise Ending("with a finalizer")


def fills_the_memory():
    held = []
    while True:
        held.append(bytearray(b"x") * 10_000_000)
