"""Workflows that are dispatched, watched together, and compared with what is expected of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import covalent as ct

from .report import Words
from .site import Site

ENDED = ("COMPLETED", "FAILED", "CANCELLED", "POSTPROCESSING_FAILED")
ANY = object()

# Makes an executor from options over the configured ones.
Executors = Callable[..., Any]


@dataclass(frozen=True)
class Trial:
    """A workflow and what is expected of it.

    Attributes:
        what: Its name in the report.
        build: Returns the lattice, from what makes its executors.
        status: The status that Covalent is expected to give it.
        result: Its result; ANY where that is not looked at.
        words: What the output of its nodes is expected to have, in any letter case.
        cancel: Whether it is cancelled as soon as its job runs.
    """

    what: str
    build: Callable[[Executors], Any]
    status: str = "COMPLETED"
    result: Any = ANY
    words: tuple[str, ...] = ()
    cancel: bool = False


@dataclass
class Dispatched:
    """A trial that runs.

    Attributes:
        trial: The trial.
        dispatch_id: Its dispatch.
        begun: When it was dispatched, by the monotonic clock.
        ended: When Covalent had ended it; 0 until then.
        cancelled: When it was cancelled, in seconds since the epoch; 0 where it was not.
    """

    trial: Trial
    dispatch_id: str
    begun: float
    ended: float = 0.0
    cancelled: float = 0.0


def run_trials(site: Site, trials: Iterable[Trial], limit: float) -> list[Dispatched]:
    """Run trials at the same time, and report how they ended."""
    running = [dispatch(trial) for trial in trials]
    deadline = time.monotonic() + min(limit, site.left)
    while (waiting := [each for each in running if not each.ended]) and (
        time.monotonic() < deadline
    ):
        for each in waiting:
            look_at(site, each)
        time.sleep(site.pause / 5)
    for each in running:
        conclude(site, each)
    return running


def dispatch(trial: Trial) -> Dispatched:
    """Dispatch a trial."""
    return Dispatched(trial, ct.dispatch(trial.build(executor))(), time.monotonic())


def executor(**options: Any) -> Any:
    """Return an executor with what ``deploy`` configured."""
    from covalent_awsbatch_plugin import AWSBatchExecutor

    return AWSBatchExecutor(**{"retry_attempts": 1, "vcpu": 1, "memory": 1.5, **options})


def look_at(site: Site, running: Dispatched) -> None:
    """Note the end of a dispatch; cancel one that is to be cancelled, once its job runs."""
    if status_of(running.dispatch_id) in ENDED:
        running.ended = time.monotonic()
    elif running.trial.cancel and not running.cancelled and runs(site, running.dispatch_id):
        ct.cancel(running.dispatch_id)
        running.cancelled = time.time()


def runs(site: Site, dispatch_id: str) -> bool:
    """Return whether a job of a dispatch runs."""
    return any(job["status"] == "RUNNING" for job in site.jobs(dispatch_id))


def status_of(dispatch_id: str) -> str:
    """Return Covalent's status of a dispatch."""
    return str(ct.get_result(dispatch_id, status_only=True)["status"])


def conclude(site: Site, running: Dispatched) -> None:
    """Report how a dispatch ended, and in what words AWS reports the ends of its jobs."""
    trial = running.trial
    if not running.ended:
        ct.cancel(running.dispatch_id)
        spent = time.monotonic() - running.begun
        site.report.add(trial.what, False, spent, "It had not ended in time, and was cancelled.")
        return
    differs = difference(trial, ct.get_result(running.dispatch_id, wait=True))
    site.report.add(trial.what, not differs, running.ended - running.begun, differs)
    for job in site.jobs(running.dispatch_id):
        if job["status"] == "FAILED":
            site.report.words.append(words_of(trial.what, job))


def difference(trial: Trial, result: Any) -> str:
    """Return in what a dispatch differs from what is expected; empty where in nothing."""
    output = output_of(result)
    status = str(result.status)
    if status != trial.status:
        return f"It ended as {status}. {output[-1500:]}"
    if trial.result is not ANY and result.result != trial.result:
        return f"Its result is {str(result.result)[:200]!r}."
    missing = [word for word in trial.words if word.lower() not in output.lower()]
    return f"Its output lacks {missing}: {output[-1500:]}" if missing else ""


def output_of(result: Any) -> str:
    """Return what the nodes of a dispatch wrote."""
    nodes = result.get_all_node_results()
    parts = (node.get(key) for node in nodes for key in ("stdout", "stderr", "error"))
    return "\n".join(str(part) for part in parts if part)


def words_of(what: str, job: Mapping[str, Any]) -> Words:
    """Return AWS's words for the end of a job."""
    container = job.get("container") or {}
    return Words(
        what,
        job["status"],
        str(container.get("exitCode", "")),
        job.get("statusReason", ""),
        container.get("reason", ""),
    )
