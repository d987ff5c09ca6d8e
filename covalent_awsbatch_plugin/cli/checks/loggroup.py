"""The log group of the jobs' output."""

from __future__ import annotations

from collections.abc import Iterator

from .finding import Case, Finding, ok, problem

AREA = "log group"


def check_log_group(case: Case) -> Iterator[Finding]:
    """Check that the log group is there."""
    name = case.options["log_group_name"]
    answer = case.account.client("logs").describe_log_groups(logGroupNamePrefix=name)
    if any(group["logGroupName"] == name for group in answer["logGroups"]):
        yield ok(AREA, "exists", f"{name}.")
        return
    yield problem(
        AREA,
        "exists",
        f"There is no log group {name} in {case.account.region}.",
        "correct batch_job_log_group_name, or make it: 'covalent-awsbatch deploy', or 'aws logs "
        f"create-log-group --log-group-name {name}'.",
    )
