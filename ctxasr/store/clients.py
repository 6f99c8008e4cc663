"""The low-level DynamoDB and KMS clients of one endpoint: settings, time-outs, silence in logs.

    async with clients(Endpoint("http://127.0.0.1:8000", region="eu-west-1")) as (dynamodb, kms):

`Endpoint()` is AWS under the usual AWS settings; any other server of the same protocol differs by
its URL alone. aioboto3 is imported when it is first used.
"""

from __future__ import annotations

import functools
import logging
import os
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ctxasr.errors import InputError, StoreUnavailable
from ctxasr.urls import is_url

if TYPE_CHECKING:  # it loads aiobotocore, and only tests have faults
    from ctxasr.store.faults import FaultPlan

KEY_ALIAS: Final = "alias/ctxasr"
"""The KMS key that wraps the data keys, unless the settings name another."""

LOCAL_REGION: Final = "us-east-1"

CONNECT_TIMEOUT_S: Final = 1.0
READ_TIMEOUT_S: Final = 5.0
"""Of one attempt; deadlines are the callers' `asyncio.timeout`."""

CONNECTIONS_MAX: Final = 64
"""Requests in flight of one client; more of them wait for a connection."""

_SECRET_LOGGERS: Final = ("botocore.parsers", "botocore.endpoint", "botocore.regions")
"""At DEBUG the first prints whole answers: those of KMS hold data keys in clear."""

_REGION: Final = re.compile(r"[a-z]{2,5}(-[a-z]{1,12}){1,3}-\d{1,2}")
"""AWS's own; eu-west-1a is a zone, and eu-west1 another company's."""

_LABEL: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
"""What other servers take: any part of a host's name."""

NO_FILES: Final[dict[str, Any]] = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}
"""Session variables: configuration key, environment variable, default, conversion."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where DynamoDB and KMS are; None stands for the usual AWS settings.

    `kms_url` is for DynamoDB servers that know no KMS; None means where `url` points.
    """

    url: str | None = None
    kms_url: str | None = None
    region: str | None = None
    access_key: str | None = field(default=None, repr=False)  # it opens the embedded server
    secret_key: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Raises InputError: an address is no URL."""
        for url in (self.url, self.kms_url):
            if url is not None and not is_url(url):
                raise InputError(f"endpoint {url!r}: a URL as http://127.0.0.1:8000 is right")

    def __str__(self) -> str:
        return self.url or "AWS"


class Clients(NamedTuple):
    """The low-level clients of one endpoint, open."""

    dynamodb: Any
    kms: Any


@asynccontextmanager
async def clients(endpoint: Endpoint, *, faults: FaultPlan | None = None) -> AsyncIterator[Clients]:
    """Open both clients, without retries of their own. Explicit credentials ignore AWS settings.

    `faults`, for tests, says which requests go wrong (`ctxasr.store.faults`).

    Raises:
        InputError: the endpoint is no URL.
        StoreUnavailable: region, profile or credentials are missing or wrong.
    """
    from botocore.exceptions import BotoCoreError

    keep_answers_out_of_logs()
    async with AsyncExitStack() as stack:
        opened = []
        try:
            session, config = _session(endpoint, faults)
            _check_region(endpoint, session.region_name)
            keys = {
                "aws_access_key_id": endpoint.access_key,
                "aws_secret_access_key": endpoint.secret_key,
            }
            for service, url in (
                ("dynamodb", endpoint.url),
                ("kms", endpoint.kms_url or endpoint.url),
            ):
                # Reading the certificates takes 20 ms, and plain HTTP has none to verify.
                verify = False if url and url.startswith("http://") else None
                client = session.client(
                    service, endpoint_url=url, config=config, verify=verify, **keys
                )
                opened.append(await stack.enter_async_context(client))
        except ValueError:
            raise InputError(
                f"endpoint {endpoint}: a URL as http://127.0.0.1:8000 is right"
            ) from None
        except BotoCoreError as error:
            why = str(error).rstrip(".")
            raise StoreUnavailable(f"{endpoint}: {why}; set it as for any AWS program") from None
        yield Clients(*opened)


def _usual_session() -> Any:
    """A session under the usual AWS settings; a variable that is set to nothing is not set."""
    from aiobotocore.session import AioSession

    emptied = {}
    for setting, (key, variables, default, convert) in AioSession.SESSION_VARIABLES.items():
        names = [variables] if isinstance(variables, str) else list(variables or ())
        left = [name for name in names if os.environ.get(name) != ""]
        if len(left) < len(names):
            emptied[setting] = (key, left or None, default, convert)
    return AioSession(session_vars=emptied)


def _check_region(endpoint: Endpoint, region: str | None) -> None:
    """A region that is none would become a host that does not exist.

    Raises:
        StoreUnavailable: none is set.
        InputError: this is none.
    """
    right = "a region as eu-west-1 would be right"
    if region is None:
        raise StoreUnavailable(f"{endpoint}: no region is set; AWS_REGION with {right}")
    names = [name for name in ("AWS_REGION", "AWS_DEFAULT_REGION") if os.environ.get(name)]
    where = "region" if endpoint.region else (*names, "the profile's region")[0]
    known = _REGION if endpoint.url is None else _LABEL
    if not known.fullmatch(region):
        raise InputError(f"{where} is {region[:80]!r}: {right}")


def usual_session(region: str | None = None) -> Any:
    """A session of aioboto3 by the usual AWS settings, in `region` or in that of the settings."""
    import aioboto3

    region = region or os.environ.get("AWS_REGION") or None  # as newer AWS programs read it
    return aioboto3.Session(botocore_session=_usual_session(), region_name=region)


def _session(endpoint: Endpoint, faults: FaultPlan | None) -> tuple[Any, Any]:
    from aiobotocore.config import AioConfig

    settings: dict[str, Any] = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "read_timeout": READ_TIMEOUT_S,
        "max_pool_connections": CONNECTIONS_MAX,
        "retries": {"total_max_attempts": 1, "mode": "standard"},
    }
    if faults is not None:
        settings["http_session_cls"] = faults.transport
    if endpoint.access_key is None:
        session = usual_session(endpoint.region)
        if session.region_name is None and endpoint.url is not None:  # the URL says where it is
            session = usual_session(LOCAL_REGION)
        return session, AioConfig(**settings)
    assert endpoint.secret_key is not None, "an access key has a secret"
    return _detached_session(endpoint.region), AioConfig(**settings, proxies={})


@functools.lru_cache(maxsize=4)  # reading the service models takes 0.1 s
def _detached_session(region: str | None) -> Any:
    """A session that looks at no profile, configuration or credential file, and holds no key."""
    import aioboto3
    from aiobotocore.session import AioSession

    return aioboto3.Session(
        botocore_session=AioSession(session_vars=NO_FILES),
        region_name=region or LOCAL_REGION,
    )


def keep_answers_out_of_logs() -> None:
    """Drop what botocore logs of requests and answers, at whatever level logging is set."""
    for name in _SECRET_LOGGERS:
        logger = logging.getLogger(name)
        if _drop not in logger.filters:
            logger.addFilter(_drop)


def _drop(record: logging.LogRecord) -> bool:
    return record.levelno > logging.DEBUG
