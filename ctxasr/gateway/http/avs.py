"""The Alexa Voice Service half: multipart events in, directives out.

    POST /v20160207/events      metadata: {"context": [...], "event": {...}}
                                audio:    only with SpeechRecognizer.Recognize
    GET  /v20160207/directives  the downchannel, see `downchannel`
    GET  /ping                  204

A Recognize with audio is answered with SpeechRecognizer.StopCapture and with what was understood,
as the directive ContextText.Utterance, which is ours: AVS would not tell. Any other event is
recorded and answered with 204. One that belongs to no turn is answered so too, and not recorded,
whatever is wrong with it.

Source: the public AVS reference, "Structure an HTTP/2 Request", "Manage HTTP/2 Connections".
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from ctxasr.documents import parse_json
from ctxasr.envelopes import (
    MESSAGE_BYTES_MAX,
    Envelope,
    Recognize,
    read_envelope,
)
from ctxasr.errors import EnvelopeError
from ctxasr.events import belongs_to_no_turn, names_turn, short_hash
from ctxasr.gateway.http.auth import Grant
from ctxasr.gateway.http.guard import CHANNEL_PATH
from ctxasr.gateway.http.limits import PCM_BYTES_MAX
from ctxasr.gateway.http.logs import log
from ctxasr.gateway.http.multipart import RELATED, Part, form_parts, related
from ctxasr.gateway.http.problems import unavailable
from ctxasr.gateway.http.service import Service
from ctxasr.hypotheses import Recognition

PATH: Final = "/v20160207/events"
NOTE: Final = "Ctxasr-Note"
"""Header of an answer that the client's author should read."""

FORMAT: Final = "AUDIO_L16_RATE_16000_CHANNELS_1"
DEVICE: Final = "device"
"""Of a token without one: AVS has a token for each device."""

EVENT_PARTS: Final = ("metadata", "request")
"""How clients name the part that holds the event: AVS itself says the first."""

PARTS_BYTES_MAX: Final = {
    "metadata": MESSAGE_BYTES_MAX, "request": MESSAGE_BYTES_MAX, "audio": PCM_BYTES_MAX,
}  # fmt: skip
"""The parts that are read, and how large each may be."""


def avs_router(service: Service) -> APIRouter:
    """The routes of AVS."""
    router = APIRouter(tags=["Alexa Voice Service"])

    @router.post(PATH, operation_id="avs_event", summary="One AVS event, with audio if it has any")
    async def event(request: Request) -> Response:
        grant: Grant = request.state.grant
        content_type = request.headers.get("content-type", "")
        parts = form_parts(request.stream(), content_type, PARTS_BYTES_MAX)
        async with aclosing(parts):
            message = _event(await anext(parts, None))
            if message is None:
                await _no_more(parts)
                log("event of no known turn", customer=grant.customer, event="-")
                return Response(status_code=204)
            directives, note = await _take(service, grant, message, parts)
        headers = {NOTE: note} if note else None
        if not directives:
            return Response(status_code=204, headers=headers)
        return Response(related(directives), media_type=RELATED, headers=headers)

    @router.get(CHANNEL_PATH, operation_id="directives", include_in_schema=False)
    async def directives(request: Request) -> Response:
        if service.stopping:
            raise unavailable("Stopping", "the service ends")
        grant: Grant = request.state.grant
        through = service.channels.open(grant.customer, grant.device or DEVICE)
        return StreamingResponse(through, media_type=RELATED)

    @router.get("/ping", operation_id="ping", status_code=204, summary="The connection lives")
    async def ping() -> None:
        """AVS clients ask every five minutes, so that proxies keep the connection open."""

    return router


async def _take(
    service: Service, grant: Grant, message: Envelope, parts: AsyncIterator[Part]
) -> tuple[list[dict[str, Any]], str]:
    """The directives that answer an event, and a note for whoever writes the client."""
    header, body = message.message.header, message.message.payload
    record = service.record_of(grant, message, DEVICE, service.turn_of(grant, message))
    no_turn = belongs_to_no_turn(message.message, record.interaction)
    if no_turn and header.full_name == Recognize.full_name:
        # What was said would be lost, and nobody told.
        raise EnvelopeError(f"a Recognize must belong to a turn: {no_turn}")
    if isinstance(body, Recognize):
        notes: list[str] = []
        heard = await service.hear(
            record, lambda: _decode(service, grant.customer, parts, body.format, notes)
        )
        if heard is None:
            return [], ""
        understood = heard.utterance.model_dump(by_alias=True, exclude_unset=True)
        said = "; ".join(filter(None, (heard.note, *notes)))
        return [_stop_capture(message), understood], said
    await _no_more(parts)
    if no_turn:
        log("event of no known turn", customer=grant.customer, event=header.message_id)
    else:
        await service.record(record)
    return [], ""


async def _no_more(parts: AsyncIterator[Part]) -> None:
    async for _ in parts:
        raise EnvelopeError("body: only a Recognize has audio")


async def _decode(
    service: Service, customer: str, parts: AsyncIterator[Part], form: str, notes: list[str]
) -> Recognition | None:
    from ctxasr.gateway.http.sound import recognise_body

    audio = [part async for part in parts]
    if not audio:
        return None
    if [part.name for part in audio] != ["audio"]:
        raise EnvelopeError("body: an event has at most one part beside it, 'audio'")
    if form != FORMAT:
        raise EnvelopeError(f"event.payload.format: must be {FORMAT}")
    return await recognise_body(service.recogniser, customer, audio[0].data, notes)


def _event(part: Part | None) -> Envelope | None:
    """The event; None for one that is wrong and names no turn: nothing is lost with it."""
    if part is None or part.name not in EVENT_PARTS:
        raise EnvelopeError("body: the first part must be 'metadata' or 'request', with the event")
    try:
        message = read_envelope(part.data)
    except EnvelopeError:
        if _would_be_lost(part.data):
            raise
        return None
    if message.event is None:
        raise EnvelopeError(f"{part.name}: must hold an event; directives go to /v1/records")
    return message


def _would_be_lost(data: bytes) -> bool:
    """Whether a wrong envelope is, or could be, more than an event that concerns no turn."""
    document = parse_json(data, "envelope", "MESSAGE_BYTES_MAX", MESSAGE_BYTES_MAX)
    event = document.get("event") if isinstance(document, dict) else None
    if not isinstance(event, dict) or document.get("directive") or names_turn(document):
        return True
    header = event.get("header")
    return isinstance(header, dict) and header.get("name") == "Recognize"


def _stop_capture(message: Envelope) -> dict[str, Any]:
    header = message.message.header
    return {
        "directive": {
            "header": {
                "namespace": "SpeechRecognizer",
                "name": "StopCapture",
                "messageId": f"stop-{short_hash(header.message_id)}",
                "dialogRequestId": header.dialog_request_id,
            },
            "payload": {},
        }
    }
