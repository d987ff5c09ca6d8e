"""What a deployment's user should know beforehand: quotas, and tasks that an update may end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .plan import Plan

# Minutes that the template gives to tasks that run when an environment is changed.
UPDATE_MINUTES = 1440

ENVIRONMENT, LAUNCH_TEMPLATE = "AWS::Batch::ComputeEnvironment", "AWS::EC2::LaunchTemplate"


def warn_of_update(plan: Plan) -> Iterator[str]:
    """Yield what an update may do to tasks that run."""
    kinds = {change.kind for change in plan.changes if change.action == "Modify"}
    if not plan.creates and kinds & {ENVIRONMENT, LAUNCH_TEMPLATE}:
        yield (
            "AWS Batch may replace the instances of a changed compute environment. Tasks that run "
            f"then may go on for {UPDATE_MINUTES // 60} hours, and are ended after that."
        )
    gone = [c.resource for c in plan.changes if c.action == "Remove" and c.kind == ENVIRONMENT]
    if gone:
        yield f"Tasks that run in {', '.join(gone)} are ended."


def warn_of_quotas(quotas: Mapping[str, float], parameters: Mapping[str, str]) -> Iterator[str]:
    """Yield where the account's quotas are below what the stack may use.

    Args:
        quotas: vCPUs by the quota's name.
        parameters: The template's parameters, as far as they are given.
    """
    most = float(parameters.get("MaxvCpus", 256))
    for name, value in quotas.items():
        if value < most:
            yield (
                f"The account's quota '{name}' is {value:g} vCPUs, fewer than the {most:g} of "
                "--max-vcpus: jobs beyond it stay RUNNABLE. Ask for more in the Service Quotas "
                "console (EC2)."
            )
