"""What the page ``docs/failures.md`` promises of the engine, each with the tests that prove it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from textwrap import fill


@dataclass(frozen=True)
class Promise:
    """One promise.

    Attributes:
        text: What is promised.
        tests: The tests that prove it, as pytest names them.
    """

    text: str
    tests: tuple[str, ...]


PATIENCE = "tests/conformance/test_patience.py"
OWNERSHIP = "tests/conformance/test_ownership.py"
ARRIVALS = "tests/conformance/test_arrivals.py"
FAULTS = "tests/conformance/test_executor_faults.py"
STRESS = "tests/conformance/test_cancel_stress.py"
ENDING = "tests/conformance/test_ending_jobs.py"

RETRIED = (
    Promise(
        "A job that was submitted is watched until it ends, and its outcome fetched, for as long "
        "as that takes: through a night of expired credentials, throttling, an outage, a wrong "
        "clock, a permission that was taken away and given back, or another account's keys in the "
        "same file.",
        (
            f"{PATIENCE}::test_a_running_job_outlives_two_hours_of",
            f"{PATIENCE}::test_a_finished_result_outlives_two_hours_of",
            f"{PATIENCE}::test_another_account_s_keys_and_back",
            f"{PATIENCE}::test_another_account_s_keys_and_back_while_a_large_result_is_fetched",
            f"{PATIENCE}::test_who_we_are_is_unknown_for_hours_after_new_credentials",
        ),
    ),
    Promise(
        "Before a job is submitted, calls are retried for an hour; when no call has ever "
        "succeeded, for 20 seconds, as a wrong set-up is likelier then.",
        (
            "tests/unit/test_patience.py::test_how_long_a_call_is_retried",
            f"{PATIENCE}::test_a_clock_that_was_always_wrong_is_reported",
        ),
    ),
    Promise(
        "A submission whose response was lost is looked for by the job's name before it is "
        "repeated.",
        (
            f"{FAULTS}::test_a_submission_whose_response_is_lost_makes_one_job",
            f"{STRESS}::test_no_job_is_left_running_whatever_is_cancelled_when",
        ),
    ),
    Promise(
        "A cancelled task's job is ended in the background, however long that takes. When a "
        "script or the Covalent server ends, this and the last deletions are given a few seconds.",
        (
            f"{PATIENCE}::test_a_task_is_cancelled_while_nothing_can_be_reached",
            f"{PATIENCE}::test_a_script_ends_within_seconds_when_aws_is_gone",
            f"{ENDING}::test_a_server_that_stops_ends_fifty_jobs_with_a_call",
            f"{ENDING}::test_where_that_call_fails_jobs_are_ended_one_by_one",
        ),
    ),
)

KEPT = (
    Promise(
        "A result is deleted from the bucket only when it has arrived. Where the Covalent server "
        "fails to fetch it, for a full disk or a missing permission, its objects stay, and the "
        "error names them and how to fetch them.",
        (f"{OWNERSHIP}::test_a_result_that_does_not_fit_the_disk_can_be_fetched_later",),
    ),
    Promise(
        "Nothing is deleted that another task, executor, event loop or server may need.",
        (
            f"{OWNERSHIP}::test_the_end_of_one_takes_nothing_from_another",
            f"{OWNERSHIP}::test_two_event_loops_share_a_dispatch",
            f"{OWNERSHIP}::test_objects_of_others_are_never_deleted",
            f"{OWNERSHIP}::test_what_a_job_reads_that_could_not_be_ended_stays",
        ),
    ),
    Promise(
        "A task that returned counts, in whichever attempt, also in one that Batch has given up "
        "for lost.",
        (
            f"{ARRIVALS}::test_a_zombie_s_result_counts_and_the_other_attempt_is_ended",
            f"{ARRIVALS}::test_an_attempt_that_raises_does_not_end_a_job_with_attempts_left",
        ),
    ),
    Promise(
        "What a job stores in place of its outcome harms only its own task.",
        (
            f"{ARRIVALS}::test_a_hostile_outcome_harms_only_its_task",
            f"{ARRIVALS}::test_strange_keys_and_contents_are_ignored",
            f"{ARRIVALS}::test_a_result_of_another_kind_is_refused",
        ),
    ),
)


def listed(promises: Iterable[Promise]) -> str:
    """Return promises as a list, each with its tests."""
    return "\n".join(map(_listed, promises))


def _listed(promise: Promise) -> str:
    text = fill(promise.text, 97, initial_indent="- ", subsequent_indent="  ")
    tests = "\n".join(f"  - `{test}`" for test in promise.tests)
    return f"{text}\n{tests}"
