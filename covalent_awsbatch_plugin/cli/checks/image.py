"""The image: that it is there, of the right architecture, with the right Python."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...aws.calls.aws_errors import Kind, classify, code_of
from ...protocol.messages import minor
from ..shared.errors import aws_message
from .finding import Case, Finding, ok, problem, unknown

AREA = "image"

ECR = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[\w-]+)\.amazonaws\.com(\.cn)?/"
    r"(?P<repository>[^:@]+)(:(?P<tag>[^@]+))?(@(?P<digest>.+))?"
)
# The official images have their version in the tag: python:3.11-slim, python:3.11.9.
OFFICIAL = re.compile(r"(.*/)?python:(?P<version>\d+\.\d+)\b.*")

MANIFESTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)

# Seconds for the download of an image's description, a few kilobytes.
TIMEOUT = 10


def check_image(case: Case) -> Iterator[Finding]:
    """Check the image that a job would run."""
    in_ecr = ECR.fullmatch(case.image)
    if in_ecr:
        yield from _check_ecr(case, in_ecr)
        return
    official = OFFICIAL.fullmatch(case.image)
    if official:
        yield judge_python(case.image, official["version"], case.python)
        return
    yield unknown(
        AREA,
        "python",
        f"{case.image} is not in ECR and is not looked into; its Python must be "
        f"{case.python}. 'covalent-awsbatch doctor --live' tries it.",
    )


def ecr_repository_arn(case: Case) -> str:
    """Return the ARN of the image's ECR repository; nothing for an image elsewhere."""
    image = ECR.fullmatch(case.image)
    if not image:
        return ""
    return (
        f"arn:{case.identity.partition}:ecr:{image['region']}:{image['account']}:repository/"
        f"{image['repository']}"
    )


def judge_python(image: str, found: str, wanted: str) -> Finding:
    """Return the finding about the Python of an image."""
    if minor(found) == wanted:
        return ok(AREA, "python", f"{image} has Python {found}, as this client.")
    return problem(
        AREA,
        "python",
        f"{image} has Python {found}, this client {wanted}: pickled functions do not cross minor "
        "versions.",
        f"set container_image_uri to an image with Python {wanted} ('covalent-awsbatch image' "
        "makes one), or remove it.",
    )


def judge_description(image: str, description: Mapping[str, Any], python: str) -> list[Finding]:
    """Return the findings about an image's own description, its config blob."""
    architecture = description.get("architecture", "")
    findings = [ok(AREA, "architecture", f"{architecture}.")]
    if architecture != "amd64":
        findings = [_wrong_architecture([architecture])]
    variables = dict(
        line.split("=", 1)
        for line in description.get("config", {}).get("Env") or ()
        if "=" in line
    )
    labels = description.get("config", {}).get("Labels") or {}
    version = variables.get("PYTHON_VERSION") or labels.get("covalent-awsbatch.python")
    if version:
        return [*findings, judge_python(image, version, python)]
    return [*findings, unknown(AREA, "python", f"{image} does not show which Python it has.")]


def _check_ecr(case: Case, image: re.Match[str]) -> Iterator[Finding]:
    from botocore.exceptions import ClientError

    try:
        manifest = _manifest(case, image, image["tag"], image["digest"])
    except ClientError as error:
        if classify(error) is Kind.DENIED:
            yield unknown(AREA, "exists", f"BatchGetImage was denied: {aws_message(error)}")
            return
        if code_of(error) != "RepositoryNotFoundException":
            raise
        manifest = None
    if manifest is None:
        yield problem(
            AREA,
            "exists",
            f"There is no image {case.image}.",
            "correct container_image_uri, or push it: 'covalent-awsbatch image --push'.",
        )
        return
    yield ok(AREA, "exists", f"{case.image}.")
    yield from _look_into(case, image, manifest)


def _look_into(case: Case, image: re.Match[str], manifest: Mapping[str, Any]) -> Iterator[Finding]:
    from botocore.exceptions import ClientError

    try:
        if "manifests" in manifest:
            platforms = {_architecture(m): m["digest"] for m in manifest["manifests"]}
            if "amd64" not in platforms:
                yield _wrong_architecture(sorted(platforms))
                return
            manifest = _manifest(case, image, None, platforms["amd64"]) or {}
        description = _description(case, image, manifest["config"]["digest"])
    except (ClientError, OSError, KeyError, ValueError) as error:
        yield unknown(AREA, "python", f"{case.image} could not be looked into: {error}")
        return
    yield from judge_description(case.image, description, case.python)


def _manifest(
    case: Case, image: re.Match[str], tag: str | None, digest: str | None
) -> dict[str, Any] | None:
    wanted = {"imageDigest": digest} if digest else {"imageTag": tag or "latest"}
    answer = case.account.client("ecr").batch_get_image(
        registryId=image["account"],
        repositoryName=image["repository"],
        imageIds=[wanted],
        acceptedMediaTypes=list(MANIFESTS),
    )
    return dict(json.loads(answer["images"][0]["imageManifest"])) if answer["images"] else None


def _description(case: Case, image: re.Match[str], digest: str) -> dict[str, Any]:
    from urllib.request import urlopen

    address = case.account.client("ecr").get_download_url_for_layer(
        registryId=image["account"], repositoryName=image["repository"], layerDigest=digest
    )["downloadUrl"]
    with urlopen(address, timeout=TIMEOUT) as answer:  # noqa: S310 - AWS gave the address
        return dict(json.load(answer))


def _architecture(manifest: Mapping[str, Any]) -> str:
    return str(manifest.get("platform", {}).get("architecture", ""))


def _wrong_architecture(found: Sequence[str]) -> Finding:
    return problem(
        AREA,
        "architecture",
        f"The image is for {' and '.join(found)}, the instances are x86 (amd64).",
        "build it with 'covalent-awsbatch image --platform linux/amd64 --push'.",
    )
