"""The OpenAPI description: what FastAPI finds, and what it cannot see.

Bodies that the routes read themselves (sound, multipart), every answer that the guard gives before
a route, problem details in place of FastAPI's own errors, and the limits.
"""

from __future__ import annotations

import functools
from typing import Any, Final, cast

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ctxasr import __version__
from ctxasr.envelopes import MESSAGE_BYTES_MAX, Envelope
from ctxasr.gateway.http import limits
from ctxasr.gateway.http.avs import PATH as AVS_PATH
from ctxasr.gateway.http.guard import OPEN
from ctxasr.gateway.http.models import Health, ProblemOut
from ctxasr.gateway.http.problems import MEDIA_TYPE
from ctxasr.gateway.http.routes import application
from ctxasr.gateway.http.service import Service
from ctxasr.gateway.http.sound import L16, RAW, SOUND_TYPES
from ctxasr.speech.audio import AUDIO_S_MAX

ABOUT: Final = f"""\
Contextual speech recognition: what was just asked tells what the answer may be.

A bearer token names the customer; no body does. A turn is one `dialogRequestId`; the answer to a
question echoes the token of its `initiator`. An event is acknowledged (2xx) when it is written;
one that completes its turn, when the turn is settled. 503 means: perhaps written, send it again.

Limits: {limits.RATE_PER_MIN} requests a customer and minute, {limits.REQUESTS_OF_ONE_MAX} of them
at once (429), {limits.REQUESTS_MAX} of all (503), {limits.JSON_BYTES_MAX} bytes of JSON,
{MESSAGE_BYTES_MAX} of an envelope, {limits.SOUND_BYTES_MAX} of a sound, {AUDIO_S_MAX:g} s of
speech (413), {limits.HEADERS_MAX} headers (431), pauses of {limits.BODY_PAUSE_S_MAX:g} s in a
body (408).
"""

_PROBLEMS: Final = {
    400: "The body cannot be read.",
    401: "No token, or an unknown one.",
    408: "The body came too slowly.",
    409: "The customer was erased while this was under way; nothing of it is recorded.",
    413: "A limit on sizes was passed; the answer names it.",
    422: "Understood, but wrong; the answer names the field.",
    429: "Too many requests of this customer, in a minute or at once.",
    414: "The path with its query is too long.",
    431: "Too many headers.",
    500: "A fault of ctxasr itself.",
    503: "The store does not answer, all places are taken, or the service stops: try again.",
}
"""Answers of every route behind the guard."""

_HEADERS: Final = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}, "description": "Bearer."}},
    429: {"Retry-After": {"schema": {"type": "string"}, "description": "Seconds."}},
    503: {"Retry-After": {"schema": {"type": "string"}, "description": "Seconds."}},
}
_OF_ALL: Final = {403: "The token names a device; this takes one of the whole customer."}
_OF_TURNS: Final = {404: "This customer has no such turn."}
_OF_CONTEXTS: Final = {**_OF_TURNS, 409: "The turn has no context that can be had."}
_MORE: Final[dict[tuple[str, str], dict[int, str]]] = {
    ("/v1/turns/{interaction}", "get"): _OF_TURNS,
    ("/v1/turns/{interaction}/context", "get"): _OF_CONTEXTS,
    ("/v1/turns/{interaction}/phrases", "get"): _OF_CONTEXTS,
    ("/v1/sweep", "post"): _OF_ALL,
    ("/v1/customer", "delete"): _OF_ALL,
    ("/v1/recognise", "post"): {415: "No sound that can be read, by its Content-Type."},
}
_BINARY: Final = {"type": "string", "format": "binary"}


def describe(app: FastAPI) -> None:
    """Let `/openapi.json` show the whole description."""
    app.openapi = functools.partial(_describe, app)  # type: ignore[method-assign]


def description() -> dict[str, Any]:
    """The description by itself; no service is made."""
    return _describe(application(cast(Service, None)))


