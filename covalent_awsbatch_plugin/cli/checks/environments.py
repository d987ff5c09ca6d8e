"""What makes jobs wait although queue and environments are valid: routes, quotas, images."""

from __future__ import annotations

from collections.abc import Iterator

from ..shared.job_queue import look_up_queue
from ..shared.optional import Notes
from ..shared.quotas import quotas
from ..shared.subnets import find_subnets
from ..shared.waiting_reasons import Environment
from .finding import Case, Finding, ok, problem, unknown, warning

NETWORK, QUOTA, IMAGE = "network", "quota", "machine image"


def check_network(case: Case) -> Iterator[Finding]:
    """Check that instances can reach ECS from the subnets of the compute environments."""
    for environment in _environments(case):
        subnets = find_subnets(case.account, SubnetIds=list(environment.subnets))
        isolated = [subnet.name for subnet in subnets if not subnet.reaches_ecs]
        if not isolated:
            yield ok(NETWORK, "routes", f"Every subnet of {environment.name} has a way to ECS.")
            continue
        kind = problem if len(isolated) == len(subnets) else warning
        yield kind(
            NETWORK,
            "routes",
            f"Instances of {environment.name} have no way to ECS from {', '.join(isolated)}: jobs "
            "that are placed there stay RUNNABLE.",
            "give them a route to a NAT gateway, or to an internet gateway with public addresses, "
            "or VPC endpoints of ECS; or name other subnets: 'covalent-awsbatch deploy "
            "--subnet-ids'.",
        )


def check_quotas(case: Case) -> Iterator[Finding]:
    """Compare the account's quotas with what a task needs and the environments may have."""
    environments, notes = _environments(case), Notes()
    spot = any(environment.kind == "SPOT" for environment in environments)
    gpu = bool(case.options["num_gpus"])
    found = quotas(case.account, spot=spot, gpu=gpu, notes=notes)
    most = max((environment.max_vcpus for environment in environments), default=0)
    for name, value in found.items():
        yield _quota(case, name, value, most)
    for line in notes.lines:
        yield unknown(QUOTA, "vCPUs", line)


def _quota(case: Case, name: str, value: float, most: int) -> Finding:
    ask = "ask for more in the Service Quotas console (Amazon EC2)."
    found = f"'{name}' is {value:g} vCPUs"
    if value < case.options["vcpu"]:
        # Its jobs may still start in the other environment, spot or on demand.
        asked = case.options["vcpu"]
        return warning(QUOTA, "vCPUs", f"{found}; a task asks for {asked}.", ask)
    if value < most:
        return warning(
            QUOTA,
            "vCPUs",
            f"{found}; a compute environment may have {most}. Jobs beyond it stay RUNNABLE.",
            ask,
        )
    return ok(QUOTA, "vCPUs", f"{found}.")


def check_machine_images(case: Case) -> Iterator[Finding]:
    """Check that new instances have a machine image that AWS still recommends."""
    for environment in _environments(case):
        if environment.image_status == "UPDATE_AVAILABLE":
            yield warning(
                IMAGE,
                "newest",
                f"There is a newer machine image than that of {environment.name}; AWS Batch does "
                "not renew it by itself.",
                "'covalent-awsbatch deploy --refresh', for instances that start from then on.",
            )
        elif environment.image_status:
            yield ok(IMAGE, "newest", f"{environment.name}: {environment.image_status}.")


def _environments(case: Case) -> list[Environment]:
    queue = look_up_queue(case.account, case.options["batch_queue"])
    found = queue.environments if queue else ()
    return [environment for environment in found if environment.subnets]
