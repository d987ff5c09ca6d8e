"""What users write, through a real Covalent server, as jobs of the local AWS."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import cloudpickle
import covalent as ct
import pytest

from .conftest import node

EXAMPLES = Path(__file__).parents[2] / "examples"


def completed(result):
    nodes = result.get_all_node_results()
    errors = [n["stderr"] or n["error"] for n in nodes if str(n["status"]) == "FAILED"]
    assert str(result.status) == "COMPLETED", (result.error, *errors)
    return result.result


def make_wheel(folder: Path, name: str, code: str) -> Path:
    path = folder / f"{name}-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", code)
        wheel.writestr(
            f"{name}-1.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n"
        )
        wheel.writestr(
            f"{name}-1.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr(f"{name}-1.dist-info/RECORD", "")
    return path


def test_one_batch_electron_and_one_local_one(executor, run):
    batch = executor()

    @ct.electron(executor=batch)
    def join(a, b):
        print(f"in job {os.environ['AWS_BATCH_JOB_ID']}")
        return " ".join([a, b])

    @ct.electron
    def exclaim(text):
        assert "AWS_BATCH_JOB_ID" not in os.environ
        return f"{text}!"

    @ct.lattice
    def workflow(a, b):
        return exclaim(join(a, b))

    result = run(workflow, "Hello", "world")
    assert completed(result) == "Hello world!"
    assert node(result, "join")["stdout"].startswith("in job ")


def test_executor_by_name_takes_its_options_from_the_configuration(run):
    @ct.electron(executor="awsbatch")
    def double(x):
        return 2 * x

    @ct.lattice
    def workflow(x):
        return double(x)

    assert completed(run(workflow, 21)) == 42


def test_dependencies_of_all_kinds(executor, run, tmp_path):
    batch = executor()
    package = make_wheel(tmp_path, "covalent_probe", "answer = 42\n")
    trail = tmp_path / "trail"

    def note(what):
        with trail.open("a") as file:
            file.write(f"{what} in {os.environ['AWS_BATCH_JOB_ID']}\n")

    @ct.electron(
        executor=batch,
        deps_pip=ct.DepsPip(packages=[str(package)]),
        deps_bash=ct.DepsBash(["echo from bash > bash.txt"]),
        call_before=[ct.DepsCall(note, args=["before"])],
        call_after=[ct.DepsCall(note, args=["after"])],
    )
    def use_them():
        import covalent_probe

        note("task")
        return covalent_probe.answer, Path("bash.txt").read_text()

    @ct.lattice
    def workflow():
        return use_them()

    assert completed(run(workflow)) == (42, "from bash\n")
    steps = [line.split(" in ") for line in trail.read_text().splitlines()]
    assert [step for step, _ in steps] == ["before", "task", "after"]
    assert len({job for _, job in steps}) == 1
    probe = [sys.executable, "-c", "import covalent_probe"]
    assert subprocess.run(probe, capture_output=True).returncode, "it is in our own environment"


def test_file_transfer(executor, run, tmp_path):
    source, target = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text("carried")
    transfer = ct.fs.FileTransfer(f"file://{source}", f"file://{target}")

    @ct.electron(executor=executor(), files=[transfer])
    def read(files):
        return Path(files[0][1]).read_text()

    @ct.lattice
    def workflow():
        return read()

    assert completed(run(workflow)) == "carried"


def test_sublattice_whose_electrons_are_jobs(executor, run):
    batch = executor()

    @ct.electron(executor=batch)
    def increment(x):
        return x + 1

    @ct.electron(executor=batch)
    @ct.lattice
    def twice(x):
        return increment(increment(x))

    @ct.lattice
    def workflow(x):
        return twice(x)

    assert completed(run(workflow, 1)) == 3


def test_lists_dictionaries_and_none(executor, run):
    batch = executor()

    @ct.electron(executor=batch)
    def one(x):
        return x

    @ct.electron(executor=batch)
    def gather(items, named):
        return sum(items) + sum(named.values())

    @ct.electron(executor=batch)
    def nothing(total):
        print(total)

    @ct.lattice
    def workflow():
        return nothing(gather([one(1), one(2)], {"three": one(3), "four": one(4)}))

    result = run(workflow)
    assert str(result.status) == "COMPLETED"
    assert result.result is None
    assert node(result, "nothing")["stdout"] == "10\n"


def test_large_argument_and_result(executor, run):
    size = 50_000_000

    @ct.electron
    def make():
        return os.urandom(1000) * (size // 1000)

    @ct.electron(executor=executor())
    def turn(data):
        return data[::-1]

    @ct.electron
    def check(data, turned):
        return len(turned), data[::-1] == turned

    @ct.lattice
    def workflow():
        data = make()
        return check(data, turn(data))

    assert completed(run(workflow)) == (size, True)


def test_output_of_every_kind_is_caught(executor, run):
    @ct.electron(executor=executor())
    def speak():
        import ctypes

        print("Grüße aus 東京")
        print("to stderr", file=sys.stderr)
        ctypes.CDLL(None).puts(b"from C")
        subprocess.run(["echo", "from a subprocess"], check=True)
        return True

    @ct.lattice
    def workflow():
        return speak()

    result = run(workflow)
    assert completed(result)
    spoken = node(result, "speak")
    assert set(spoken["stdout"].splitlines()) == {"Grüße aus 東京", "from C", "from a subprocess"}
    assert spoken["stderr"] == "to stderr\n"


def test_two_executors_with_different_buckets_at_once(aws, executor, run):
    other = executor(**aws.create_stack(prefix="other"), keep_objects=True)
    first = executor(keep_objects=True)
    assert other.s3_bucket_name != first.s3_bucket_name

    @ct.electron(executor=first)
    def here(x):
        return x + 1

    @ct.electron(executor=other)
    def there(x):
        return x * 10

    @ct.lattice
    def workflow(x):
        return [here(x), there(x)]

    result = run(workflow, 1)
    assert completed(result) == [2, 10]
    for bucket, name in ((first.s3_bucket_name, "here"), (other.s3_bucket_name, "there")):
        prefix = f"covalent/{result.dispatch_id}/"
        listed = aws.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix)
        keys = [entry["Key"] for entry in listed["Contents"]]
        node_id = str(node(result, name)["node_id"])
        assert {key.split("/")[2] for key in keys} - {"blobs"} == {node_id}


def test_raising_task_shows_its_output_and_traceback(executor, run):
    @ct.electron(executor=executor())
    def explode():
        print("about to fail")
        raise ValueError("what a pity")

    @ct.lattice
    def workflow():
        return explode()

    result = run(workflow)
    assert str(result.status) == "FAILED"
    failed = node(result, "explode")
    assert failed["stdout"] == "about to fail\n"
    trace, explanation = failed["stderr"].split("The task raised an exception.")
    assert trace.startswith("Traceback")
    assert 'raise ValueError("what a pity")' in trace
    assert trace.rstrip().endswith("ValueError: what a pity")
    assert "Job: " in explanation


def test_traceback_shows_source_lines_of_a_file_that_the_job_does_not_have(
    executor, run, tmp_path
):
    path = tmp_path / "user_module.py"
    path.write_text("def invert(x):\n    # One over it.\n    return 1 / x\n")
    spec = importlib.util.spec_from_file_location("user_module", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["user_module"] = module
    spec.loader.exec_module(module)
    cloudpickle.register_pickle_by_value(module)
    invert = ct.electron(module.invert, executor=executor())
    workflow = ct.lattice(invert)
    try:
        workflow.build_graph(0)
        path.unlink()
        result = run(workflow, 0)
    finally:
        cloudpickle.unregister_pickle_by_value(module)
        del sys.modules["user_module"]
    shown = node(result, "invert")["stderr"]
    assert f'File "{path}", line 3, in invert\n    return 1 / x\n' in shown


@pytest.mark.parametrize("example", ["svm", "fan_out", "failing_task"])
def test_examples_run_as_documented(server, example):
    ran = subprocess.run(
        [sys.executable, EXAMPLES / f"{example}.py"],
        env=server.environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ran.returncode == 0, ran.stderr
    if example == "svm":
        assert float(ran.stdout.split("Score:")[1]) > 0.8
    elif example == "fan_out":
        assert 3.1 < float(ran.stdout.split("about")[1].split(",")[0]) < 3.2
    else:
        assert "Dividing 6 by zero" in ran.stdout
        assert "ZeroDivisionError: division by zero" in ran.stdout
