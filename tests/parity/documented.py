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
    Feature("Construct an electron", ("callables_of_every_kind", "kinds_of_parameters")),
    Feature("Construct a lattice, add electrons", ("inputs_of_the_lattice", "loops")),
    Feature("Construct leptons: Python, C, shell", ("leptons", "lepton_of_a_script")),
    Feature("Run shell commands: ct.leptons.bash", ("bash_decorator",)),
    Feature("Add constraints: executors of electrons", ("executors_by_electron",)),
    Feature("Use iterables of electrons", ("collections_of_electrons", "unpacking")),
    Feature("Loops and conditions on results", ("loops", "dynamic_workflow")),
    Feature("Return several values from a task", ("items_and_attributes", "unpacking")),
    Feature("Wait for another electron", ("waiting",)),
    Feature("Test an electron by calling it", ("electron_inside_electron",)),
    Feature(
        "Visualize a lattice: draw", reason="It asks the user interface only; no executor runs."
    ),
    Feature("DepsPip", ("packages", "requirements", "requirements_that_cannot_be_met")),
    Feature("DepsBash", ("shell_commands", "shell_command_fails")),
    Feature("DepsCall", ("calls_before_and_after", "returned_values", "call_before_raises")),
    Feature("DepsModule: local modules", ("modules", "module_of_the_client")),
    Feature("File transfers on one host", ("files_before", "files_after")),
    Feature("File transfers of folders", ("folder_with_shutil", "folder_with_rsync")),
    Feature(
        "Rsync on one host and over SSH",
        ("folder_with_rsync",),
        "SSH needs a second host.",
    ),
    Feature("HTTP: download, upload", ("http_download", "http_upload")),
    Feature(
        "S3: upload, download, folders",
        ("s3_upload", "s3_download", "s3_upload_of_a_folder", "s3_download_of_a_folder"),
    ),
    Feature("A file transfer strategy of the user's", ("folder_with_a_strategy_of_the_users",)),
    Feature("Google Cloud Storage, Azure Blob", reason="Their packages and services are needed."),
    Feature("Globus and FTP", reason="Covalent has no strategy for them."),
    Feature(
        "Execute a lattice, several, several times",
        ("test_dispatch_without_running_and_dispatch_sync",),
        "All cases are dispatched to one server at once.",
    ),
    Feature("Execute a sublattice", ("sublattice", "sublattices_three_deep")),
    Feature("Dispatch from within an electron", ("dispatch_inside",)),
    Feature("ct.get_context", ("context",)),
    Feature("Choose executors", ("executors_by_electron", "sublattice_with_an_executor")),
    Feature("Conda environments", reason="An option of other executors."),
    Feature("Executors of one's own", reason="This package is one."),
    Feature(
        "Cancel a dispatch",
        ("test_cancelling_a_sublattice_ends_its_jobs",),
        "Cancelling of electrons is in tests/end_to_end.",
    ),
    Feature(
        "Redispatch", ("test_redispatch_with_new_arguments_other_electrons_and_reused_results",)
    ),
    Feature("Trigger: folder", ("test_a_trigger_starts_a_dispatch",)),
    Feature("Trigger: time", ("test_a_time_trigger_starts_a_dispatch",)),
    Feature("Trigger: SQLite, database", ("test_a_database_trigger_starts_a_dispatch",)),
    Feature("Trigger of the user's", ("test_a_trigger_of_ones_own_starts_it_again_and_again",)),
    Feature("Query status, results, times", ("test_parts_of_a_result_and_its_metadata",)),
    Feature("Results that are large", ("large_result", "large_argument")),
    Feature("Post-processing", ("returned_by_the_lattice", "test_exhaustive_postprocessing")),
    Feature("Log files", ("test_log_files_have_the_task_s_output",)),
    Feature("Task packing", reason="Covalent refuses it."),
    Feature("Quantum electrons (qelectron)", reason="Covalent 0.240 has them no longer."),
    Feature("CloudResourceManager: covalent deploy", reason="tests/cli has `covalent deploy`."),
    Feature("Customize the configuration", reason="tests/end_to_end has the executor's section."),
    Feature(
        "Manage the server, migrate its database, triggers server",
        reason="Covalent's own; no executor runs.",
    ),
)


def where(test: str) -> str:
    """Return where a test is; it must exist."""
    if test in CATALOGUE:
        return f"{CATALOGUE[test].build.__module__.rpartition('.')[2]}.{test}"
    if f"\ndef {test}(" in DISPATCHES.read_text("utf-8"):
        return f"test_running_dispatches.{test}"
    raise LookupError(f"neither a case nor a test of test_running_dispatches.py: {test}")


def rows() -> Iterator[str]:
    """Return the lines of the table of features."""
    for feature in FEATURES:
        tests = ", ".join(f"`{where(test)}`" for test in feature.tests)
        yield f"| {feature.name} | {tests} | {feature.reason} |"
