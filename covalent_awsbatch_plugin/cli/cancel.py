"""``covalent-awsbatch cancel``: end the jobs of a dispatch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import click

from ..aws.model.submission import REASON_LIMIT
from .shared.account import Account, account_options, connect_from
from .shared.formats import count
from .shared.job_facts import JobFacts
from .shared.job_queue import existing_queue, queue_name, queue_option
from .shared.job_search import (
    Selection,
    find_jobs,
    find_unfinished,
    none_found,
    one_dispatch,
    parse_selection,
)
from .shared.screen import console


@click.command()
@click.argument("dispatch_id")
@account_options
@queue_option
@click.option("--yes", is_flag=True, help="End them without asking.")
def cancel(dispatch_id: str, yes: bool, **options: Any) -> None:
    """End the jobs of DISPATCH_ID[:NODE] that have not ended.

    Covalent sees their tasks as cancelled or failed; what they printed stays in 'logs'. To cancel
    a whole dispatch in Covalent as well, use ct.cancel.
    """
    selection = parse_selection(dispatch_id)
    account, name = connect_from(options), queue_name(options)
    existing_queue(account, name)
    found = find_unfinished(account, name, selection)
    if not found:
        _report_ended(account, name, selection)
        return
    one_dispatch(found, dispatch_id)
    end_jobs(account, found, "Cancelled by 'covalent-awsbatch cancel'", ask=not yes)


def _report_ended(account: Account, queue: str, selection: Selection) -> None:
    """Print that there is nothing to end.

    Raises:
        Refusal: There never was a job of the selection.
    """
    ended = find_jobs(account, queue, selection)
    if not ended:
        raise none_found(selection, queue, account)
    one_dispatch(ended, selection.dispatch)
    counts = Counter(job.state for job in ended)
    states = ", ".join(f"{number} {state}" for state, number in sorted(counts.items()))
    jobs = count(len(ended), "job")
    console().print(f"Nothing to cancel: {jobs} of {ended[0].dispatch} ended already ({states}).")


def end_jobs(account: Account, found: Sequence[JobFacts], reason: str, *, ask: bool) -> None:
    """List jobs, ask where wanted, and end them.

    Raises:
        click.Abort: The user declined.
    """
    for job in found:
        line = f"{job.job_id}  {job.status:<9}  {job.dispatch}:{job.node}  {job.function}"
        console().print(line, markup=False)
    if ask:
        click.confirm(f"End {count(len(found), 'job')}?", abort=True)
    for job in found:
        shown = f"{reason}: dispatch {job.dispatch}, node {job.node}"
        account.client("batch").terminate_job(jobId=job.job_id, reason=shown[:REASON_LIMIT])
    console().print(f"Ended {count(len(found), 'job')}.")
