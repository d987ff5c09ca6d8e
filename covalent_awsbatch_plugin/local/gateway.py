"""The WSGI application in front of moto: jobs are answered here, the rest by moto.

It also enforces what moto leaves out: what Batch and S3 refuse.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from .batch import request_model, task_credentials
from .batch.actions import Jobs
from .batch.errors import ClientError
from .batch.task_credentials import TaskCredentials
from .faults.api_faults import inject
from .faults.injection import Faults
from .faults.plan import ApiFault
from .http.operations import Call, Environ, StartResponse, Wsgi, body_of, call_of
from .http.responses import Response, error_response
from .services import access_keys, moto_backend, s3_refusals

RESET_PATH = "/moto-api/reset"

# After these, a job that could not start may be able to.
CHANGES = frozenset(
    [
        "batch:UpdateComputeEnvironment",
        "batch:UpdateJobQueue",
        "ec2:AssociateRouteTable",
        "ec2:CreateRoute",
        "ec2:CreateVpcEndpoint",
        "ec2:ReplaceRoute",
    ]
)


class Gateway:
    """Answers every request to the local AWS."""

    def __init__(
        self,
        jobs: Jobs,
        moto: Wsgi,
        credentials: TaskCredentials,
        faults: Faults,
        reset: Callable[[], None],
    ) -> None:
        """Make a gateway.

        Args:
            jobs: What answers Batch's requests about jobs.
            moto: What answers all others.
            credentials: What answers jobs that ask for the credentials of their roles.
            faults: What goes wrong on purpose.
            reset: What to do when the reset is asked for.
        """
        self.jobs = jobs
        self.faults = faults
        self._moto = moto
        self._credentials = credentials
        self._reset = reset

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        if environ["PATH_INFO"] == RESET_PATH and environ["REQUEST_METHOD"] == "POST":
            self._reset()
            return Response(200, b'{"status": "ok"}').send(start_response)
        if environ["PATH_INFO"].startswith(task_credentials.PATH):
            return self._credentials.answer(environ["PATH_INFO"]).send(start_response)
        call = call_of(environ)

        def answer(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            return self._answer(call, environ, start_response)

        fault = self._fault_of(call)
        if fault is None:
            return answer(environ, start_response)
        return inject(fault, call, answer, environ, start_response)

    def _fault_of(self, call: Call) -> ApiFault | None:
        if not call.operation or call.access_key == access_keys.ITSELF:
            return None
        by = "job" if call.access_key == access_keys.JOB else "dispatcher"
        return self.faults.of_call(call.name, by)

    def _answer(
        self, call: Call, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        answer = self._of_ours(call, environ)
        if answer is not None:
            return answer.send(start_response)
        response = self._moto(environ, start_response)
        if call.name in CHANGES:
            self.jobs.look_again()
        return response

    def _of_ours(self, call: Call, environ: Environ) -> Response | None:
        """Return the answer to a request that moto is not to see."""
        if call.service == "s3":
            return s3_refusals.refusal(call, environ)
        if call.service != "batch":
            return None
        try:
            return self._of_batch(call, environ)
        except ClientError as error:
            return error_response(call, 400, "ClientException", str(error))

    def _of_batch(self, call: Call, environ: Environ) -> Response | None:
        if environ["REQUEST_METHOD"] != "POST" or call.operation in ("", "TagResource"):
            return None
        try:
            request = json.loads(body_of(environ) or b"{}", object_pairs_hook=_without_nulls)
        except ValueError:
            return error_response(call, 400, "SerializationException", "The body is not JSON")
        request_model.check(call.operation, request)
        region = moto_backend.Region(moto_backend.account_of_key(call.access_key), call.region)
        action = self.jobs.actions.get(call.operation)
        if action is None:
            request_model.check_resources(call.operation, region, request)
            return None
        return Response(200, json.dumps(action(region, request)).encode())


def _without_nulls(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of a request; what is null counts as left out, as with AWS."""
    return {name: value for name, value in pairs if value is not None}
