"""The instance that ran a job, where AWS still knows it."""

from __future__ import annotations

from dataclasses import dataclass

from .account import Account
from .job_facts import JobFacts
from .optional import Notes


@dataclass(frozen=True)
class Host:
    """An EC2 instance.

    Attributes:
        instance: Its id.
        kind: Its type, such as ``m5.large``.
        zone: Its availability zone.
        price_model: ``spot`` or ``on-demand``; empty where it is not known.
    """

    instance: str
    kind: str = ""
    zone: str = ""
    price_model: str = ""

    @property
    def text(self) -> str:
        """The host in one line: ``i-0abc (m5.large, us-east-1a, spot)``."""
        known = ", ".join(part for part in (self.kind, self.zone, self.price_model) if part)
        return f"{self.instance} ({known})" if known else self.instance


def describe_host(account: Account, job: JobFacts, notes: Notes) -> Host | None:
    """Return the host of a job's last attempt; None where AWS has forgotten it.

    An emulator has no hosts, so it is not asked.
    """
    cluster, _, _ = job.host.partition(":container-instance/")[2].rpartition("/")
    if account.endpoint_url or not cluster:
        return None
    with notes.optional("the instance that ran it"):
        response = account.client("ecs").describe_container_instances(
            cluster=cluster, containerInstances=[job.host]
        )
        for described in response.get("containerInstances") or ():
            values = {a["name"]: a.get("value", "") for a in described.get("attributes") or ()}
            return Host(
                instance=described["ec2InstanceId"],
                kind=values.get("ecs.instance-type", ""),
                zone=values.get("ecs.availability-zone", ""),
                price_model=_price_model(account, described["ec2InstanceId"], notes),
            )
    return None


def _price_model(account: Account, instance: str, notes: Notes) -> str:
    with notes.optional("the instance's price model"):
        response = account.client("ec2").describe_instances(InstanceIds=[instance])
        described = response["Reservations"][0]["Instances"][0]
        return str(described.get("InstanceLifecycle") or "on-demand")
    return ""
