"""What is left of a dispatch whose Covalent server is gone, and what can be done with it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .job_facts import JobFacts
from .job_view import TaskView
from .outcomes import StoredOutcome
from .screen import harmless
from .servers import is_of_this_host, server_is_gone

RETURNED, FAILED, OPEN, DELIVERED, LOST = "returned", "failed", "unfinished", "delivered", "lost"

MEANING = {
    RETURNED: "its result is in the bucket",
    FAILED: "it failed",
    OPEN: "its job waits or runs",
    DELIVERED: "handed to Covalent, or deleted",
    LOST: "it wrote no result",
}


@dataclass(frozen=True)
class Recovered:
    """A task of a dispatch and what is left of it.

    Attributes:
        view: Its job.
        stored: Its outcome in the bucket, where there is one.
    """

    view: TaskView
    stored: StoredOutcome | None

    @property
    def state(self) -> str:
        """One of the words of MEANING."""
        if self.stored is not None and self.stored.outcome is not None:
            return RETURNED if self.stored.returned else FAILED
        if not self.view.job.finished:
            return OPEN
        if self.view.job.status == "SUCCEEDED":
            return DELIVERED
        # Its error was handed to Covalent; the last line of its log is left.
        return FAILED if self.view.summary else LOST

    @property
    def remark(self) -> str:
        """Why it failed or waits."""
        outcome = self.stored.outcome if self.stored else None
        return harmless(outcome.error) if outcome and outcome.error else self.view.remark


def server_line(job: JobFacts) -> str:
    """Return where the Covalent server of a dispatch is, and whether it runs."""
    if server_is_gone(job):
        return f"Its Covalent server, {job.server}, no longer runs."
    if is_of_this_host(job):
        return f"Its Covalent server, {job.server}, runs, and fetches results by itself."
    return f"Its Covalent server, {job.server}, is on another host."


def next_steps(
    tasks: Sequence[Recovered], saved: Mapping[str, str], folder: Path | None
) -> list[str]:
    """Return what can be done with the tasks of a dispatch, in lines."""
    job, states = tasks[0].view.job, [task.state for task in tasks]
    steps = []
    if OPEN in states:
        steps.append(f"Wait for what is unfinished: covalent-awsbatch watch {job.dispatch[:8]}")
    if RETURNED in states and not saved:
        steps.append(
            f"Save the results: covalent-awsbatch recover {job.dispatch[:8]} --save results"
        )
    if saved:
        steps += _loading(Path(next(iter(saved.values()))).suffix, str(folder))
    if DELIVERED in states:
        steps.append(
            "Load what Covalent had stored before, once its server runs again:\n"
            f'  ct.get_result("{job.dispatch}").get_node_result(NODE)["output"].get_deserialized()'
        )
    if server_is_gone(job):
        steps.append(
            "Dispatch the workflow anew with what is missing. Covalent shows this dispatch as\n"
            "RUNNING for ever, and ct.redispatch would wait for its end."
        )
    return ["", *steps]


def _loading(suffix: str, folder: str) -> list[str]:
    load = (
        "pickle.loads(path.read_bytes())"
        if suffix == ".pkl"
        else "TransportableObject.deserialize(path.read_bytes()).get_deserialized()"
    )
    module = (
        "import pickle"
        if suffix == ".pkl"
        else "from covalent._workflow.transportable_object import TransportableObject"
    )
    return [
        "Load them in Python, with the packages that the values need:\n"
        f"  {module}\n"
        "  from pathlib import Path\n"
        f'  results = {{int(path.name.split("-")[0]): {load}\n'
        f'             for path in Path("{folder}").glob("*{suffix}")}}'
    ]
