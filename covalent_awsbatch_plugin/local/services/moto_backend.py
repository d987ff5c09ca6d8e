"""The parts of moto that jobs need: queues, definitions, tags, log streams. All of it is here."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Region:
    """An account and region."""

    account: str
    region: str


@dataclass(frozen=True)
class Queue:
    """A job queue."""

    name: str
    arn: str
    enabled: bool
    fair_share: bool = False


def queue(region: Region, reference: str) -> Queue | None:
    """Return a queue by its name or ARN."""
    found = batch_backend(region).get_job_queue(reference)
    if not found:
        return None
    fair_share = bool(found.schedule_policy)
    return Queue(found.name, found.arn, found.state == "ENABLED", fair_share)


def environment_use(region: Region, reference: str) -> tuple[str, list[str]]:
    """Return the state of a compute environment, and the names of the queues that use it."""
    backend = batch_backend(region)
    environment = backend.get_compute_environment(reference)
    if environment is None:
        return "", []
    queues = list(backend._job_queues.values())
    return environment.state, [each.name for each in queues if environment in each.environments]


def definition(region: Region, reference: str) -> dict[str, Any] | None:
    """Return an active job definition as DescribeJobDefinitions returns it.

    Args:
        region: Where.
        reference: Its ARN, ``name:revision``, or its name for the latest active revision.
    """
    name, _, revision = reference.rpartition("job-definition/")[2].partition(":")
    active = [
        each
        for each in list(batch_backend(region)._job_definitions.values())
        if each.name == name and each.status == "ACTIVE"
    ]
    if revision:
        active = [each for each in active if str(each.revision) == revision]
    if not active:
        return None
    latest = max(active, key=lambda each: int(each.revision))
    return copy.deepcopy(dict(latest.describe()))


def tag(region: Region, arn: str, tags: Mapping[str, str]) -> None:
    """Tag a resource of Batch."""
    batch_backend(region).tag_resource(arn, dict(tags))


def tags(region: Region, arn: str) -> dict[str, str]:
    """Return the tags of a resource of Batch."""
    return dict(batch_backend(region).list_tags_for_resource(arn))


def open_log(region: Region, group: str, stream: str, create_group: bool) -> bool:
    """Make a log stream; return whether its group was there or was made."""
    logs = _logs(region)
    if create_group:
        logs.ensure_log_group(group)
    if group not in logs.groups:
        return False
    logs.ensure_log_stream(group, stream)
    return True


def write_log(region: Region, group: str, stream: str, milliseconds: int, message: str) -> None:
    """Add an event to a log stream; where that was deleted meanwhile, it is lost, as on AWS."""
    found = _logs(region).groups.get(group)
    if found is not None and stream in found.streams:
        event = {"timestamp": milliseconds, "message": message}
        found.put_log_events(stream, [event])


def account_of_key(access_key: str) -> str:
    """Return the account of an access key; the default one's where moto knows none."""
    from moto.iam.models import get_account_id_from

    return str(get_account_id_from(access_key))


def account_of_bucket(bucket: str, region: str) -> str | None:
    """Return the account that owns a bucket; None where there is no such bucket."""
    from moto.s3.models import s3_backends
    from moto.utilities.utils import get_partition

    partition = get_partition(region)
    for account, backends in list(s3_backends.items()):
        if bucket in backends[partition].buckets:
            return str(account)
    return None


def application() -> Any:
    """Return moto's WSGI application, every service of AWS."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    return DomainDispatcherApplication(create_backend_app)


def install_patches() -> None:
    """Patch what moto lacks outside of jobs; doing it twice does no harm."""
    from . import batch_queues, cloudformation, iam_simulation, log_pages, quotas

    if not _PATCHED:
        for part in (cloudformation, iam_simulation, batch_queues, log_pages, quotas):
            part.install()
        _PATCHED.append(True)


_PATCHED: list[bool] = []


def forget_everything() -> None:
    """Forget all that moto holds."""
    from moto.moto_api._internal.models import moto_api_backend

    moto_api_backend.reset()


def role_trusts_ecs(arn: str) -> bool:
    """Return whether a role exists that ECS tasks may assume; of another account, it may."""
    from moto.iam.models import iam_backends

    _, partition, _, _, account, _ = arn.split(":", 5)
    roles = iam_backends[account][partition].roles.values() if account in iam_backends else ()
    found = [role for role in roles if role.arn == arn]
    return any("ecs-tasks" in str(role.assume_role_policy_document) for role in found)


def batch_backend(region: Region) -> Any:
    """Return moto's Batch of an account and region."""
    from moto.batch.models import batch_backends

    return batch_backends[region.account][region.region]


def _logs(region: Region) -> Any:
    from moto.logs.models import logs_backends

    return logs_backends[region.account][region.region]
