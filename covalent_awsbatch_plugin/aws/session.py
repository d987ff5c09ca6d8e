"""Credentials, clients and calls. Every call to AWS goes through ``Session.call``.

It keeps to each call's pace, waits out throttling, outages and expired credentials, and raises
the errors that a user can act on. What is waited out is told once in the server's log, not once
for each of a thousand tasks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ..errors import CredentialsFailed
from .answers import read_leanly
from .failures import Kind, classify, code_of, translate
from .jobs import Identity
from .pacing import Pace, backoff
from .sharing import shared

T = TypeVar("T")

# Waits for something, in a way that may be given up by raising.
Wait = Callable[[Awaitable[Any]], Awaitable[Any]]

log = logging.getLogger("covalent_awsbatch_plugin")

# Seconds during which a call's trouble is waited out: an outage or throttling of AWS while
# tasks run; and before anything has ever succeeded, when a wrong set-up is likelier.
PATIENCE = 3600.0
FIRST_PATIENCE = 20.0

# Seconds between two looks for new credentials, while there are none that AWS accepts.
RENEWAL = 2.0

# Calls a second that one server allows itself, below what AWS allows an account: SubmitJob takes
# 50; the others' limits are not published, and are shared with everyone in the account.
CEILINGS = {
    "submit_job": 49.0,
    "describe_jobs": 4.0,
    "terminate_job": 40.0,
    "get_log_events": 5.0,
}
BATCH_CEILING = 5.0
S3_CEILING = 1000.0

# Calls of one service under way at once. A thousand tasks that start together otherwise keep the
# event loop busy with their uploads before the first job is submitted.
CONNECTIONS = 32
DEFAULT_CREDENTIALS = "~/.aws/credentials"

# Objects fetched in one piece are envelopes: their parts are bounded, and so are they.
BODY_LIMIT = 64 * 1024 * 1024


@dataclass(frozen=True)
class Access:
    """Which AWS account, as whom, and where: the executor's options of these names."""

    credentials_file: str
    profile: str
    region: str
    endpoint_url: str = ""


class FateUnknown(Exception):
    """A call got no answer: AWS may have done what it asked, or not."""


class ObjectMissing(Exception):
    """There is no object at this key."""


class BodyTooLarge(Exception):
    """An object is larger than its kind ever is."""


def configure(session: Any, access: Access) -> None:
    """Point a botocore session (an asynchronous one too) at the credentials of ``access``.

    The documented defaults mean the SDK's own search where they do not exist, so that instance
    roles, SSO and environment variables serve a configuration that nobody changed.

    Raises:
        CredentialsFailed: A credentials file or profile that somebody named does not exist.
    """
    path = Path(access.credentials_file).expanduser() if access.credentials_file else None
    if path and path.is_file():
        session.set_config_variable("credentials_file", str(path))
    elif path and _is_elsewhere(access.credentials_file):
        raise CredentialsFailed(
            f"There is no credentials file {path} on the Covalent server's machine.",
            advice="correct the option credentials=, or leave it out: then the AWS SDK searches "
            "by itself.",
        )
    if access.profile and access.profile in session.available_profiles:
        session.set_config_variable("profile", access.profile)
    elif access.profile not in ("", "default"):
        known = ", ".join(sorted(session.available_profiles)) or "none"
        raise CredentialsFailed(
            f"There is no AWS profile {access.profile!r} on the Covalent server's machine; there "
            f"are: {known}.",
            advice="correct the option profile=, or create it with 'aws configure --profile "
            f"{access.profile}'.",
        )


def session_options(access: Access) -> dict[str, str]:
    """Return keyword arguments of a ``boto3.Session`` with this identity.

    boto3's session takes no credentials file: the keys of one that is not the default are given
    themselves.

    Raises:
        CredentialsFailed: The credentials file or profile does not exist.
    """
    from botocore.session import Session as BotocoreSession

    session = BotocoreSession()
    configure(session, access)
    options: dict[str, str] = {"region_name": access.region}
    overridden = session.instance_variables()
    if "credentials_file" in overridden and _is_elsewhere(access.credentials_file):
        found = session.get_credentials()
        if found is not None:
            keys = found.get_frozen_credentials()
            options["aws_access_key_id"] = str(keys.access_key)
            options["aws_secret_access_key"] = str(keys.secret_key)
            if keys.token:
                options["aws_session_token"] = keys.token
    elif "profile" in overridden:
        options["profile_name"] = access.profile
    return options


def find_keys(access: Access) -> tuple[str, ...]:
    """Return the credentials of ``access`` as they are now; nothing where there are none."""
    from botocore.session import Session as BotocoreSession

    session = BotocoreSession()
    try:
        configure(session, access)
        found = session.get_credentials()
        return tuple(map(str, found.get_frozen_credentials())) if found else ()
    except CredentialsFailed:
        return ()
    except Exception as error:
        if classify(error) is Kind.FOREIGN:
            raise
        return ()


def _is_elsewhere(credentials_file: str) -> bool:
    return Path(credentials_file).expanduser() != Path(DEFAULT_CREDENTIALS).expanduser()


def client_options(access: Access) -> dict[str, Any]:
    """Return what every client is made with."""
    return {"region_name": access.region, "endpoint_url": access.endpoint_url or None}


