"""The credentials of jobs' roles, at the addresses that ECS gives containers."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

from ..http.responses import Response
from ..services import access_keys
from .records import Job

PATH = "/v2/credentials/"
LIFETIME_SECONDS = 6 * 3600


class TaskCredentials:
    """What a container finds at the address in its environment.

    On AWS that address is ``AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`` on 169.254.170.2, which only
    a container in a network of its own can have. Here it is a whole URL, as AWS's SDKs take it.
    A task whose host is reported lost may go on, so its address is never taken back.
    """

    def __init__(self, endpoint_url: str) -> None:
        self._endpoint_url = endpoint_url
        self._roles: dict[str, str] = {}

    def give(self, job: Job) -> dict[str, str]:
        """Return the variable for a job's current attempt; none where the job has no role."""
        role = job.container.get("jobRoleArn")
        if not role:
            return {}
        self._roles[job.task] = role
        address = self._endpoint_url + PATH + job.task
        return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": address}

    def answer(self, path: str) -> Response:
        """Answer a request for an address below PATH."""
        role = self._roles.get(path.removeprefix(PATH))
        if role is None:
            words = "CredentialsV2Request: ID not found"
            problem = {"code": "InvalidIdInRequest", "message": words, "HTTPErrorCode": 400}
            return Response(400, json.dumps(problem).encode())
        return Response(200, json.dumps(_keys(role)).encode())


def _keys(role: str) -> Mapping[str, str]:
    end = time.gmtime(time.time() + LIFETIME_SECONDS)
    return {
        "RoleArn": role,
        "AccessKeyId": access_keys.JOB,
        "SecretAccessKey": access_keys.SECRET,
        "Token": "local-job-token",
        "Expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", end),
    }
