"""EC2's quotas of running vCPUs, which new accounts have far below what a queue may use."""

from __future__ import annotations

from .account import Account
from .optional import Notes

# Quotas by their code, for what runs on demand, from spot, and with GPUs.
ON_DEMAND = {"L-1216C47A": "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances"}
SPOT = {"L-34B43A08": "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests"}
GPU = {"L-DB2E81BA": "Running On-Demand G and VT instances"}


def quotas(account: Account, *, spot: bool, gpu: bool, notes: Notes) -> dict[str, float]:
    """Return the vCPUs that the account may run, by the quota's name."""
    codes = {**ON_DEMAND, **(SPOT if spot else {}), **(GPU if gpu else {})}
    found = {}
    for code, name in codes.items():
        with notes.optional(f"the quota {name}"):
            quota = account.client("service-quotas").get_service_quota(
                ServiceCode="ec2", QuotaCode=code
            )["Quota"]
            found[name] = float(quota["Value"])
    return found
