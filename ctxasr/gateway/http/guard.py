"""Before any route: who is calling, how often, how many at once, how much and how slowly.

    headers -> token -> rate of this customer -> a free place, and one of this customer's -> the
    route, whose body is counted

Whatever a route raises becomes problem details, and every request one line of the log. What a
refused client still sends is read for a moment, or it would never see the answer; not so where it
waits to be told to send (`Expect`).
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Callable, Mapping
from http import HTTPMethod, HTTPStatus
from typing import Any, Final

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ctxasr.gateway.http import limits
from ctxasr.gateway.http.auth import Grant, Tokens
from ctxasr.gateway.http.logs import log, place_of
from ctxasr.gateway.http.places import Place
from ctxasr.gateway.http.problems import Problem, problem_of, too_large, too_many, unavailable
from ctxasr.ports import Clock

OPEN: Final = frozenset({"/healthz", "/readyz", "/openapi.json"})
"""Paths for anybody who can reach the port: they tell nothing of any customer. A
connection carries one such request."""

CHANNEL_PATH: Final = "/v20160207/directives"
"""The downchannel of AVS."""

METHODS: Final = frozenset(HTTPMethod)
"""Those that the log names; another is whatever a client has made up, perhaps without a token."""


class Guard:
    """An ASGI application round another one."""

    def __init__(
        self,
        app: ASGIApp,
        tokens: Tokens,
        clock: Clock,
        *,
        body_bytes_max: Mapping[str, int],
        rate_per_min: int = limits.RATE_PER_MIN,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """`body_bytes_max` by path; JSON_BYTES_MAX holds for the others.

        While `stopping`, a request that is broken off is answered all the same.
        """
        self._app, self.tokens, self._clock = app, tokens, clock
        self._body_bytes_max = body_bytes_max
        self._rate = RateLimitItemPerMinute(rate_per_min)
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._at_work: Counter[str] = Counter()
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        loop = asyncio.get_running_loop()
        began_s, path = loop.time(), scope["path"]
        body = _Body(receive, self._body_bytes_max.get(path, limits.JSON_BYTES_MAX), scope)
        answer = _Answer(send, body, last=path in OPEN)
        place: Place | None = scope.setdefault("state", {}).get("place")
        facts: dict[str, Any] = {"method": scope["method"] if scope["method"] in METHODS else "-"}
        if place is not None:
            place.busy += 1
        try:
            _check_head(scope)
            if path in OPEN:
                await self._app(scope, body.receive, answer.send)
            else:
                if place is not None and place.crowded:
                    raise unavailable("Busy", f"CONNECTIONS_MAX is {limits.CONNECTIONS_MAX}")
                grant = await self._admit(scope, body)
                facts["customer"] = grant.customer
                if place is not None:
                    place.known(grant.customer)
                scope["state"]["grant"] = grant
                await self._at_place(grant.customer, scope, body, answer)
        except asyncio.CancelledError:
            if not self._stopping():
                raise
            problem = unavailable("Stopping", "perhaps done; send it again")
            await self._refuse(problem, scope, answer)
        except Exception as error:
            problem = problem_of(error)
            if problem.status_code == HTTPStatus.INTERNAL_SERVER_ERROR and not body.gone:
                log("fault", logging.ERROR, **place_of(error))
            await self._refuse(problem, scope, answer)
        finally:
            if place is not None:
                place.busy -= 1
            route = getattr(scope.get("route"), "path", "-")
            took_ms = round(1_000.0 * (loop.time() - began_s), 1)
            log("request", **facts, route=route, status=answer.told, took_ms=took_ms)

    async def _refuse(self, problem: Problem, scope: Scope, answer: _Answer) -> None:
        if answer.status is None:
            await problem.response()(scope, answer.body.receive, answer.send)

    async def _at_place(self, customer: str, scope: Scope, body: _Body, answer: _Answer) -> None:
        if scope["path"] == CHANNEL_PATH:  # it is open for an hour, and counted by itself
            await self._app(scope, body.receive, answer.send)
            return
        if self._at_work.total() >= limits.REQUESTS_MAX:
            raise unavailable("Busy", f"REQUESTS_MAX is {limits.REQUESTS_MAX}: all are at work")
        if self._at_work[customer] >= limits.REQUESTS_OF_ONE_MAX:
            raise too_many("REQUESTS_OF_ONE_MAX", limits.REQUESTS_OF_ONE_MAX)
        self._at_work[customer] += 1
        try:
            await self._app(scope, body.receive, answer.send)
        finally:
            self._at_work[customer] -= 1

    async def _admit(self, scope: Scope, body: _Body) -> Grant:
        headers = scope["headers"]
        given = [value for name, value in headers if name == b"authorization"]
        grant = self.tokens.grant(given[0]) if len(given) == 1 else None
        if grant is None:
            raise Problem(
                HTTPStatus.UNAUTHORIZED,
                "Unauthorized",
                "one Authorization header with a known bearer token is needed",
                {"WWW-Authenticate": 'Bearer realm="ctxasr"'},
            )
        await self._check_rate(grant.customer)
        said = [value for name, value in headers if name == b"content-length"]
        if said and int(said[0]) > body.bytes_max:  # h11 has seen to it that it is a number
            raise too_large("bytes of this body", body.bytes_max, int(said[0]), "Content-Length")
        return grant

    async def _check_rate(self, customer: str) -> None:
        if await self._limiter.hit(self._rate, customer):
            return
        stats = await self._limiter.get_window_stats(self._rate, customer)
        wait_s = max(1, math.ceil(stats.reset_time - self._clock.now_ms() / 1_000.0))
        raise Problem(
            HTTPStatus.TOO_MANY_REQUESTS,
            "TooManyRequests",
            f"at most {self._rate.amount} requests of one customer in a minute",
            {"Retry-After": str(wait_s)},
        )


def _check_head(scope: Scope) -> None:
    """Raise a Problem where a request's target or headers are too many or too long."""
    headers = scope["headers"]
    if len(headers) > limits.HEADERS_MAX:
        raise Problem(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            "LimitExceeded",
            f"HEADERS_MAX is {limits.HEADERS_MAX}, got {len(headers)}",
        )
    size = len(scope.get("raw_path") or b"") + len(scope["query_string"])
    if size > limits.TARGET_BYTES_MAX:
        raise Problem(
            HTTPStatus.REQUEST_URI_TOO_LONG,
            "LimitExceeded",
            f"TARGET_BYTES_MAX is {limits.TARGET_BYTES_MAX}, got {size}",
        )


