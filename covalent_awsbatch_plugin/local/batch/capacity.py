"""Whether a queue's compute environments can ever run a job, as AWS Batch decides it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..services.moto_capacity import Environment, Resources

MISCONFIGURED = "MISCONFIGURATION:"
NO_TYPE = (
    f"{MISCONFIGURED}JOB_RESOURCE_REQUIREMENT - The job resource requirement (vCPU/memory/GPU) is "
    "higher than that can be met by the CE(s) attached to the job queue."
)
TOO_MANY_VCPUS = (
    f"{MISCONFIGURED}COMPUTE_ENVIRONMENT_MAX_RESOURCE - CE(s) associated with the job queue "
    "cannot meet the CPU requirement of the job."
)


@dataclass(frozen=True)
class Hold:
    """Why a job stays in RUNNABLE.

    Attributes:
        reason: Its status reason; AWS gives none where an instance never joins the cluster.
        seconds: For how long; None for as long as nothing changes.
        limit: After how many seconds the job is canceled, as its queue asks for; None for never.
    """

    reason: str
    seconds: float | None = None
    limit: float | None = None

    @property
    def code(self) -> str:
        """The part of the reason that a queue's time limits name."""
        return self.reason.partition(" - ")[0]


def hold(asked: Resources, environments: Iterable[Environment]) -> Hold | None:
    """Return why no environment can run a job; None where one can."""
    environments = list(environments)
    if not environments:
        # All are disabled, for which AWS gives no reason.
        return Hold("")
    fitting = [
        each for each in environments if any(type_.holds(asked) for type_ in each.instances)
    ]
    if not fitting:
        return Hold(NO_TYPE)
    large = [each for each in fitting if asked.vcpus <= each.max_vcpus]
    if not large:
        return Hold(TOO_MANY_VCPUS)
    return None if any(each.connected for each in large) else Hold("")
