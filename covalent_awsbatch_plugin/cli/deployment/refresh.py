"""What ``deploy --refresh`` does: give the compute environments the newest machine image.

AWS Batch never renews the image of an environment by itself.
"""

from __future__ import annotations

from ..shared.account import Account
from ..shared.screen import console
from .advice import ENVIRONMENT, UPDATE_MINUTES
from .stack import Resource


def refresh_images(account: Account, resources: list[Resource]) -> None:
    """Start an infrastructure update of each compute environment, and print that."""
    batch = account.client("batch")
    for resource in resources:
        if resource.kind == ENVIRONMENT and resource.physical:
            batch.update_compute_environment(
                computeEnvironment=resource.physical,
                computeResources={"updateToLatestImageVersion": True},
                updatePolicy={
                    "terminateJobsOnUpdate": False,
                    "jobExecutionTimeoutMinutes": UPDATE_MINUTES,
                },
            )
            console().print(f"{resource.name}: new instances will have the newest machine image.")