class _Body:
    """A request's body, counted and timed while it is read."""

    def __init__(self, receive: Receive, bytes_max: int, scope: Scope) -> None:
        self._receive, self.bytes_max = receive, bytes_max
        self._bytes = 0
        self._until_s = asyncio.get_running_loop().time() + limits.BODY_S_MAX
        self.whole = False
        self._waits = any(name == b"expect" for name, _ in scope["headers"])
        """The client waits to be told to send; whoever reads tells it."""

        self.gone = False
        """The client has gone away before the end of its body."""

    async def receive(self) -> Message:
        """The next piece.

        Raises:
            Problem: too large, or too slow.
        """
        if self.whole:
            return await self._receive()  # waits for the client to go away
        left_s = self._until_s - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(min(left_s, limits.BODY_PAUSE_S_MAX)):
                message = await self._take()
        except TimeoutError:
            detail = f"the body paused over {limits.BODY_PAUSE_S_MAX:g} s, or took too long"
            raise Problem(HTTPStatus.REQUEST_TIMEOUT, "RequestTimeout", detail) from None
        if self._bytes > self.bytes_max:
            raise too_large("bytes of this body", self.bytes_max, self._bytes, "body")
        return message

    async def drain(self) -> None:
        """Read on for a moment, and forget it; nothing where the client waits to be told."""
        if self._waits:
            return
        until = self._bytes + limits.DRAIN_BYTES_MAX
        try:
            async with asyncio.timeout(limits.DRAIN_S_MAX):
                while not self.whole and self._bytes < until:
                    await self._take()
        except TimeoutError:
            return

    async def _take(self) -> Message:
        self._waits = False
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        self.gone = message["type"] == "http.disconnect"
        self.whole = not message.get("more_body", False)
        return message


class _Answer:
    """Sends the answer, and remembers its status; `last`: nothing more is read from its client.

    `told` is the status that a client got; None where it had gone away in the middle of its body.
    """

    def __init__(self, send: Send, body: _Body, *, last: bool) -> None:
        self._send, self.body, self._last = send, body, last
        self.status: int | None = None
        self.told: int | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.told = None if self.body.gone else self.status
            if not self._last:
                await self.body.drain()
            headers = [*message.get("headers", []), (b"cache-control", b"no-store")]
            if not self.body.whole:
                headers.append((b"connection", b"close"))
            message = {**message, "headers": headers}
        await self._send(message)
