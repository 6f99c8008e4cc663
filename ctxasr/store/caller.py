"""The one place where requests are repeated, bounded in number, in time and in how many wait.

Answers that were lost are asked for again, for every request of the adapters changes nothing when
it is repeated. Whatever goes wrong is said without quoting the request or the answer.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import urlsplit

import tenacity
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as Unreachable
from botocore.utils import get_environ_proxies

from ctxasr.errors import LimitExceeded, StoreUnavailable
from ctxasr.store.schema import ITEM_BYTES_MAX

ATTEMPTS_MAX: Final = 4
"""Attempts of one request. The caller's `asyncio.timeout` may end them sooner."""

CALL_S_MAX: Final = 12.0
"""No attempt begins later than this after the first one: two time-outs of the slowest kind."""

IN_FLIGHT_MAX: Final = 64
"""Requests of one `Caller` at a time: the clients have as many connections."""

WAITING_MAX: Final = 1000
"""Requests that wait for one of those places. One more is refused: its sender has to slow down."""

BACKOFF_FIRST_S: Final = 0.02
BACKOFF_MAX_S: Final = 0.4
"""Full jitter: uniform below a bound that doubles from the first to the longest."""

_OVER_ITEM_BYTES: Final = re.compile(r"\bitem size\b.*\bexceeded\b", re.IGNORECASE)
"""What DynamoDB, dynalite and moto say then, to PutItem and to UpdateItem. That a key is too long
is said of the "size of hashkey" or of "all range keys", and must not be taken for it."""

THROTTLED: Final = frozenset({
    "ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException",
    "Throttling", "ThrottledException", "RequestThrottled", "RequestThrottledException",
    "TooManyRequestsException", "LimitExceededException", "SlowDown", "PriorRequestNotComplete",
})  # fmt: skip
"""Answers of a service that has too much to do: it is there, and asked too much."""

TRANSIENT: Final = THROTTLED | frozenset({
    "InternalServerError", "ServiceUnavailable", "RequestTimeout", "TransactionConflictException",
    "KMSInternalException", "DependencyTimeoutException", "KeyUnavailableException",
})  # fmt: skip
"""Answers that may be different a moment later; so is every 5xx."""


def code_of(error: ClientError) -> str:
    """The short name of an error answer."""
    return str(error.response.get("Error", {}).get("Code", ""))


def is_transient(error: BaseException) -> bool:
    """Throttled, a fault of the server, or no useful answer at all: perhaps written.

    aiobotocore turns what aiohttp raises into errors of botocore; OSError and TimeoutError are for
    a transport that does not.
    """
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return code_of(error) in TRANSIENT or status >= 500
    return isinstance(error, (HTTPClientError, Unreachable, OSError))


