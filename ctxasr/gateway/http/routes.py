"""The plain JSON half of the door, and the application as a whole.

    POST   /v1/records                         an event or a directive is recorded
    POST   /v1/utterances                      hypotheses in, text out
    POST   /v1/recognise                       sound in, text out
    POST   /v1/assist                          an event of Home Assistant's Assist is recorded
    POST   /v1/wyoming                         Wyoming messages in, the answers to them out
    GET    /v1/turns/{interaction}             what happened, without texts
    GET    /v1/turns/{interaction}/context     the context embedding
    GET    /v1/turns/{interaction}/phrases     what the answer may be, for other recognisers too
    POST   /v1/sweep                           close this customer's forgotten turns
    DELETE /v1/customer                        erase this customer
    GET    /healthz  /readyz                   for whoever runs the service

Whose turn it is, the token says. Another customer's turn is as little there as one that never was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Security
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from ctxasr import __version__
from ctxasr.answer import ContextState, bias_in
from ctxasr.context import ContextEmbedding, fetch
from ctxasr.envelopes import Identifier
from ctxasr.errors import ContextUnavailable, CtxasrError, PayloadUnreadable
from ctxasr.events import ConsistentStatus, Outcome, TurnKey, belongs_to_no_turn
from ctxasr.gateway.contexts import describe_context, nothing, phrase_fields, reply_of
from ctxasr.gateway.export.choose import Case, Options
from ctxasr.gateway.export.lex import NAME_CHARS_MAX
from ctxasr.gateway.export.targets import TAKE_A_REPLY, TARGETS, export
from ctxasr.gateway.http import models
from ctxasr.gateway.http.auth import Grant
from ctxasr.gateway.http.avs import PATH as AVS_PATH
from ctxasr.gateway.http.avs import avs_router
from ctxasr.gateway.http.dialogues import Dialogues
from ctxasr.gateway.http.erasures import Arrivals
from ctxasr.gateway.http.limits import FORM_BYTES_MAX, SOUND_BYTES_MAX
from ctxasr.gateway.http.logs import log
from ctxasr.gateway.http.problems import Problem, problem_of
from ctxasr.gateway.http.service import Heard, Service
from ctxasr.gateway.http.sound import RAW, raw_hz_of, recognise_body
from ctxasr.gateway.http.utterances import opening_of
from ctxasr.gateway.requests import ContextRequest
from ctxasr.hypotheses import N_BEST_MAX, Recognition
from ctxasr.pipeline import sweep
from ctxasr.trigger import expects_speech
from ctxasr.windows import window_of

BODY_BYTES_MAX: Final = {
    AVS_PATH: FORM_BYTES_MAX,
    "/v1/recognise": SOUND_BYTES_MAX,
    "/v1/wyoming": SOUND_BYTES_MAX,
}
"""Paths whose bodies are no JSON, and how large those may be."""

PhraseFormat = StrEnum("PhraseFormat", {name: name for name in ("json", *TARGETS)})  # type: ignore[misc]
"""`json` is ours; the others are those of `gateway.export`."""

OURS: Final = PhraseFormat("json")


def _grant(
    request: Request,
    _: Annotated[
        HTTPAuthorizationCredentials | None,
        Security(HTTPBearer(auto_error=False, description="Names the customer.")),
    ],
) -> Grant:
    """Whom the guard has let in."""
    grant: Grant = request.state.grant
    return grant


Calling = Annotated[Grant, Depends(_grant)]


def application(service: Service, dialogues: Dialogues | None = None) -> FastAPI:
    """All routes over one service; the guard stands before it."""
    app = FastAPI(
        title="ctxasr", version=__version__, docs_url=None, redoc_url=None, redirect_slashes=False
    )
    if service is not None:  # else for its description alone
        app.add_middleware(Arrivals, erasures=service.erasures)
    app.include_router(_health(service))
    told = dialogues or Dialogues(service)
    guarded = [avs_router(service), _events(service, told), _utterances(service), _turns(service)]
    for router in [*guarded, _customer(service)]:
        app.include_router(router, dependencies=[Depends(_grant)])

    async def answer(_: Request, error: Exception) -> Response:
        return problem_of(error).response()

    for kind in (Problem, HTTPException, RequestValidationError, CtxasrError, Exception):
        app.add_exception_handler(kind, answer)
    return app


def _health(service: Service) -> APIRouter:
    router = APIRouter(tags=["Service"])

    @router.get("/healthz", operation_id="healthz", summary="The process lives")
    async def healthz() -> models.Health:
        return models.Health(status="alive")

    @router.get("/readyz", operation_id="readyz", summary="It should get requests")
    async def readyz() -> Response:
        reason = await service.why_not_ready()
        health = models.Health(status="not ready" if reason else "ready", reason=reason)
        return JSONResponse(health.model_dump(), 503 if reason else 200)

    return router


def _events(service: Service, dialogues: Dialogues) -> APIRouter:
    router = APIRouter(tags=["Events"])

    @router.post(
        "/v1/records", operation_id="record", summary="Record one event or directive of a turn"
    )
    async def record(given: models.RecordIn, grant: Calling) -> models.Recorded:
        """Answered when it is written; if it completes its turn, when the turn is settled.

        What belongs to no turn is left out, and the answer says so.
        """
        found = service.record_of(
            grant,
            given.message,
            given.device,
            interaction=given.interaction or service.turn_of(grant, given.message),
            service_payloads=given.service_payloads,
        )
        message = given.message.message
        if reason := belongs_to_no_turn(message, found.interaction):
            log("event of no known turn", customer=grant.customer, event=message.header.message_id)
            return models.Recorded(
                interaction=None, event=message.header.message_id, outcome=None, ignored=reason
            )
        status = await service.record(found)
        recorded = _recorded(message.header.message_id, status)
        return recorded.model_copy(update={"note": service.note(found, status)})

    @router.post(
        "/v1/assist", operation_id="assist", summary="Record one event of an Assist pipeline"
    )
    async def assist(
        event: models.JsonObject,
        grant: Calling,
        device: Annotated[Identifier, Query()] = "device",
    ) -> models.Told:
        """Home Assistant's events, bare or as its WebSocket wraps them, in their order."""
        step, recorded = await dialogues.assist(grant, device, event)
        turn = step.dialogue.turn
        return models.Told(
            interaction=turn.interaction if turn is not None else None,
            recorded=[_recorded(message, status) for message, status in recorded],
            ignored=str(step.ignored) if step.ignored is not None else None,
        )

    @router.post(
        "/v1/wyoming",
        operation_id="wyoming",
        summary="Take in Wyoming messages, and answer them",
        response_class=Response,
    )
    async def wyoming(
        request: Request,
        grant: Calling,
        device: Annotated[Identifier, Query()] = "device",
    ) -> Response:
        """As bytes, one after the other; all of one utterance in one body."""
        answers = await dialogues.wyoming(grant, device, await request.body())
        return Response(answers, media_type=RAW)

    return router


