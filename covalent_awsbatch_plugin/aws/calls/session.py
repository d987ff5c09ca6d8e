"""Calls: every one to AWS goes through ``Session.call``, or ``Session.transfer``.

It keeps to each call's rate, retries with backoff through throttling, outages, expired credentials
and a wrong clock, and raises the errors that a user can act on. What is retried is logged once
with what to do, and once when it is over, not for each of a thousand tasks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, NoReturn, TypeVar

from ...errors import BatchTaskError
from ..model.access import Access, Identity
from .aws_errors import Kind, classify, code_of
from .client_options import CONNECTIONS
from .clients import Clients
from .patience import PATIENCE, RENEWABLE, History, patience_with
from .rate_limits import RateLimiter, backoff
from .single_flight import single_flight
from .translation import translate
from .troubles import Troubles

T = TypeVar("T")

# The parameter of S3's calls that names the bucket's owner.
Owner = dict[str, str]

# Waits for something, in a way that may be given up by raising.
Wait = Callable[[Coroutine[Any, Any, Any]], Awaitable[Any]]

log = logging.getLogger("covalent_awsbatch_plugin")

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
    """A call got no response: AWS may have done what it asked, or not."""


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
        self._troubles = Troubles()
        self._known: tuple[tuple[str, ...], Identity] | None = None
        self._asking: dict[str, asyncio.Task[Identity]] = {}
        self._succeeded: set[str] = set()

    def __repr__(self) -> str:
        return f"<Session {self.access.region}, {self._clients!r}>"

    async def close(self) -> None:
        """Close every connection."""
        for asking in self._asking.values():
            asking.cancel()
        self.threads.shutdown(wait=False, cancel_futures=True)
        await self._clients.close()

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Return what ``work``, which blocks, returns in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, work)

    async def identity(self) -> Identity:
        """Return who we are; asked once for the credentials that are in use.

        Raises:
            AWSError: There are no valid credentials, or AWS cannot be reached.
        """
        if self._known is not None and self._known[0] == self._clients.keys:
            return self._known[1]
        return await single_flight(self._asking, "identity", self._ask_identity)

    async def _ask_identity(self) -> Identity:
        try:
            response = await self.call("sts", "get_caller_identity")
        finally:
            self._asking.clear()
        account, arn = response["Account"], response["Arn"]
        identity = Identity(account=account, partition=arn.split(":")[1], arn=arn)
        self._known = self._clients.keys, identity
        return identity

    async def current_account(self) -> str:
        """Return the account of the credentials as they are now, looked for anew.

        Raises:
            AWSError: There are no valid credentials, or AWS cannot be reached.
        """
        await self._clients.renew()
        return (await self.identity()).account

    async def call(
        self,
        service: str,
        operation: str,
        *,
        once: bool = False,
        wait: Wait = just_wait,
        patience: float = PATIENCE,
        owned: bool = False,
        **params: Any,
    ) -> dict[str, Any]:
        """Call AWS; a body in the response is read.

        Args:
            service: botocore's name of the service, such as ``batch``.
            operation: The client's method, such as ``describe_jobs``.
            once: Raise FateUnknown instead of retrying where AWS may have received the call.
            wait: How to wait for the call's slot; it may give up, but never during the call.
            patience: Seconds for which the call is retried; FOREVER for what a running job
                depends on, which is retried through a lost permission too.
            owned: Whether S3 is to refuse a bucket of another account than ours.
            params: The call's parameters.

        Raises:
            AWSError: AWS refused for good, or did not respond in time.
            FateUnknown: With ``once``, there was no response.
            ObjectMissing: There is no such object in the bucket.
            BodyTooLarge: The response's body is larger than BODY_LIMIT bytes.
        """

        async def attempt() -> dict[str, Any]:
            owner = await self._owner() if owned else {}
            return await self._attempt(service, operation, {**params, **owner})

        work = _Work(service, operation, params, attempt, patience)
        return await self._persist(work, once, wait)

    async def offers(self, service: str, operation: str) -> bool:
        """Return whether this release of the AWS SDK knows an operation.

        Raises:
            CredentialsFailed: There are no credentials to make a client with.
        """
        async with self._clients.use(service) as client:
            return hasattr(client, operation)

    async def transfer(
        self,
        operation: str,
        params: dict[str, Any],
        work: Callable[[Any, Owner], T],
        patience: float = PATIENCE,
    ) -> T:
        """Do work on S3 that blocks, in a thread; it is retried as ``call`` does.

        Args:
            operation: The client's method that the work is mostly made of.
            params: Its parameters, for messages.
            work: Called with a client, as s3transfer wants it, and with the parameter that names
                the bucket's owner; again, with what they are by then, after a failure.
            patience: Seconds for which it is retried.

        Raises:
            AWSError: AWS refused for good, or did not respond in time.
            ObjectMissing: There is no such object in the bucket.
        """

        def in_thread(owner: Owner) -> T:
            with self._clients.blocking("s3") as client:
                return work(client, owner)

        async def attempt() -> T:
            owner = await self._owner()
            return await self.in_thread(lambda: in_thread(owner))

        return await self._persist(
            _Work("s3", operation, params, attempt, patience), False, just_wait
        )

    async def _persist(self, work: _Work[T], once: bool, wait: Wait) -> T:
        loop = asyncio.get_running_loop()
        start, failures, limiter = loop.time(), 0, self._limiter(work.service, work.operation)
        while True:
            await self._turn(limiter, wait)
            generation = self._clients.generation
            try:
                result = await work.attempt()
            except Exception as error:
                kind = classify(error)
                if kind is Kind.FOREIGN:
                    raise
                if once and kind is Kind.TRANSIENT:
                    raise FateUnknown(f"{work.name}: {code_of(error)}") from error
                over = loop.time() - start > self._patience(kind, work)
                if over and not await self._has_other_keys(kind, generation):
                    _raise_for_user(error, kind, work)
                if kind is Kind.THROTTLED:
                    limiter.refused(loop.time())
                self._troubles.failed(work.name, kind, error, failures)
            else:
                self._troubles.over(work.name)
                self._succeeded.add(work.name)
                return result
            failures += 1
            await wait(asyncio.sleep(backoff(failures)))
            if kind in RENEWABLE:
                await self._clients.renew()

    async def _has_other_keys(self, kind: Kind, generation: int) -> bool:
        """Return whether there are other credentials by now, which may be permitted more."""
        if kind in RENEWABLE and self._clients.generation == generation:
            await self._clients.renew(at_once=False)
        return self._clients.generation != generation

    async def _owner(self) -> Owner:
        """Return the parameter of S3's calls that names us as the bucket's owner."""
        return {"ExpectedBucketOwner": (await self.identity()).account}

    @staticmethod
    async def _turn(limiter: RateLimiter, wait: Wait) -> None:
        turn = asyncio.sleep(limiter.wait(asyncio.get_running_loop().time()))
        try:
            await wait(turn)
        except BaseException:
            limiter.given_back()
            raise

    def _patience(self, kind: Kind, work: _Work[Any]) -> float:
        history = History(self._succeeded, other_keys=bool(self._clients.generation))
        return patience_with(kind, work.name, work.patience, history)

    async def _attempt(
        self, service: str, operation: str, params: dict[str, Any]
    ) -> dict[str, Any]:
        slot = self._slots.setdefault(service, asyncio.Semaphore(CONNECTIONS))
        async with slot, self._clients.use(service) as client:
            return await self._ask(client, operation, params)

    async def _ask(self, client: Any, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        response: dict[str, Any] = await getattr(client, operation)(**params)
        if "Body" in response:
            async with response["Body"] as stream:
                if response.get("ContentLength", 0) > BODY_LIMIT:
                    raise BodyTooLarge(f"{params.get('Key')}: {response['ContentLength']} bytes")
                response["Body"] = await stream.read()
        return response

    def _limiter(self, service: str, operation: str) -> RateLimiter:
        key = service if service == "s3" else operation
        if key not in self._limiters:
            default = S3_CEILING if service == "s3" else BATCH_CEILING
            self._limiters[key] = RateLimiter(CEILINGS.get(operation, default))
        return self._limiters[key]


@dataclass(frozen=True)
class _Work(Generic[T]):
    """A call, or a transfer that is made of many."""

    service: str
    operation: str
    params: dict[str, Any]
    attempt: Callable[[], Awaitable[T]]
    patience: float

    @property
    def name(self) -> str:
        return f"{self.service}:{self.operation}"


def _raise_for_user(error: Exception, kind: Kind, work: _Work[Any]) -> NoReturn:
    """Raise the error that the user can act on, for a call that is not retried any more."""
    if isinstance(error, BatchTaskError):
        # The call that it needed first, for our identity, has raised it already.
        raise error
    missing = kind is Kind.MISSING and code_of(error) in ("NoSuchKey", "404")
    if work.service == "s3" and missing:
        raise ObjectMissing(work.params.get("Key", "")) from error
    raise translate(error, kind, work.service, work.operation, work.params) from error
