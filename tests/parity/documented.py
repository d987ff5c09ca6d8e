"""What Covalent's documentation and changelog describe, each with its tests or why it has none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .case import CATALOGUE

DISPATCHES = Path(__file__).with_name("test_running_dispatches.py")


@dataclass(frozen=True)
class Feature:
    """A feature that Covalent's documentation describes.

    Attributes:
        name: What it describes.
        tests: Cases of the catalogue, and tests of ``test_running_dispatches.py``.
        reason: Why it has no test, or not more.
    """

    name: str
    tests: tuple[str, ...] = ()
    reason: str = ""


FEATURES = (
    # Pages of "How to"
    Feature("Construct an electron", ("callables_of_every_kind", "kinds_of_parameters")),
    Feature("Construct a lattice, add electrons", ("inputs_of_the_lattice", "loops")),
    Feature(
        "Construct leptons: Python, C, shell",
        ("leptons", "leptons_of_python", "leptons_of_c", "leptons_of_the_shell"),
    ),
    Feature("Call a shell function of a library", ("lepton_of_a_script",)),
    Feature("Run shell commands: ct.leptons.bash", ("bash_decorator",)),
    Feature(
        "Add constraints: executors of electrons and lattices",
        ("executors_by_electron", "executor_that_is_set", "one_electron_of_many"),
    ),
    Feature(
        "Use iterables of electrons",
        ("collections_of_electrons", "nested_collections", "unpacking"),
    ),
    Feature("Loops and conditions on results", ("loops", "dynamic_workflow")),
    Feature("Return several values from a task", ("items_and_attributes", "unpacking_into_names")),
    Feature("Wait for another electron", ("waiting",)),
    Feature("Test an electron by calling it", ("electron_inside_electron",)),
    Feature("Visualize a lattice: draw", reason="It asks the user interface; no executor runs."),
    Feature(
        "Pip dependencies",
        ("packages", "requirements", "requirements_that_cannot_be_met"),
    ),
    Feature(
        "Bash dependencies",
        ("shell_commands", "shell_commands_of_every_kind", "shell_command_fails"),
    ),
    Feature(
        "Callable dependencies before and after",
        ("calls_before_and_after", "returned_values", "call_before_raises", "call_after_raises"),
    ),
    Feature("Local modules: DepsModule", ("modules", "module_of_the_client")),
    Feature("File transfers on one host", ("files_before", "files_after", "temporary_files")),
    Feature("File transfers of folders", ("folder_with_shutil", "folder_with_rsync")),
    Feature("Rsync over SSH", ("folder_with_rsync",), "SSH needs a second host."),
    Feature("HTTP: download, upload", ("http_download", "http_upload")),
    Feature(
        "S3: upload, download, folders",
        ("s3_upload", "s3_download", "s3_upload_of_a_folder", "s3_download_of_a_folder"),
    ),
    Feature("A file transfer strategy of the user's", ("folder_with_a_strategy_of_the_users",)),
    Feature("Google Cloud Storage, Azure Blob", reason="Their packages and services are needed."),
    Feature("Globus and FTP", reason="Covalent has no strategy for them."),
    Feature(
        "Execute a lattice, several, several times, one electron",
        ("test_dispatch_without_running_and_dispatch_sync",),
        "All cases are dispatched to one server, many at once.",
    ),
    Feature(
        "Execute a sublattice",
        (
            "sublattice",
            "sublattices_three_deep",
            "result_of_a_sublattice",
            "hooks_of_a_sublattice",
        ),
    ),
    Feature("Choose executors", ("executors_by_electron", "workflow_executor_of_another_class")),
    Feature("Conda environments", reason="An option of other executors."),
    Feature("Executors of one's own", reason="This package is one."),
    Feature(
        "Cancel a dispatch or tasks of it",
        ("test_cancelling_a_sublattice_ends_its_jobs",),
        "tests/end_to_end/test_cancel.py has electrons, by dispatch and by task.",
    ),
    Feature(
        "Redispatch",
        (
            "test_redispatch_with_new_arguments_other_electrons_and_reused_results",
            "test_redispatch_of_a_sublattice",
        ),
    ),
    Feature("Trigger: folder", ("test_a_trigger_starts_a_dispatch",)),
    Feature("Trigger: time", ("test_a_time_trigger_starts_a_dispatch",)),
    Feature("Trigger: SQLite, database", ("test_a_database_trigger_starts_a_dispatch",)),
    Feature("Trigger of the user's", ("test_a_trigger_of_ones_own_starts_it_again_and_again",)),
    Feature(
        "Query status, results, times of lattices and electrons",
        ("test_parts_of_a_result_and_its_metadata",),
    ),
    Feature("Customize the configuration", reason="tests/end_to_end has the executor's section."),
    Feature("AWS credentials", reason="tests/unit/test_credentials.py; local has none."),
    Feature(
        "The command line; start, stop, purge, logs; the database and its migration",
        reason="Covalent's own; no executor runs.",
    ),
    # Concepts and the reference of the API
    Feature("ct.electron", ("callables_of_every_kind", "electrons_in_a_class", "closures")),
    Feature("ct.lattice", ("inputs_of_the_lattice", "hooks_of_the_lattice", "hooks_of_both")),
    Feature("ct.Lepton: files and hooks", ("lepton_with_files", "lepton_that_fails")),
    Feature(
        "Electron: items, attributes, operators, iteration",
        ("items_and_attributes", "arithmetic", "computed_index", "operators_of_the_users"),
    ),
    Feature("Electron.wait_for, ct.wait", ("waiting",)),
    Feature(
        "ct.TransportableObject: what is pickled, and string forms",
        ("results_of_every_type", "parameters_of_every_type", "transportable_argument"),
    ),
    Feature(
        "ct.dispatch, ct.dispatch_sync, disable_run, dispatcher_addr",
        ("test_dispatch_without_running_and_dispatch_sync", "dispatch_inside"),
    ),
    Feature(
        "ct.get_result, ct.get_result_manager, parts of a result",
        ("test_parts_of_a_result_and_its_metadata", "test_assets_of_a_result_manager"),
    ),
    Feature("ct.get_context", ("context",)),
    Feature("ct.status", ("exception", "dependents_do_not_run")),
    Feature(
        "ct.get_config, ct.set_config, ct.reload_config, ct.covalent_start and the like",
        reason="Covalent's own; no executor runs.",
    ),
    Feature("ct.fs: File, Folder, FileTransfer, Order", ("files_before_and_after",)),
    Feature("The local and Dask executors, the base classes", reason="They are other executors."),
    Feature("Post-processing", ("returned_by_the_lattice", "test_exhaustive_postprocessing")),
    Feature("Log files", ("test_log_files_have_the_task_s_output",)),
    Feature("Task packing", reason="Covalent refuses it."),
    Feature("Quantum electrons and clusters", reason="Covalent 0.240 has them no longer."),
    Feature("CloudResourceManager: covalent deploy", reason="tests/cli has `covalent deploy`."),
)

# What the changelog reports for those who write workflows, by release. What only concerns the
# server, its database, the user interface or releases of Covalent is left out.
CHANGES = (
    Feature("0.104: an electron as several arguments of another", ("shared_electron",)),
    Feature("0.110.3: positional arguments", ("kinds_of_parameters",)),
    Feature("0.115: call_before, call_after, shell commands", ("calls_before_and_after",)),
    Feature("0.118, 0.123: file transfers, folders", ("files_before", "folder_with_shutil")),
    Feature("0.119: pip", ("packages",)),
    Feature("0.122.1: workflows that loop", ("loops",)),
    Feature("0.128: file transfers of leptons", ("lepton_with_files",)),
    Feature("0.129, 0.157: electrons that wait for others", ("waiting",)),
    Feature("0.132: leptons of the shell", ("leptons_of_the_shell",)),
    Feature("0.134: the server needs no package of a workflow", ("objects_of_the_users",)),
    Feature("0.135, 0.162: values of hooks, repeated keywords", ("returned_values",)),
    Feature("0.146: results are shown", ("test_parts_of_a_result_and_its_metadata",)),
    Feature("0.153: output of tasks", ("python_output", "much_output")),
    Feature("0.156: the decorator bash", ("bash_decorator",)),
    Feature("0.157.1: arguments without names, in their order", ("many_arguments",)),
    Feature("0.161.1: collections have no hooks of their own", ("hooks_and_built_in_nodes",)),
    Feature("0.167, 0.208: S3", ("s3_upload", "s3_download_of_a_bucket")),
    Feature("0.174: names of transferred files", ("files_before", "http_download")),
    Feature("0.174: a returned electron that waits", ("waiting",)),
    Feature("0.184: metadata is made early", ("executor_that_is_set",)),
    Feature("0.184.1: docstrings and names of functions", ("odd_docstrings",)),
    Feature("0.198: file transfers of an unpacked electron", ("files_and_unpacking",)),
    Feature(
        "0.203: executors that cannot be made",
        reason="tests/end_to_end/test_failures.py: local takes any option.",
    ),
    Feature("0.209: executors are inherited", ("sublattices_three_deep",)),
    Feature("0.209: output of tasks that run at once", ("output_of_several",)),
    Feature("0.209: output and traceback of what failed", ("exception", "exception_of_ones_own")),
    Feature("0.212.1: names of collections", ("collections_of_electrons",)),
    Feature("0.213: dispatcher_addr of get_result", ("dispatch_inside",)),
    Feature(
        "0.215 to 0.218: redispatch, cancel",
        (
            "test_redispatch_with_new_arguments_other_electrons_and_reused_results",
            "test_cancelling_a_sublattice_ends_its_jobs",
        ),
    ),
    Feature("0.219: triggers", ("test_a_trigger_starts_a_dispatch",)),
    Feature(
        "0.220: post-processing and sublattices as electrons",
        ("returned_by_the_lattice", "sublattice"),
    ),
    Feature("0.221.1: arguments that do not fit", ("missing_arguments", "wrong_arguments")),
    Feature("0.223: a folder for tasks (workdir)", reason="An option of local and dask."),
    Feature("Since 0.224: DepsModule, ct.get_context", ("modules", "context")),
)


def where(test: str) -> str:
    """Return where a test is; it must exist."""
    if test in CATALOGUE:
        return f"{CATALOGUE[test].build.__module__.rpartition('.')[2]}.{test}"
    assert test.startswith("test_"), f"no case: {test}"
    if f"\ndef {test}(" in DISPATCHES.read_text("utf-8"):
        return f"test_running_dispatches.{test}"
    raise LookupError(f"neither a case nor a test of test_running_dispatches.py: {test}")


def rows(features: tuple[Feature, ...]) -> Iterator[str]:
    """Return the lines of a table of features."""
    for feature in features:
        tests = ", ".join(f"`{where(test)}`" for test in feature.tests)
        yield f"| {feature.name} | {tests} | {feature.reason} |"
