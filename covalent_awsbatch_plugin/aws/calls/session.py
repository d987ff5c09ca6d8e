"""Calls: every one to AWS goes through ``Session.call``, or ``Session.transfer``.

It keeps to each call's rate, waits out throttling, outages and expired credentials, and raises
the errors that a user can act on. What is waited out is told once in the server's log, not once
for each of a thousand tasks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from ..model.access import Access, Identity
from .aws_errors import Kind, classify, code_of, translate
from .clients import CONNECTIONS, Clients
from .rate_limits import RateLimiter, backoff
from .single_flight import single_flight

T = TypeVar("T")

# Waits for something, in a way that may be given up by raising.
Wait = Callable[[Coroutine[Any, Any, Any]], Awaitable[Any]]

log = logging.getLogger("covalent_awsbatch_plugin")

# Seconds during which a call's trouble is waited out: an outage or throttling of AWS while
# tasks run; and before anything has ever succeeded, when a wrong set-up is likelier.
PATIENCE = 3600.0
FIRST_PATIENCE = 20.0

# Calls a second that one server allows itself, below what AWS allows an account: SubmitJob takes
# 50; the others' limits are not published, and are shared with everyone in the account.
CEILINGS = {
    "submit_job": 49.0,
    "describe_jobs": 4.9,
    "terminate_job": 40.0,
    "get_log_events": 5.0,
}
BATCH_CEILING = 5.0
S3_CEILING = 1000.0

# Objects fetched in one piece are envelopes: their parts are bounded, and so are they.
BODY_LIMIT = 64 * 1024 * 1024


class FateUnknown(Exception):
    """A call got no answer: AWS may have done what it asked, or not."""


class ObjectMissing(Exception):
    """There is no object at this key."""


class BodyTooLarge(Exception):
    """An object is larger than its kind ever is."""


async def just_wait(work: Coroutine[Any, Any, T]) -> T:
    """Wait, and never give up."""
    return await work


class Session:
    """The calls of one identity, for all electrons of one event loop."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self.threads = ThreadPoolExecutor(4, thread_name_prefix="covalent-awsbatch")
        self._clients = Clients(access, self.threads)
        self._limiters: dict[str, RateLimiter] = {}
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._troubled: set[str] = set()
        self._identities: dict[str, asyncio.Task[Identity]] = {}
        self._succeeded = False

    def __repr__(self) -> str:
        return f"<Session {self.access.region}, {self._clients!r}>"

    async def close(self) -> None:
        """Close every connection."""
        self.threads.shutdown(wait=False, cancel_futures=True)
        await self._clients.close()

    async def identity(self) -> Identity:
        """Return who we are; asked once.

        Raises:
            AWSError: There are no valid credentials, or AWS cannot be reached.
        """
        return await single_flight(self._identities, "caller", self._ask_identity)

    async def _ask_identity(self) -> Identity:
        answer = await self.call("sts", "get_caller_identity")
        arn = answer["Arn"]
        return Identity(account=answer["Account"], partition=arn.split(":")[1], arn=arn)

    async def call(
        self,
        service: str,
        operation: str,
        *,
        once: bool = False,
        wait: Wait = just_wait,
        **params: Any,
    ) -> dict[str, Any]:
        """Call AWS; a body in the answer is read.

        Args:
            service: botocore's name of the service, such as ``batch``.
            operation: The client's method, such as ``describe_jobs``.
            once: Raise FateUnknown instead of asking again where AWS may have heard us.
            wait: How to wait for the call's turn; it may give up, but never while AWS is asked.
            params: The call's parameters.

        Raises:
            AWSError: AWS refused for good, or did not answer for PATIENCE seconds.
            FateUnknown: With ``once``, there was no answer.
            ObjectMissing: There is no such object in the bucket.
            BodyTooLarge: The answer's body is larger than BODY_LIMIT bytes.
        """

        async def attempt() -> dict[str, Any]:
            return await self._attempt(service, operation, params)

        return await self._persist(service, operation, params, attempt, once, wait)

    async def transfer(
        self, operation: str, params: Mapping[str, Any], work: Callable[[Any], T]
    ) -> T:
        """Do work on S3 that blocks, in a thread; trouble is waited out as ``call`` does.

        Args:
            operation: The client's method that the work is mostly made of.
            params: Its parameters, for messages.
            work: Called with a client, as s3transfer wants it; again after a failure.

        Raises:
            AWSError: AWS refused for good, or did not answer for PATIENCE seconds.
            ObjectMissing: There is no such object in the bucket.
        """
        loop = asyncio.get_running_loop()

        def in_thread() -> T:
            return work(self._clients.blocking("s3"))

        async def attempt() -> T:
            return await loop.run_in_executor(self.threads, in_thread)

        return await self._persist("s3", operation, params, attempt, False, just_wait)

    async def _persist(
        self,
        service: str,
        operation: str,
        params: Mapping[str, Any],
        attempt: Callable[[], Awaitable[T]],
        once: bool,
        wait: Wait,
    ) -> T:
        loop = asyncio.get_running_loop()
        start, failures, limiter = loop.time(), 0, self._limiter(service, operation)
        while True:
            await self._turn(limiter, wait)
            try:
                answer = await attempt()
            except Exception as error:
                kind = classify(error)
                if kind is Kind.FOREIGN:
                    raise
                if once and kind is Kind.TRANSIENT:
                    raise FateUnknown(f"{service}:{operation}: {code_of(error)}") from error
                if not self._waits_out(kind, loop.time() - start):
                    raise self._final(error, kind, service, operation, params) from error
                if kind is Kind.THROTTLED:
                    limiter.refused(loop.time())
                self._tell(f"{service}:{operation}", error)
            else:
                self._tell_over(f"{service}:{operation}")
                return answer
            failures += 1
            await wait(asyncio.sleep(backoff(failures)))
            if kind in (Kind.EXPIRED, Kind.CREDENTIALS):
                await self._clients.renew()

    @staticmethod
    async def _turn(limiter: RateLimiter, wait: Wait) -> None:
        turn = asyncio.sleep(limiter.wait(asyncio.get_running_loop().time()))
        try:
            await wait(turn)
        except BaseException:
            limiter.given_back()
            raise

    def _waits_out(self, kind: Kind, waited: float) -> bool:
        """Say whether to ask again after a failure, having waited some seconds already."""
        if waited > (PATIENCE if self._succeeded else FIRST_PATIENCE):
            return False
        if kind is Kind.CREDENTIALS:
            return self._succeeded  # They were valid once, so they can be again.
        return kind in (Kind.EXPIRED, Kind.THROTTLED, Kind.TRANSIENT)

    @staticmethod
    def _final(
        error: Exception, kind: Kind, service: str, operation: str, params: Mapping[str, Any]
    ) -> Exception:
        if service == "s3" and kind is Kind.MISSING and code_of(error) in ("NoSuchKey", "404"):
            return ObjectMissing(params.get("Key", ""))
        return translate(error, kind, service, operation, params)

    async def _attempt(
        self, service: str, operation: str, params: dict[str, Any]
    ) -> dict[str, Any]:
        client = await self._clients.get(service)
        async with self._slots.setdefault(service, asyncio.Semaphore(CONNECTIONS)):
            return await self._ask(client, operation, params)

    async def _ask(self, client: Any, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = await getattr(client, operation)(**params)
        if "Body" in answer:
            async with answer["Body"] as stream:
                if answer.get("ContentLength", 0) > BODY_LIMIT:
                    raise BodyTooLarge(f"{params.get('Key')}: {answer['ContentLength']} bytes")
                answer["Body"] = await stream.read()
        self._succeeded = True
        return answer

    def _limiter(self, service: str, operation: str) -> RateLimiter:
        key = service if service == "s3" else operation
        if key not in self._limiters:
            default = S3_CEILING if service == "s3" else BATCH_CEILING
            self._limiters[key] = RateLimiter(CEILINGS.get(operation, default))
        return self._limiters[key]

    # ---- What the server's log is told

    def _tell(self, name: str, error: Exception) -> None:
        if name not in self._troubled:
            self._troubled.add(name)
            log.warning("AWS Batch: %s answers %s; tasks wait and go on", name, code_of(error))

    def _tell_over(self, name: str) -> None:
        if name in self._troubled:
            self._troubled.discard(name)
            log.info("AWS Batch: %s answers again", name)
