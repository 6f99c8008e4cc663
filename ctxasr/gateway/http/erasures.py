"""Which customers were erased while a request of theirs was under way.

    request    arrives ..... sound ..... recognised: its words are answered, and not written
    erasing            begins ... ends
    request                  arrives ..... to write, it waits for the end: it is a new customer's

A request bears a mark from its arrival, before its body is read: how often its customer's erasing
had begun and had ended by then. Whatever it writes later compares.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http import HTTPStatus
from typing import Final, NamedTuple

from starlette.types import ASGIApp, Receive, Scope, Send

from ctxasr.gateway.http.problems import Problem


class CustomerErased(Problem):
    """The customer was erased while this request was under way: nothing more of it is recorded."""

    def __init__(self) -> None:
        detail = "the customer was erased while this was under way; nothing of it is recorded"
        super().__init__(HTTPStatus.CONFLICT, "CustomerErased", detail)


class Mark(NamedTuple):
    """How often a customer's erasing had begun and ended."""

    customer: str
    begun: int
    ended: int


_ARRIVED: Final[ContextVar[Mark | None]] = ContextVar("arrived", default=None)


@contextmanager
def bearing(mark: Mark) -> Iterator[None]:
    """What the body handles arrived when the mark was made."""
    before = _ARRIVED.set(mark)
    try:
        yield
    finally:
        _ARRIVED.reset(before)


class Erasures:
    """The erasures of one process, counted."""

    def __init__(self) -> None:
        self._begun: Counter[str] = Counter()
        self._ended: Counter[str] = Counter()
        self._changes: dict[str, asyncio.Event] = {}

    def now(self, customer: str) -> Mark:
        """The customer's mark as it is now."""
        return Mark(customer, self._begun[customer], self._ended[customer])

    def arrival(self, customer: str) -> Mark:
        """The mark of what is handled here; that of this moment outside of a request."""
        mark = _ARRIVED.get()
        return self.now(customer) if mark is None or mark.customer != customer else mark

    def begun_since(self, mark: Mark) -> bool:
        """Whether erasing has begun: nothing that came before may be written any more."""
        return self._begun[mark.customer] != mark.begun

    def may_write(self, mark: Mark) -> bool:
        """Whether no erasing has begun since, and none runs."""
        return not self.begun_since(mark) and mark.begun == self._ended[mark.customer]

    def touched_since(self, mark: Mark) -> bool:
        """Whether it has begun or ended: what was read meanwhile may be of what is erased."""
        return self.now(mark.customer) != mark

    @contextmanager
    def erasing(self, customer: str) -> Iterator[None]:
        """The customer is erased by the body."""
        self._begun[customer] += 1
        self._tell(customer)
        try:
            yield
        finally:
            self._ended[customer] += 1
            self._tell(customer)

    async def over(self, mark: Mark) -> None:
        """Wait until nobody erases the customer.

        Raises:
            CustomerErased: erasing has begun since `mark`, at once or while this waits.
        """
        customer = mark.customer
        while not self.may_write(mark):
            if self.begun_since(mark):
                raise CustomerErased
            await self._changes.setdefault(customer, asyncio.Event()).wait()

    def _tell(self, customer: str) -> None:
        changed = self._changes.pop(customer, None)
        if changed is not None:
            changed.set()


class Arrivals:
    """An application that notes the arrival of each request whose customer the guard has named."""

    def __init__(self, app: ASGIApp, erasures: Erasures) -> None:
        self._app, self._erasures = app, erasures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        grant = scope.get("state", {}).get("grant")
        if grant is None:
            await self._app(scope, receive, send)
            return
        with bearing(self._erasures.now(grant.customer)):
            await self._app(scope, receive, send)
