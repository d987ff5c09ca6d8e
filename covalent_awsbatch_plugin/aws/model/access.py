"""Which AWS account: as the options name it, and as AWS confirms it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Access:
    """Which AWS account, as whom, and where: the executor's options of these names.

    An empty credentials file or profile is the AWS SDK's to choose.
    """

    credentials_file: str
    profile: str
    region: str
    endpoint_url: str = ""


@dataclass(frozen=True)
class Identity:
    """Who we are on AWS.

    Attributes:
        account: The account's twelve digits.
        partition: ``aws``, ``aws-cn`` or ``aws-us-gov``.
        arn: The caller's ARN.
    """

    account: str
    partition: str
    arn: str

    def role_arn(self, role: str) -> str:
        """Return the ARN of a role given by name or by ARN."""
        if role.startswith("arn:"):
            return role
        return f"arn:{self.partition}:iam::{self.account}:role/{role}"