def config_options(access: Access) -> dict[str, Any]:
    """Return the configuration of every client. Retries are this module's, not botocore's."""
    return {
        "retries": {"total_max_attempts": 1, "mode": "standard"},
        "max_pool_connections": CONNECTIONS,
        "connect_timeout": 10,
        "read_timeout": 60,
        "user_agent_extra": "covalent-awsbatch-plugin",
        "s3": {"addressing_style": "path" if access.endpoint_url else "auto"},
    }


async def just_wait(work: Awaitable[T]) -> T:
    """Wait, and never give up."""
    return await work


class Session:
    """The calls of one identity, for all electrons of one event loop."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self.threads = ThreadPoolExecutor(4, thread_name_prefix="covalent-awsbatch")
        self._stack = AsyncExitStack()
        self._session: Any = None
        self._clients: dict[str, asyncio.Task[Any]] = {}
        self._sync: dict[str, Any] = {}
        self._paces: dict[str, Pace] = {}
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._troubled: set[str] = set()
        self._identities: dict[str, asyncio.Task[Identity]] = {}
        self._keys: tuple[str, ...] = ()
        self._renewed = float("-inf")
        self._succeeded = False

    def __repr__(self) -> str:
        return f"<Session {self.access.region}, clients: {', '.join(sorted(self._clients))}>"

    async def close(self) -> None:
        """Close every connection."""
        self.threads.shutdown(wait=False, cancel_futures=True)
        await self._stack.aclose()

    async def identity(self) -> Identity:
        """Return who we are; asked once.

        Raises:
            AWSError: There are no valid credentials, or AWS cannot be reached.
        """
        return await shared(self._identities, "caller", self._ask_identity)

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

        async def attempt() -> T:
            return await loop.run_in_executor(self.threads, lambda: work(self._sync_client("s3")))

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
        start, failures, pace = loop.time(), 0, self._pace(service, operation)
        while True:
            await self._turn(pace, wait)
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
                    pace.refused(loop.time())
                self._tell(f"{service}:{operation}", error)
            else:
                self._tell_over(f"{service}:{operation}")
                return answer
            failures += 1
            await wait(asyncio.sleep(backoff(failures)))
            if kind in (Kind.EXPIRED, Kind.CREDENTIALS):
                await self._renew()

    @staticmethod
    async def _turn(pace: Pace, wait: Wait) -> None:
        turn = asyncio.sleep(pace.wait(asyncio.get_running_loop().time()))
        try:
            await wait(turn)
        except BaseException:
            pace.given_back()
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
        client = await self._client(service)
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

    def _pace(self, service: str, operation: str) -> Pace:
        key = service if service == "s3" else operation
        if key not in self._paces:
            default = S3_CEILING if service == "s3" else BATCH_CEILING
            self._paces[key] = Pace(CEILINGS.get(operation, default))
        return self._paces[key]

    # ---- What the server's log is told

    def _tell(self, name: str, error: Exception) -> None:
        if name not in self._troubled:
            self._troubled.add(name)
            log.warning("AWS Batch: %s answers %s; tasks wait and go on", name, code_of(error))

    def _tell_over(self, name: str) -> None:
        if name in self._troubled:
            self._troubled.discard(name)
            log.info("AWS Batch: %s answers again", name)

    # ---- Clients

    async def _client(self, service: str) -> Any:
        return await shared(self._clients, service, lambda: self._make_client(service))

    async def _make_client(self, service: str) -> Any:
        # botocore reads megabytes of JSON for a client, and imports take a third of a second:
        # both happen in a thread, and what they read stays in the session's cache.
        loop = asyncio.get_running_loop()
        session = await loop.run_in_executor(self.threads, self._warm_session, service)
        from aiobotocore.config import AioConfig

        config = AioConfig(**config_options(self.access))
        manager = session.create_client(service, config=config, **client_options(self.access))
        client = await self._stack.enter_async_context(manager)
        if service == "batch":
            read_leanly(client)
        return client

    def _warm_session(self, service: str) -> Any:
        from aiobotocore.session import AioSession

        if self._session is None:
            session = AioSession()
            configure(session, self.access)
            self._keys = find_keys(self.access)
            self._session = session
        loader = self._session.get_component("data_loader")
        for kind in ("service-2", "endpoint-rule-set-1", "paginators-1"):
            loader.load_service_model(service, kind)
        loader.load_data("endpoints")
        return self._session

    async def _renew(self) -> None:
        """Look for credentials anew; where there are others, the next calls get new clients."""
        loop = asyncio.get_running_loop()
        if loop.time() - self._renewed < RENEWAL:
            return
        self._renewed = loop.time()
        keys = await loop.run_in_executor(self.threads, find_keys, self.access)
        if keys and keys != self._keys:
            self._session = None
            self._clients.clear()
            self._sync.clear()

    def _sync_client(self, service: str) -> Any:
        if service not in self._sync:
            import boto3
            from botocore.config import Config
            from botocore.session import Session as BotocoreSession

            session = BotocoreSession()
            configure(session, self.access)
            # What ``transfer`` repeats is all parts, so that a part is repeated here first.
            options = {**config_options(self.access), "retries": {"mode": "standard"}}
            self._sync[service] = boto3.Session(botocore_session=session).client(
                service, config=Config(**options), **client_options(self.access)
            )
        return self._sync[service]
