"""What goes wrong on the command line, as one sentence with its fix and an exit code.

Foreign exceptions become sentences here and nowhere else in the commands.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import click

from ...aws.calls.aws_errors import Kind, classify, code_of
from ...errors import BatchTaskError

# Operations whose actions have another name in IAM.
ACTIONS = {
    "HeadBucket": "s3:ListBucket",
    "ListObjectsV2": "s3:ListBucket",
    "HeadObject": "s3:GetObject",
    "DeleteObjects": "s3:DeleteObject",
    "GetBucketEncryption": "s3:GetEncryptionConfiguration",
}


POLICIES = (
    "The policy PREFIX-batch-dispatcher, which 'deploy' makes, holds what running and watching "
    "tasks needs; deploying needs an administrator's."
)


class Refusal(click.ClickException):
    """A command that could not do what it was asked; ``fix`` is what to do about it.

    Its exit code is 1, or 2 where the command was called wrongly.
    """

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.fix = fix

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the sentence and the fix to standard error."""
        where = file or sys.stderr
        click.echo(f"{click.style('Error:', fg='red', bold=True)} {self.message}", file=where)
        if self.fix:
            click.echo(f"{click.style('Fix:', fg='green', bold=True)} {self.fix}", file=where)


class WrongCall(Refusal):
    """A command that was called with something that cannot be."""

    exit_code = 2


class Denied(Refusal):
    """AWS denied permission for a call."""


@contextmanager
def explained() -> Iterator[None]:
    """Turn what AWS, its SDK, the plugin and the operating system raise into a Refusal."""
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
        raise
    except Exception as error:
        refusal = refusal_for(error)
        if refusal is None:
            raise
        raise refusal from error


def refusal_for(error: Exception) -> Refusal | None:
    """Return the refusal that an exception amounts to; nothing for a mistake of our own."""
    if isinstance(error, BatchTaskError):
        return Refusal(error.text.split("\nWhat to do: ")[0], error.advice)
    # Where botocore was never imported, it raised nothing.
    if "botocore.exceptions" in sys.modules:
        kind = classify(error)
        if kind is not Kind.FOREIGN:
            return _of_aws(error, kind)
    if type(error).__name__ == "ResponseParserError":
        return Refusal(
            "What answered is not AWS: its answer cannot be read.",
            "check the proxy and, where one is set, --endpoint-url.",
        )
    if isinstance(error, OSError):
        named = f"{error.filename}: " if error.filename else ""
        return Refusal(f"{named}{error.strerror or error}")
    return None


def aws_message(error: Exception) -> str:
    """Return AWS's own words of an error, without botocore's around them."""
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Message") or error)


def _of_aws(error: Exception, kind: Kind) -> Refusal:
    operation = getattr(error, "operation_name", "the call")
    if kind is Kind.DENIED:
        return Denied(
            f"AWS denied permission for {operation}: {aws_message(error)}",
            f"allow {_action(error, operation)} to the user or role of these credentials, or name "
            f"a --profile that may do it. {POLICIES}",
        )
    if kind in (Kind.CREDENTIALS, Kind.EXPIRED):
        return _of_credentials(error)
    if kind is Kind.THROTTLED:
        return Refusal(f"AWS is busy: {operation} answered {code_of(error)}.", "try again later.")
    if kind is Kind.TRANSIENT and not hasattr(error, "response"):
        return Refusal(
            f"AWS could not be reached: {error}",
            "check the network, the proxy, --region and, where one is set, --endpoint-url (does "
            "the local AWS run?).",
        )
    return Refusal(f"AWS refused {operation}: {aws_message(error)} ({code_of(error)})")


def _action(error: Exception, operation: str) -> str:
    """Return what IAM calls a denied operation; AWS names it where it can."""
    named = re.search(r"not authorized to perform:? ([\w-]+:\w+)", aws_message(error))
    return ACTIONS.get(operation) or (named[1] if named else operation)


def _of_credentials(error: Exception) -> Refusal:
    if type(error).__name__ == "NoCredentialsError":
        return Refusal(
            "No AWS credentials were found.",
            "run 'aws configure' or 'aws sso login', or name a --profile that has them.",
        )
    return Refusal(
        f"AWS does not accept these credentials: {aws_message(error)} ({code_of(error)})",
        "renew them ('aws sso login', or a new access key), or name another --profile.",
    )
