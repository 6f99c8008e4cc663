"""DynamoDB and KMS: a server on loopback, clients for any endpoint, set-up of tables and key.

    async with LocalAws() as aws, clients(aws.endpoint) as (dynamodb, kms):
        store = DynamoEventStore(dynamodb, aws.tables, clock)
        vault = KmsVault(dynamodb, kms, aws.tables, KEY_ALIAS, clock)

The same with `Endpoint()` talks to AWS under the usual AWS settings. aioboto3 and moto are imported
when they are first used.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from ctxasr.errors import InputError, MissingPart, StoreUnavailable
from ctxasr.store.schema import EXPIRES_AT, Tables

KEY_ALIAS: Final = "alias/ctxasr"

CONNECT_TIMEOUT_S: Final = 1.0
READ_TIMEOUT_S: Final = 5.0
"""Of one attempt; deadlines are the callers' `asyncio.timeout`."""

CONNECTIONS_MAX: Final = 64
"""Requests in flight of one client; more of them wait for a connection."""

ACTIVE_POLL_S: Final = 1
ACTIVE_POLLS_MAX: Final = 60
"""How long a new table may take: DynamoDB needs 5 to 30 s, the local server none."""

LOCAL_REGION: Final = "us-east-1"

_SECRET_LOGGERS: Final = ("botocore.parsers", "botocore.endpoint", "botocore.regions")
"""At DEBUG the first prints whole answers: those of KMS hold data keys in clear."""

_NO_FILES: Final[dict[str, Any]] = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}
"""Session variables: configuration key, environment variable, default, conversion."""

_one_request: Final = threading.Lock()
"""moto's tables, one set a process, know no lock: two conditional updates could both win."""

