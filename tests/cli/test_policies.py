"""The policy simulation of the local AWS."""

from __future__ import annotations

from typing import Any

import pytest

from covalent_awsbatch_plugin.local.services.iam_simulation import decide


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Statement": list(statements)}


READ = {"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::b/covalent/*"}
NO_SECRETS = {"Effect": "Deny", "Action": "*", "Resource": "arn:aws:s3:::b/covalent/secret"}
PASS = {
    "Effect": "Allow",
    "Action": ["iam:PassRole"],
    "Resource": "*",
    "Condition": {"StringEquals": {"iam:PassedToService": ["ecs-tasks.amazonaws.com"]}},
}
TLS = {**READ, "Condition": {"Bool": {"aws:SecureTransport": "true"}}}


@pytest.mark.parametrize(
    ("statements", "action", "resource", "context", "decision"),
    [
        ([READ], "s3:GetObject", "arn:aws:s3:::b/covalent/x", {}, "allowed"),
        ([READ], "S3:getobject", "arn:aws:s3:::b/covalent/x", {}, "allowed"),
        ([READ], "s3:PutObject", "arn:aws:s3:::b/covalent/x", {}, "implicitDeny"),
        ([READ], "s3:GetObject", "arn:aws:s3:::b/other/x", {}, "implicitDeny"),
        ([], "s3:GetObject", "*", {}, "implicitDeny"),
        (
            [READ, NO_SECRETS],
            "s3:GetObject",
            "arn:aws:s3:::b/covalent/secret",
            {},
            "explicitDeny",
        ),
        ([PASS], "iam:PassRole", "r", {}, "implicitDeny"),
        (
            [PASS],
            "iam:PassRole",
            "r",
            {"iam:PassedToService": "ecs-tasks.amazonaws.com"},
            "allowed",
        ),
        (
            [PASS],
            "iam:PassRole",
            "r",
            {"iam:PassedToService": "ec2.amazonaws.com"},
            "implicitDeny",
        ),
        ([TLS], "s3:GetObject", "arn:aws:s3:::b/covalent/x", {}, "implicitDeny"),
    ],
)
def test_decisions(
    statements: list[dict[str, Any]],
    action: str,
    resource: str,
    context: dict[str, str],
    decision: str,
) -> None:
    assert decide([policy(*statements)], action, resource, context) == decision
