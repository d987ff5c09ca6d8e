"""ECR: the repository of an image, and the way into it."""

from __future__ import annotations

import base64

from ...aws.calls.aws_errors import code_of
from .account import Account
from .docker import run_docker
from .screen import console


def ensure_repository(account: Account, name: str) -> str:
    """Return the URI of an ECR repository, which is made where there is none."""
    from botocore.exceptions import ClientError

    ecr = account.client("ecr")
    try:
        found = ecr.describe_repositories(repositoryNames=[name])["repositories"][0]
    except ClientError as error:
        if code_of(error) != "RepositoryNotFoundException":
            raise
        found = ecr.create_repository(
            repositoryName=name, imageScanningConfiguration={"scanOnPush": True}
        )["repository"]
        console().print(f"Made the ECR repository {name}.")
    return str(found["repositoryUri"])


def push(account: Account, docker: str, uri: str) -> None:
    """Log Docker in to the registry of an image, and push it.

    The password goes through Docker's standard input: arguments show in the process list.

    Raises:
        Refusal: Docker failed.
    """
    data = account.client("ecr").get_authorization_token()["authorizationData"][0]
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    host = uri.partition("/")[0]
    console().print(f"Logging in to {host}.")
    run_docker([docker, "login", "--username", user, "--password-stdin", host], stdin=password)
    console().print(f"Pushing {uri}.")
    run_docker([docker, "push", uri])