def _utterances(service: Service) -> APIRouter:
    router = APIRouter(tags=["Utterances"])

    @router.post(
        "/v1/utterances",
        operation_id="rescore",
        summary="Rescore what another recogniser heard under the context of the asking turn",
    )
    async def rescore(given: models.UtteranceIn, grant: Calling) -> models.UtteranceOut:
        """Without a context the text is the first hypothesis, to the letter."""

        async def heard() -> Recognition:
            return given.recognition

        opening = service.record_of(grant, opening_of(given.interaction, given.token), given.device)
        found = await service.hear(opening, heard, record=given.record)
        assert found is not None, "there are hypotheses"
        return _utterance(found, 0)

    @router.post(
        "/v1/recognise",
        operation_id="recognise",
        summary="Recognise a sound, and rescore it under the context of the asking turn",
    )
    async def recognise(
        request: Request,
        grant: Calling,
        interaction: Annotated[models.Interaction, Query()],
        token: Annotated[models.Token | None, Query()] = None,
        device: Annotated[models.Device, Query()] = "device",
        nbest: Annotated[int, Query(ge=0, le=N_BEST_MAX)] = 0,
        record: Annotated[bool, Query()] = True,
    ) -> models.UtteranceOut:
        """The body is WAV, FLAC, OGG, or raw 16-bit little-endian mono at 16 kHz.

        `notes` says what is odd about the sound: cut off, clipped, no speech, converted.
        """
        raw_hz = raw_hz_of(request.headers.get("content-type", ""))
        notes: list[str] = []

        async def heard() -> Recognition:
            body = await request.body()
            return await recognise_body(service.recogniser, grant.customer, body, notes, raw_hz)

        opening = service.record_of(grant, opening_of(interaction, token), device)
        found = await service.hear(opening, heard, record=record)
        assert found is not None, "sound or an error"
        return _utterance(found, nbest, notes)

    return router