class Caller:
    """Sends one request, repeats it while that may help; what went wrong is said without quoting.

    The clients' own retries are off (`ctxasr.store.clients`): two layers multiply. Back-off is full
    jitter (tenacity). The caller's `asyncio.timeout` is the time that is left and ends all of it.
    """

    def __init__(
        self,
        attempts: int = ATTEMPTS_MAX,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._attempts, self._sleep = attempts, sleep
        self._places, self._waiting = asyncio.Semaphore(IN_FLIGHT_MAX), 0

    async def __call__(self, client: Any, operation: str, **request: Any) -> dict[str, Any]:
        """One operation, by its method's name.

        Raises:
            StoreUnavailable: no useful answer, or too many wait; a write is perhaps written.
            ClientError: an answer that repeating would not change.
        """
        if self._places.locked() and self._waiting >= WAITING_MAX:
            raise StoreUnavailable(
                f"{client.meta.endpoint_url}: {operation} was not sent, for WAITING_MAX is "
                f"{WAITING_MAX} and as many wait; fewer at once would be right"
            )
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        try:
            return await self._send(getattr(client, operation), request)
        except ClientError as error:
            if not is_transient(error):
                raise
            raise self._unavailable(client, operation, code_of(error)) from None
        except (BotoCoreError, OSError) as error:
            raise self._unavailable(client, operation, type(error).__name__) from None
        finally:
            self._places.release()

    async def pause(self, times: int) -> None:
        """Back off before asking again for what a batch left unprocessed, `times` times before."""
        longest_s = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2**times)
        await self._sleep(random.uniform(0.0, longest_s))  # noqa: S311

    async def _send(
        self, method: Callable[..., Awaitable[dict[str, Any]]], request: dict[str, Any]
    ) -> dict[str, Any]:
        began_s = asyncio.get_running_loop().time()
        try:
            return await method(**request)
        except Exception as error:
            if not is_transient(error):
                raise
            return await self._repeat(method, request, error, began_s)

    async def _repeat(
        self,
        method: Callable[..., Awaitable[dict[str, Any]]],
        request: dict[str, Any],
        first: Exception,
        began_s: float,
    ) -> dict[str, Any]:
        """Go on after a first attempt that failed: most requests never need this machinery."""
        failed: Exception | None = first
        answer: dict[str, Any] = {}
        async for attempt in tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(self._attempts) | _Late(began_s),
            wait=tenacity.wait_random_exponential(BACKOFF_FIRST_S, BACKOFF_MAX_S),
            retry=tenacity.retry_if_exception(is_transient),
            sleep=self._sleep,
            reraise=True,
        ):
            with attempt:
                if failed is not None:  # the first attempt, as tenacity counts
                    error, failed = failed, None
                    raise error
                answer = await method(**request)
        return answer

    def _unavailable(self, client: Any, operation: str, why: str) -> StoreUnavailable:
        # Only names: the text of an answer or of a parameter error may quote the request.
        url = client.meta.endpoint_url
        if why in THROTTLED:
            return StoreUnavailable(
                f"{url} throttled {operation} ({why}), also when it was asked again; fewer "
                "requests, or more capacity, would be right"
            )
        return StoreUnavailable(
            f"{url}: no answer to {operation} ({why}); a reachable endpoint and valid AWS settings "
            f"would be right{_of_a_proxy(client)}"
        )


def _of_a_proxy(client: Any) -> str:
    """What to try where requests go through a proxy that the environment names."""
    url, config = client.meta.endpoint_url, getattr(client.meta, "config", None)
    if config is None or getattr(config, "proxies", None) is not None:
        return ""  # our own clients of local servers never ask one
    host = urlsplit(url).hostname or ""
    scheme = urlsplit(url).scheme
    if scheme not in get_environ_proxies(url):
        return ""
    names = (f"{scheme.upper()}_PROXY", f"{scheme}_proxy", "ALL_PROXY", "all_proxy")
    name = next((name for name in names if os.environ.get(name)), "a proxy")
    return f"; {name} is set: is that proxy alive? NO_PROXY={host} goes past it"


class _Late(tenacity.stop.stop_base):
    """Whether the next attempt would begin later than CALL_S_MAX after `began_s`, in loop time."""

    def __init__(self, began_s: float) -> None:
        self._began_s = began_s

    def __call__(self, retry_state: tenacity.RetryCallState) -> bool:
        next_s = asyncio.get_running_loop().time() + retry_state.upcoming_sleep
        return next_s - self._began_s > CALL_S_MAX


def refused(client: Any, operation: str, error: ClientError) -> StoreUnavailable | LimitExceeded:
    """The error for an answer that is a plain no; names its code alone, never its text."""
    code = code_of(error)
    if code == "ValidationException" and _OVER_ITEM_BYTES.search(str(error)):
        return LimitExceeded("ITEM_BYTES_MAX", ITEM_BYTES_MAX, ITEM_BYTES_MAX + 1, "item")
    hint = "; the tables would have to be made first" if code == "ResourceNotFoundException" else ""
    if code.isdigit():  # no service of AWS answers so, but what stands before it
        hint = _of_a_proxy(client)
    return StoreUnavailable(f"{client.meta.endpoint_url} refused {operation} ({code}){hint}")