_accounts: Final = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where DynamoDB and KMS are; None stands for the usual AWS settings.

    `kms_url` is for DynamoDB servers that know no KMS; None means where `url` points.
    """

    url: str | None = None
    kms_url: str | None = None
    region: str | None = None
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return self.url or "AWS"


class Clients(NamedTuple):
    """The low-level clients of one endpoint, open."""

    dynamodb: Any
    kms: Any


@asynccontextmanager
async def clients(endpoint: Endpoint) -> AsyncIterator[Clients]:
    """Open both clients, without retries of their own. Explicit credentials ignore AWS settings.

    Raises:
        InputError: the endpoint is no URL.
        StoreUnavailable: region, profile or credentials are missing or wrong.
    """
    from botocore.exceptions import BotoCoreError

    keep_answers_out_of_logs()
    async with AsyncExitStack() as stack:
        opened = []
        try:
            session, config = _session(endpoint)
            for service, url in (
                ("dynamodb", endpoint.url),
                ("kms", endpoint.kms_url or endpoint.url),
            ):
                client = session.client(service, endpoint_url=url, config=config)
                opened.append(await stack.enter_async_context(client))
        except ValueError:
            raise InputError(
                f"endpoint {endpoint}: a URL as http://127.0.0.1:8000 is right"
            ) from None
        except BotoCoreError as error:
            why = str(error).rstrip(".")
            raise StoreUnavailable(f"{endpoint}: {why}; set it as for any AWS program") from None
        yield Clients(*opened)


def _session(endpoint: Endpoint) -> tuple[Any, Any]:
    import aioboto3
    from aiobotocore.config import AioConfig

    settings: dict[str, Any] = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "read_timeout": READ_TIMEOUT_S,
        "max_pool_connections": CONNECTIONS_MAX,
        "retries": {"total_max_attempts": 1, "mode": "standard"},
    }
    if endpoint.access_key is None:
        session = aioboto3.Session(region_name=endpoint.region)
        if session.region_name is None and endpoint.url is not None:
            session = aioboto3.Session(region_name=LOCAL_REGION)  # the URL says where it is
        return session, AioConfig(**settings)
    assert endpoint.secret_key is not None, "an access key has a secret"
    session = _detached_session(endpoint.access_key, endpoint.secret_key, endpoint.region)
    return session, AioConfig(**settings, proxies={})


@functools.lru_cache(maxsize=4)  # reading the service models takes 0.1 s
def _detached_session(access_key: str, secret_key: str, region: str | None) -> Any:
    """A session that never looks at profiles, configuration or credential files."""
    import aioboto3
    from aiobotocore.session import AioSession

    return aioboto3.Session(
        botocore_session=AioSession(session_vars=_NO_FILES),
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name=region or LOCAL_REGION,
    )


@functools.cache
def _plain_session() -> Any:
    import boto3  # type: ignore[import-untyped]
    from botocore.session import Session

    return boto3.Session(botocore_session=Session(session_vars=_NO_FILES))


def keep_answers_out_of_logs() -> None:
    """Drop what botocore logs of requests and answers, at whatever level logging is set."""
    for name in _SECRET_LOGGERS:
        logger = logging.getLogger(name)
        if _drop not in logger.filters:
            logger.addFilter(_drop)


def _drop(record: logging.LogRecord) -> bool:
    return record.levelno > logging.DEBUG


# ---------------------------------------------------------------- set-up


async def ensure_tables(dynamodb: Any, tables: Tables) -> frozenset[str]:
    """Make the tables that are missing and wait until they are ACTIVE.

    Returns the tables on which the server could not switch TTL on: there expired rows stay, though
    nobody is shown them.

    Raises:
        StoreUnavailable: the endpoint does not answer or refuses; names the endpoint.
    """
    from botocore.exceptions import ClientError, WaiterError

    from ctxasr.store.dynamodb import Caller, code_of, refused

    call = Caller()
    without_ttl = set()
    for definition in tables.definitions():
        table = definition["TableName"]
        try:
            await call(dynamodb, "describe_table", TableName=table)
        except ClientError as error:
            if code_of(error) != "ResourceNotFoundException":
                raise refused(dynamodb, "describe_table", error) from None
            try:
                await call(dynamodb, "create_table", **definition)
            except ClientError as second:
                if code_of(second) != "ResourceInUseException":  # another process was faster
                    raise refused(dynamodb, "create_table", second) from None
        try:
            wait = {"Delay": ACTIVE_POLL_S, "MaxAttempts": ACTIVE_POLLS_MAX}
            await dynamodb.get_waiter("table_exists").wait(TableName=table, WaiterConfig=wait)
        except WaiterError:
            raise StoreUnavailable(f"{dynamodb.meta.endpoint_url}: {table} is not ACTIVE") from None
        if not await _ensure_ttl(call, dynamodb, table):
            without_ttl.add(table)
    return frozenset(without_ttl)


async def _ensure_ttl(call: Callable[..., Any], dynamodb: Any, table: str) -> bool:
    from botocore.exceptions import ClientError

    wanted = {"Enabled": True, "AttributeName": EXPIRES_AT}
    try:
        answer = await call(dynamodb, "describe_time_to_live", TableName=table)
        if answer["TimeToLiveDescription"]["TimeToLiveStatus"] not in ("ENABLED", "ENABLING"):
            await call(
                dynamodb, "update_time_to_live", TableName=table, TimeToLiveSpecification=wanted
            )
    except (ClientError, StoreUnavailable):  # dynalite and others know no TTL
        return False
    return True


async def ensure_key(kms: Any, alias: str = KEY_ALIAS) -> str:
    """The id of the KMS key under `alias`, made if there is none.

    Raises:
        StoreUnavailable: the endpoint does not answer or refuses; names the endpoint.
    """
    from botocore.exceptions import ClientError

    from ctxasr.store.dynamodb import Caller, code_of, refused

    call = Caller()
    try:
        answer = await call(kms, "describe_key", KeyId=alias)
        return str(answer["KeyMetadata"]["KeyId"])
    except ClientError as error:
        if code_of(error) != "NotFoundException":
            raise refused(kms, "describe_key", error) from None
    try:
        answer = await call(kms, "create_key", Description="ctxasr: wraps one key a turn")
        key_id = str(answer["KeyMetadata"]["KeyId"])
        await call(kms, "create_alias", AliasName=alias, TargetKeyId=key_id)
    except ClientError as error:
        if code_of(error) != "AlreadyExistsException":  # another process was faster
            raise refused(kms, "create_key", error) from None
        answer = await call(kms, "describe_key", KeyId=alias)
        return str(answer["KeyMetadata"]["KeyId"])
    return key_id


# ---------------------------------------------------------------- the local server


class LocalAws:
    """moto's server on 127.0.0.1 and a free port, in a thread of this process.

    As an async context manager it also makes the tables and the key. Every instance is an AWS
    account of its own, so two of them never see each other's items.

    Raises:
        MissingPart: moto is not installed.
    """

    def __init__(self, tables: Tables | None = None, key_alias: str = KEY_ALIAS) -> None:
        self.tables, self.key_alias = tables or Tables(), key_alias
        self._account = ""
        self._server: Any = None
        self._thread: threading.Thread | None = None

    @property
    def endpoint(self) -> Endpoint:
        """The address, with made-up credentials: the user's AWS settings are never looked at."""
        assert self._server is not None, "start() comes first"
        url = f"http://127.0.0.1:{self._server.server_port}"
        return Endpoint(url, None, LOCAL_REGION, "local", "local")

    def start(self) -> None:
        """Returns when the port accepts connections."""
        try:
            from moto.core.base_backend import AccountSpecificBackend
            from moto.moto_server.werkzeug_app import (
                DomainDispatcherApplication,
                MotoRequestHandler,
                create_backend_app,
            )
            from werkzeug.serving import make_server
        except ImportError as error:
            raise MissingPart(f"{error.name}: pip install 'ctxasr[local]'") from None

        class Quiet(MotoRequestHandler):
            def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
                """One line for each request is nobody's business."""

        # moto asks a boto3 session for the names of regions; the user's own may be misconfigured.
        names = _plain_session()
        setattr(AccountSpecificBackend, "get_session", lambda: names)  # noqa: B010
        application = DomainDispatcherApplication(create_backend_app)

        def one_at_a_time(environ: dict[str, Any], start_response: Any) -> Any:
            environ["HTTP_X_MOTO_ACCOUNT_ID"] = self._account
            with _one_request:
                return application(environ, start_response)

        self.forget()
        self._server = make_server(
            "127.0.0.1", 0, one_at_a_time, threaded=True, request_handler=Quiet
        )
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.02},  # how long stop() takes at most
            name="ctxasr-local-aws",
            daemon=True,
        )
        self._thread.start()

    def stop(self) -> None:
        """Close the port; a second call does nothing."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            assert self._thread is not None, "started together"
            self._thread.join()
            self._server = self._thread = None

    def forget(self) -> None:
        """From now on a fresh account: no tables, no keys."""
        self._account = f"{next(_accounts):012d}"

    async def prepare(self) -> None:
        """Make the tables and the key in the account."""
        async with clients(self.endpoint) as (dynamodb, kms):
            await ensure_tables(dynamodb, self.tables)
            await ensure_key(kms, self.key_alias)

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.start)  # importing moto takes half a second
        try:
            await self.prepare()
        except BaseException:
            self.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stop()