def _turns(service: Service) -> APIRouter:
    router = APIRouter(tags=["Turns"], prefix="/v1/turns/{interaction}")

    @router.get("", operation_id="turn", summary="What happened in a turn, without its texts")
    async def turn(interaction: models.PathId, grant: Calling) -> models.TurnOut:
        status = await _status(service, grant, interaction)
        marks = sorted(status.marks.items(), key=lambda item: (item[1].at_ms, item[0]))
        return models.TurnOut(
            interaction=interaction,
            outcome=status.outcome,
            marks=[models.MarkOut(event=e, name=m.name, at_ms=m.at_ms) for e, m in marks],
            payloads=dict(sorted(Counter(str(ref.kind) for ref in status.refs).items())),
            window_ms=window_of(status).window_ms if expects_speech(status) else None,
            expires_at_s=status.expires_at_s,
        )

    @router.get("/context", operation_id="context", summary="A turn's context embedding")
    async def context(interaction: models.PathId, grant: Calling) -> models.ContextOut:
        """Without one, `state` and `reason` say why."""
        asked = ContextRequest(customer=grant.customer, interaction=interaction)
        try:
            found = await describe_context(asked, service.ports)
        except (ContextUnavailable, PayloadUnreadable) as error:
            found = nothing(asked, error)
        if found["outcome"] is None and found["state"] == ContextState.NONE:
            raise _unknown()
        return models.ContextOut.model_validate(found)

    @router.get(
        "/phrases",
        operation_id="phrases",
        summary="What the answer to a turn may be, in the format of a recogniser",
        response_model=None,
    )
    async def phrases(
        interaction: models.PathId,
        grant: Calling,
        format: Annotated[PhraseFormat, Query()] = OURS,  # noqa: A002
        case: Annotated[Case, Query(description="Of sherpa-onnx and nemo.")] = Case.WRITTEN,
        intent: Annotated[str, Query(max_length=NAME_CHARS_MAX, description="Of lex.")] = "",
    ) -> Response | models.PhrasesOut:
        """`json` is ours, with weights; the others are ready to be handed on, within limits."""
        status = await _status(service, grant, interaction)
        context = await _context(service, status)
        bias = bias_in(context)
        if format is not OURS:
            told = format in TAKE_A_REPLY
            reply = await reply_of(status, service.ports.vault) if told else ""
            exported = export(bias, format, Options(reply, case, intent), context.left_out)
            kind = "text/plain" if isinstance(exported.content, str) else "application/json"
            counts = {"Ctxasr-Kept": str(exported.kept), "Ctxasr-Left-Out": exported.reasons}
            return Response(exported.text, headers=counts, media_type=kind)
        heaviest = sorted(bias.phrases, key=lambda one: -one.log_prior)
        shown = [models.PhraseOut.model_validate(phrase_fields(one)) for one in heaviest]
        return models.PhrasesOut(
            interaction=interaction,
            phrases=shown,
            left_out=context.left_out,
            unpronounceable=context.unpronounceable,
        )

    return router


def _customer(service: Service) -> APIRouter:
    router = APIRouter(tags=["Customer"])

    @router.post("/v1/sweep", operation_id="sweep", summary="Close turns that nothing will settle")
    async def sweep_now(grant: Calling) -> models.Swept:
        """Of this customer, past the grace period. The service does so by itself as well."""
        return models.Swept(settled=await sweep(_whole(grant), service.ports))

    @router.delete("/v1/customer", operation_id="forget", summary="Erase all of this customer")
    async def forget_all(grant: Calling) -> models.ForgottenOut:
        """Answered when both tables have shown that they hold nothing."""
        gone = await service.forget(_whole(grant))
        return models.ForgottenOut(
            status_items=gone.status_items, payloads=gone.payloads, looks=gone.looks
        )

    return router


def _whole(grant: Grant) -> str:
    """The customer, for what concerns all of them; one device may not speak for the others."""
    if grant.device is not None:
        detail = "the token names a device; this takes one of the whole customer"
        raise Problem(HTTPStatus.FORBIDDEN, "Forbidden", detail)
    return grant.customer


async def _status(service: Service, grant: Grant, interaction: str) -> ConsistentStatus:
    status = await service.ports.store.read(TurnKey(grant.customer, interaction))
    if status is None:
        raise _unknown()
    return status


def _unknown() -> Problem:
    detail = "there is no such turn of this customer"
    return Problem(HTTPStatus.NOT_FOUND, "TurnUnknown", detail)


async def _context(service: Service, status: ConsistentStatus) -> ContextEmbedding:
    if status.outcome is not Outcome.EMBEDDED:
        raise ContextUnavailable(f"the turn is {status.outcome or 'not settled yet'}")
    try:
        return await fetch(status, service.ports.vault)
    except PayloadUnreadable:
        raise ContextUnavailable("the turn's context has expired") from None


def _recorded(event: str, status: ConsistentStatus) -> models.Recorded:
    return models.Recorded(interaction=status.turn.interaction, event=event, outcome=status.outcome)


def _utterance(heard: Heard, n_best: int, notes: Sequence[str] = ()) -> models.UtteranceOut:
    result = heard.result
    changes: list[Any] = [one.to_json() for one in result.result.changes]
    return models.UtteranceOut(
        interaction=heard.interaction,
        text=heard.text,
        plain_text=result.result.plain_text,
        changes=changes,
        context=result.context,
        window_ms=result.window_ms,
        context_ms=result.context_ms,
        added_ms=result.added_ms,
        reason=result.reason,
        left_out=result.left_out,
        unpronounceable=result.unpronounceable,
        note=heard.note,
        recorded=heard.recorded,
        hypotheses=[
            models.HypothesisOut(text=one.text, score=one.score)
            for one in heard.recognition.hypotheses[:n_best]
        ],
        notes=list(notes),
    )
