"""A selection of the catalogue of Covalent's features, in bare containers and without an index."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import covalent as ct
import pytest

from covalent_awsbatch_plugin.awsbatch import AWSBatchExecutor
from tests.parity import catalogue  # noqa: F401 - fills the catalogue
from tests.parity.case import CATALOGUE
from tests.parity.conftest import LOCAL, Runs
from tests.parity.differences import entries, without
from tests.parity.observation import differences

from .images import Images
from .index import UNREACHABLE

IN_BARE, IN_FULL = "awsbatch in bare containers", "awsbatch in full containers"

SELECTION = (
    "kinds_of_parameters",
    "large_argument",
    "results_of_every_type",
    "result_of_a_lock",
    "callables_of_every_kind",
    "exception_of_ones_own",
    "exception_with_a_surrogate",
    "calls_before_and_after",
    "returned_values",
    "shell_command_fails",
    "files_before",
    "lepton_with_files",
    "context",
    "python_output",
    "sublattices_three_deep",
    "objects_of_the_users",
    "code_as_a_result",
    "names_of_other_functions",
    "leptons_of_the_shell",
    "process_of_an_electron",
)


# Those that use NumPy.
NOT_BARE = ("results_of_every_type",)


class RunsInContainers(Runs):
    """Runs whose jobs are containers that see the folders of the workflows."""

    images: Mapping[str, str] = {}

    def executor(self, mode: str) -> Any:
        if mode == LOCAL:
            return mode
        folder = str(self._root)
        properties = {
            "volumes": [{"name": "place", "host": {"sourcePath": folder}}],
            "mountPoints": [{"sourceVolume": "place", "containerPath": folder}],
        }
        return AWSBatchExecutor(
            **self.options(),
            container_image_uri=self.images[mode],
            container_properties=properties,
            environment=UNREACHABLE,
        )


@pytest.fixture(scope="module")
def runs(
    aws: Any, server: Any, images: Images, ours: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Runs]:
    ct.set_config("executors.awsbatch.retry_attempts", 1)
    running = RunsInContainers(aws, server, tmp_path_factory.mktemp("parity"))
    running.images = {IN_BARE: images.bare(ours), IN_FULL: images.full(ours)}
    for name in SELECTION:
        running.start(CATALOGUE[name], LOCAL)
        running.start(CATALOGUE[name], mode_of(name))
    yield running
    running.close()


def mode_of(name: str) -> str:
    return IN_FULL if name in NOT_BARE else IN_BARE


@pytest.mark.parametrize("name", SELECTION)
def test_as_local(name: str, runs: Runs):
    case = CATALOGUE[name]
    ours, local = runs.observation(case, mode_of(name)), runs.observation(case, LOCAL)
    assert ours.status == case.ends, [node.stderr for node in ours.nodes if node.stderr]
    named = entries(case)
    found = differences(without(named, ours), without(named, local))
    assert not found, "\n".join(found)
