"""What ``covalent deploy up awsbatch`` reads off the executor's module: two pydantic models.

Covalent turns their fields into options of its command and into Terraform variables; the defaults
in ``assets/infra/variables.tf`` must be the same.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, create_model

from .table import OPTIONS


class ExecutorInfraDefaults(BaseModel):
    """The cloud resources.

    Attributes:
        prefix: First part of the name of every resource.
        vpc_id: VPC of the instances; empty for the region's default VPC.
        subnet_ids: Subnets of the instances, separated by commas; empty for all of the VPC.
        instance_types: Instance types or families, separated by commas.
        gpu_instance_types: Those with GPUs, separated by commas; empty for none.
        min_vcpus: vCPUs kept running.
        max_vcpus: vCPUs at most, in each compute environment.
        spot: Whether spot instances come first.
        disk: GiB of an instance's disk.
        object_days: Days after which the plugin's objects expire.
        log_days: Days for which logs are kept.
        keep_warm: Minutes for which an idle instance waits for another job; 0 for as Batch sees
            fit.
        region_in_names: Whether the names of roles end with the region; set it for a new stack
            in a second region, never for one that exists.
        permissions_boundary: ARN of the policy that bounds the roles; empty for none.
        kms_key: ARN of the KMS key of bucket and log group; empty for AWS's own.
        instance_tags: Five tags of instances as key=value, separated by commas; = for none.
    """

    prefix: str = "covalent"
    vpc_id: str = ""
    subnet_ids: str = ""
    instance_types: str = "optimal"
    gpu_instance_types: str = ""
    min_vcpus: int = 0
    max_vcpus: int = 256
    spot: bool = False
    disk: int = 50
    object_days: int = 30
    log_days: int = 30
    keep_warm: int = 0
    region_in_names: bool = False
    permissions_boundary: str = ""
    kms_key: str = ""
    instance_tags: str = "=,=,=,=,="


# Tables cannot be given on Covalent's command line.
_FIELDS: dict[str, Any] = {
    option.name: (option.kind | None, option.default)
    for option in OPTIONS
    if option.kind is not dict
}

ExecutorPluginDefaults = create_model("ExecutorPluginDefaults", **_FIELDS)