def _describe(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is not None:
        return app.openapi_schema
    found = get_openapi(title="ctxasr", version=__version__, description=ABOUT, routes=app.routes)
    schemas = found["components"]["schemas"]
    for model in (ProblemOut, Health):
        schemas.setdefault(model.__name__, model.model_json_schema())
    _with_envelope(schemas)
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            responses = operation["responses"]
            if path in OPEN:
                responses.pop("422", None)
                continue
            for status, about in {**_PROBLEMS, **_MORE.get((path, method), {})}.items():
                responses[str(status)] = _problem(status, about)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    paths = found["paths"]
    ready = {"application/json": {"schema": {"$ref": "#/components/schemas/Health"}}}
    paths["/readyz"]["get"]["responses"] = {
        "200": {"description": "Ready.", "content": ready},
        "503": {"description": "Not now; the answer says why.", "content": ready},
    }
    _avs(paths[AVS_PATH]["post"])
    paths["/v1/recognise"]["post"]["requestBody"] = {
        "required": True,
        "description": f"At most {limits.SOUND_BYTES_MAX} bytes and {AUDIO_S_MAX:g} s.",
        "content": {kind: {"schema": _BINARY} for kind in (RAW, L16, *SOUND_TYPES)},
    }
    frames = {RAW: {"schema": _BINARY}}
    wyoming = paths["/v1/wyoming"]["post"]
    wyoming["requestBody"] = {"required": True, "content": frames}
    wyoming["responses"]["200"] = {"description": "The answers, perhaps none.", "content": frames}
    paths["/v1/turns/{interaction}/phrases"]["get"]["responses"]["200"] = {
        "description": "The phrases. For other recognisers, as they take them.",
        "headers": {
            "Ctxasr-Kept": {
                "schema": {"type": "string"},
                "description": "How many phrases another recogniser's format had room for.",
            },
            "Ctxasr-Left-Out": {
                "schema": {"type": "string"},
                "description": "How many it had not, by reason: generic=23, no_room=4.",
            },
        },
        "content": {
            "application/json": {
                "schema": {
                    "anyOf": [{"$ref": "#/components/schemas/PhrasesOut"}, {"type": "object"}]
                }
            },
            "text/plain": {"schema": {"type": "string"}},
        },
    }
    schemas.setdefault("PhrasesOut", _phrases(schemas))
    app.openapi_schema = found
    return found


def _problem(status: int, about: str) -> dict[str, Any]:
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemOut"}}}
    response: dict[str, Any] = {"description": about, "content": content}
    if status in _HEADERS:
        response["headers"] = _HEADERS[status]
    return response


def _avs(operation: dict[str, Any]) -> None:
    of_no_turn = {
        "type": "object",
        "required": ["event"],
        "properties": {"event": {"type": "object"}},
        "description": "An event that names no turn, in whatever shape: it is not recorded.",
    }
    metadata = {"anyOf": [{"$ref": "#/components/schemas/EventEnvelope"}, of_no_turn]}
    operation["requestBody"] = {
        "required": True,
        "description": "metadata (or request) first; audio is 16-bit little-endian mono at 16 kHz.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["metadata"],
                    "additionalProperties": False,
                    "properties": {"metadata": metadata, "audio": _BINARY},
                },
                "encoding": {
                    "metadata": {"contentType": "application/json"},
                    "audio": {"contentType": RAW},
                },
            }
        },
    }
    operation["responses"].pop("200", None)
    operation["responses"] = {
        "200": {
            "description": "Directives, one part each: StopCapture and ContextText.Utterance.",
            "content": {"multipart/related": {"schema": {"type": "string"}}},
        },
        "204": {"description": "Recorded; there is no directive."},
        **operation["responses"],
    }


def _with_envelope(schemas: dict[str, Any]) -> None:
    """An envelope holds one of two; as a part of a form, an event."""
    forms = ("event", "directive")
    schema = Envelope.model_json_schema(ref_template="#/components/schemas/{model}")
    for name, definition in schema.pop("$defs", {}).items():
        schemas.setdefault(name, definition)
    properties = schema["properties"]
    kept = {"context": properties["context"], "event": {"$ref": "#/components/schemas/Message"}}
    schemas["EventEnvelope"] = {
        **schema,
        "title": "EventEnvelope",
        "required": ["event"],
        "properties": kept | {"directive": {"type": "null"}},
    }
    schemas["Envelope"] |= {
        "oneOf": [{"required": [form], "properties": {form: {"type": "object"}}} for form in forms]
    }


def _phrases(schemas: dict[str, Any]) -> dict[str, Any]:
    from ctxasr.gateway.http.models import PhrasesOut

    schema = PhrasesOut.model_json_schema(ref_template="#/components/schemas/{model}")
    for name, definition in schema.pop("$defs", {}).items():
        schemas.setdefault(name, definition)
    return schema
