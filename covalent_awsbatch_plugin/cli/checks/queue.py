"""The queue and its compute environments: that they work, and that a task fits."""

from __future__ import annotations

from collections.abc import Iterator

from ..shared.job_queue import look_up_queue
from ..shared.waiting_reasons import Environment, Queue
from .finding import Case, Finding, ok, problem, warning
from .instances import CHOSEN_BY_BATCH, fitting_types, instance_types

QUEUE = "queue"
ENVIRONMENT = "compute environment"


def check_queue(case: Case) -> Iterator[Finding]:
    """Check the queue, its compute environments, and the room for a task."""
    name = case.options["batch_queue"]
    queue = look_up_queue(case.account, name)
    if queue is None:
        yield problem(
            QUEUE,
            "exists",
            f"There is no queue {name} in {case.account.region}.",
            "correct batch_queue or region, or make it: 'covalent-awsbatch deploy'.",
        )
        return
    yield ok(QUEUE, "exists", f"{queue.name}.")
    yield _state(queue)
    yield _status(queue)
    yield from _scheduling(case, queue)
    yield from _check_environments(case, queue)


def _state(queue: Queue) -> Finding:
    if queue.state == "ENABLED":
        return ok(QUEUE, "enabled", "It takes jobs.")
    return problem(
        QUEUE,
        "enabled",
        f"It is {queue.state} and takes no job.",
        f"aws batch update-job-queue --job-queue {queue.name} --state ENABLED",
    )


def _status(queue: Queue) -> Finding:
    if queue.status == "VALID":
        return ok(QUEUE, "valid", "AWS Batch can use it.")
    return problem(
        QUEUE,
        "valid",
        f"It is {queue.status}: {queue.reason or 'no reason given'}.",
        "wait where it is being made or changed; else deploy it anew.",
    )


def _scheduling(case: Case, queue: Queue) -> Iterator[Finding]:
    share = case.options["share_identifier"]
    if queue.is_fair_share and not share:
        yield problem(
            QUEUE,
            "share",
            f"{queue.name} has a scheduling policy, and takes no job without a share identifier.",
            "set share_identifier to one of the policy's shares (and scheduling_priority).",
        )
    elif share and not queue.is_fair_share:
        yield problem(
            QUEUE,
            "share",
            f"{queue.name} has no scheduling policy, and takes no job with a share identifier.",
            "remove share_identifier.",
        )


def _check_environments(case: Case, queue: Queue) -> Iterator[Finding]:
    if not queue.environments:
        yield problem(
            ENVIRONMENT,
            "exists",
            f"The queue {queue.name} has no compute environment.",
            "attach one: 'covalent-awsbatch deploy' makes a queue with one.",
        )
        return
    faults = [fault for e in queue.environments for fault in _faults(e)]
    usable = [e for e in queue.environments if not list(_faults(e))]
    if usable:
        # The queue's jobs still start in the others.
        yield from (warning(f.area, f.check, f.found, f.fix) for f in faults)
        yield ok(ENVIRONMENT, "usable", ", ".join(f"{e.name} ({e.kind})" for e in usable) + ".")
        yield from _check_room(case, usable)
    else:
        yield from faults


def _faults(environment: Environment) -> Iterator[Finding]:
    name = environment.name
    if environment.kind not in ("EC2", "SPOT"):
        yield problem(
            ENVIRONMENT,
            "EC2",
            f"{name} is of the type {environment.kind or 'UNMANAGED'}; jobs of the plugin run on "
            "EC2.",
            "attach a managed compute environment of the type EC2 or SPOT to the queue.",
        )
    if environment.state != "ENABLED":
        yield problem(
            ENVIRONMENT,
            "enabled",
            f"{name} is {environment.state}.",
            f"aws batch update-compute-environment --compute-environment {name} --state ENABLED",
        )
    if environment.status != "VALID":
        yield problem(
            ENVIRONMENT,
            "valid",
            f"{name} is {environment.status}: {environment.reason or 'no reason given'}.",
            "do what the reason asks for; a role or a subnet that is gone is the usual cause.",
        )


def _check_room(case: Case, usable: list[Environment]) -> Iterator[Finding]:
    vcpus = case.options["vcpu"]
    most = max(environment.max_vcpus for environment in usable)
    if vcpus > most:
        yield problem(
            ENVIRONMENT,
            "max vCPUs",
            f"A task asks for {vcpus} vCPUs, a compute environment may have {most}.",
            f"lower vcpu, or 'covalent-awsbatch deploy --max-vcpus {vcpus}'.",
        )
    else:
        yield ok(ENVIRONMENT, "max vCPUs", f"{vcpus} of {most}.")
    yield _check_types(case, usable)


def _check_types(case: Case, usable: list[Environment]) -> Finding:
    names = tuple(dict.fromkeys(name for e in usable for name in e.instance_types))
    known = instance_types(case.account, names)
    vcpus, gpus = case.options["vcpu"], case.options["num_gpus"]
    memory = int(case.options["memory"] * 1024)
    asked = f"{vcpus} vCPUs, {memory / 1024:g} GB" + (f" and {gpus} GPUs" if gpus else "")
    fitting = fitting_types(known, vcpus, memory, gpus)
    if fitting:
        return ok(ENVIRONMENT, "fits", f"{asked} fit into {len(fitting)} instance types.")
    if gpus and not any(kind.gpus for kind in known):
        return problem(
            ENVIRONMENT,
            "GPUs",
            f"A task asks for {gpus} GPUs, and none of {', '.join(names)} has any.",
            "'covalent-awsbatch deploy --gpu' makes a queue with GPUs: name it as batch_queue; or "
            "set num_gpus to 0.",
        )
    # What AWS Batch chooses by itself is at least what is known of it, and may be more.
    kind = warning if set(names) & set(CHOSEN_BY_BATCH) else problem
    return kind(
        ENVIRONMENT,
        "fits",
        f"A task asks for {asked}, and none of {', '.join(names)} has that much: an instance "
        "keeps some of its memory for itself.",
        "lower vcpu, memory or num_gpus, or allow larger types: 'covalent-awsbatch deploy "
        "--instance-types'.",
    )
