"""Errors as problem details (RFC 9457): class and field, never a text that somebody said.

{"type": "urn:ctxasr:EnvelopeError", "title": "EnvelopeError", "status": 422,
 "detail": "header.messageId: Field required"}

401  no token, or an unknown one        413  a limit on sizes was passed
404  not there, or another's            422  understood, but wrong
409  there, but without a context, or   429  too many requests of this customer
     its customer was erased meanwhile
503  the store does not answer, all places are taken, or the service stops: try again
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ctxasr.errors import (
    ContextUnavailable,
    CtxasrError,
    InputError,
    LimitExceeded,
    MissingPart,
    StoreError,
)
from ctxasr.gateway.http.limits import RETRY_AFTER_S

MEDIA_TYPE: Final = "application/problem+json"

_OF_THE_SERVICE: Final = frozenset({"FORGET_ROUNDS_MAX", "QUERY_PAGES_MAX", "WINDOWS_MAX"})
"""Limits that nothing in one request can pass."""


class Problem(HTTPException):
    """An answer other than success. `title` is the name of what happened."""

    def __init__(
        self,
        status: HTTPStatus,
        title: str,
        detail: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.title = title

    def response(self) -> Response:
        """The answer itself; ASCII, so that no half of a surrogate pair can break it."""
        body: dict[str, Any] = {
            "type": f"urn:ctxasr:{self.title}",
            "title": self.title,
            "status": self.status_code,
            "detail": self.detail,
        }
        return Response(json.dumps(body), self.status_code, self.headers, MEDIA_TYPE)


def unavailable(title: str, detail: str, retry_after_s: int = RETRY_AFTER_S) -> Problem:
    """503: the same request may succeed later."""
    after = {"Retry-After": str(retry_after_s)}
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, title, detail, after)


def too_many(name: str, limit: int) -> Problem:
    """429: one customer has its share of what there is."""
    after = {"Retry-After": str(RETRY_AFTER_S)}
    detail = f"{name} is {limit}: wait for the others to be answered"
    return Problem(HTTPStatus.TOO_MANY_REQUESTS, "TooManyRequests", detail, after)


def too_large(name: str, limit: float, got: float, where: str) -> Problem:
    """413, as for a LimitExceeded."""
    return problem_of(LimitExceeded(name, limit, got, where))


def problem_of(error: Exception) -> Problem:
    """The answer for an exception that reached the door."""
    title = type(error).__name__
    match error:
        case Problem():
            return error
        case RequestValidationError():
            return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "InputError", _first(error.errors()))
        case HTTPException():  # no route, or not with this method
            status = HTTPStatus(error.status_code)
            return Problem(status, status.phrase.replace(" ", ""), status.phrase, error.headers)
        case LimitExceeded() if error.name in _OF_THE_SERVICE:
            return unavailable(title, str(error))
        case LimitExceeded():
            return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, title, str(error))
        case InputError():
            return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, title, str(error))
        case ContextUnavailable():
            return Problem(HTTPStatus.CONFLICT, title, str(error))
        case StoreError() | MissingPart() | CtxasrError():
            # The message names the endpoint: for the log, not for whoever calls.
            return unavailable(title, "not available now; the same request may succeed later")
    detail = "a fault of ctxasr itself; the log names its place"
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError", detail)


def _first(errors: Sequence[Any]) -> str:
    """The first wrong field and what is wrong with it, without the given value.

    A field that is not known is not named: its name could be a text.
    """
    first = errors[0]
    unknown = first["type"] == "extra_forbidden"
    place = ".".join(str(part) for part in (first["loc"][:-1] if unknown else first["loc"]))
    wrong = "has a field that is not known" if unknown else first["msg"]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{place}: {wrong}{more}"
