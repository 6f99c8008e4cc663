"""A DynamoDB and KMS server on loopback; set-up of tables and key on any endpoint.

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
import secrets
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final, Self

from ctxasr.errors import MissingPart, StoreUnavailable
from ctxasr.store.admission import OPERATIONS, Admission
from ctxasr.store.clients import KEY_ALIAS, LOCAL_REGION, NO_FILES, Endpoint, clients
from ctxasr.store.loopback import POLL_S, Strangers, listen
from ctxasr.store.schema import EXPIRES_AT, Tables

ACTIVE_POLL_S: Final = 1
ACTIVE_POLLS_MAX: Final = 60
"""How long a new table may take: DynamoDB needs 5 to 30 s, the local server none."""

KEY_DELETION_DAYS: Final = 7
"""The shortest wait that KMS allows before a key is deleted."""

_one_request: Final = threading.Lock()
"""moto's tables, one set a process, know no lock: two conditional updates could both win."""

_accounts: Final = itertools.count(1)


# ---------------------------------------------------------------- set-up


async def ensure_tables(dynamodb: Any, tables: Tables) -> frozenset[str]:
    """Make the tables that are missing and wait until they are ACTIVE.

    Returns the tables on which the server could not switch TTL on: there expired rows stay, though
    nobody is shown them.

    Raises:
        StoreUnavailable: the endpoint does not answer or refuses; names the endpoint.
    """
    from botocore.exceptions import ClientError, WaiterError

    from ctxasr.store.caller import Caller, code_of, refused

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

    Of two processes that make one at the same time, the slower one schedules its own for deletion.
    A key whose answer was lost stays without an alias: KMS has no way to make a key twice the same.

    Raises:
        StoreUnavailable: the endpoint does not answer or refuses; names the endpoint.
    """
    from botocore.exceptions import ClientError

    from ctxasr.store.caller import Caller, code_of, refused

    call = Caller()
    try:
        answer = await call(kms, "describe_key", KeyId=alias)
        return str(answer["KeyMetadata"]["KeyId"])
    except ClientError as error:
        if code_of(error) != "NotFoundException":
            raise refused(kms, "describe_key", error) from None
    try:
        answer = await call(kms, "create_key", Description="ctxasr: wraps one key a turn")
        ours = str(answer["KeyMetadata"]["KeyId"])
        try:
            await call(kms, "create_alias", AliasName=alias, TargetKeyId=ours)
            return ours
        except ClientError as error:
            if code_of(error) != "AlreadyExistsException":
                raise
        # Another process was faster, or this one, and its answer was lost.
        answer = await call(kms, "describe_key", KeyId=alias)
        key_id = str(answer["KeyMetadata"]["KeyId"])
        if key_id != ours:
            wait_days = KEY_DELETION_DAYS
            await call(kms, "schedule_key_deletion", KeyId=ours, PendingWindowInDays=wait_days)
        return key_id
    except ClientError as error:
        raise refused(kms, "create_key", error) from None


# ---------------------------------------------------------------- the local server


@functools.cache
def _plain_session() -> Any:
    import boto3  # type: ignore[import-untyped]
    from botocore.session import Session

    return boto3.Session(botocore_session=Session(session_vars=NO_FILES))


class LocalAws:
    """moto's DynamoDB and KMS on 127.0.0.1 and a free port, in a thread of this process.

    It serves whoever holds the credential of `endpoint`, which is drawn when it is made, and of
    moto what `operations` names (`ctxasr.store.admission`). As an async context manager it also
    makes the tables and the key. Every instance is an AWS account of its own, so two of them never
    see each other's items.

    Raises:
        MissingPart: moto is not installed.
    """

    def __init__(
        self,
        tables: Tables | None = None,
        key_alias: str = KEY_ALIAS,
        operations: Mapping[str, frozenset[str]] = OPERATIONS,
    ) -> None:
        self.tables, self.key_alias, self._operations = tables or Tables(), key_alias, operations
        self._access_key, self._secret_key = secrets.token_hex(16), secrets.token_hex(16)
        self._account = ""
        self._server: Any = None
        self._thread: threading.Thread | None = None

    @property
    def endpoint(self) -> Endpoint:
        """The address and the credential; the user's AWS settings are never looked at."""
        assert self._server is not None, "start() comes first"
        url = f"http://127.0.0.1:{self._server.server_port}"
        return Endpoint(url, None, LOCAL_REGION, self._access_key, self._secret_key)

    def start(self) -> None:
        """Returns when the port accepts connections."""
        try:
            from moto.core.base_backend import AccountSpecificBackend
            from moto.moto_server.werkzeug_app import (
                DomainDispatcherApplication,
                create_backend_app,
            )
        except ImportError as error:
            raise MissingPart(f"{error.name}: pip install 'ctxasr[local]'") from None

        # moto asks a boto3 session for the names of regions; the user's own may be misconfigured.
        names = _plain_session()
        setattr(AccountSpecificBackend, "get_session", lambda: names)  # noqa: B010
        application = DomainDispatcherApplication(create_backend_app)

        def one_at_a_time(environ: dict[str, Any], start_response: Any) -> Any:
            environ["HTTP_X_MOTO_ACCOUNT_ID"] = self._account
            with _one_request:
                return application(environ, start_response)

        self.forget()
        strangers = Strangers()
        admission = Admission(one_at_a_time, self._access_key, self._operations, strangers.known)
        self._server = listen(admission, strangers)
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": POLL_S},
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
