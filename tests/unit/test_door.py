"""The HTTP door over tables in memory and a recogniser that hears what it is told."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from conftest import Encoder, World, completed, envelope, recognition, recognize, record, turn

from ctxasr.envelopes import COUNT_MAX
from ctxasr.errors import MissingPart, StoreUnavailable
from ctxasr.events import Outcome, Record, TurnKey
from ctxasr.gateway.http import auth, limits, service
from ctxasr.gateway.http.guard import Guard
from ctxasr.gateway.http.logs import LOGGER, JsonLines
from ctxasr.gateway.http.routes import BODY_BYTES_MAX, application
from ctxasr.gateway.http.service import Service
from ctxasr.hypotheses import Recognition
from ctxasr.pipeline import Ports
from ctxasr.ports import Samples
from ctxasr.speech.align import SoundAligner
from ctxasr.speech.pronounce import Pronouncer

PCM = "application/octet-stream"
SECOND = b"\0" * 32_000


class Ear:
    """Hears its texts; `gate` holds it up, `dead` is a recogniser whose process has gone."""

    def __init__(self, *heard: str) -> None:
        self.heard = heard or ("power", "meg bauer")
        self.gate: asyncio.Event | None = None
        self.listens = asyncio.Event()
        self.dead = self.closed = False

    async def recognize(self, samples: Samples) -> Recognition:
        self.listens.set()
        if self.dead:
            raise MissingPart("the recogniser's process has died")
        if self.gate is not None:
            await self.gate.wait()
        return recognition(*self.heard)

    async def load(self) -> None:
        if self.gate is not None:
            await self.gate.wait()

    def close(self) -> None:
        self.closed = True


class Door:
    """A door, and clients of it."""

    def __init__(self, world: World, rate_per_min: int = 100_000, **changes: Any) -> None:
        self.world, self.ears = world, [Ear(), Ear("remade")]
        ears = iter(self.ears)
        ports = world.process(changes.pop("hook", None))
        self.service = Service(ports, lambda: next(ears))
        self.app = application(self.service)
        self.tokens = {name: auth.only(name) for name in ("customer", "other")}
        grants = {k: v for _, known in self.tokens.values() for k, v in known.grants.items()}
        self.guard = Guard(
            self.app, auth.Tokens(grants), world.clock,
            body_bytes_max=BODY_BYTES_MAX, rate_per_min=rate_per_min,
        )  # fmt: skip

    @property
    def ear(self) -> Ear:
        return self.ears[0]

    def client(self, customer: str = "customer") -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.tokens[customer][0]}"}
        transport = httpx.ASGITransport(self.guard)
        return httpx.AsyncClient(transport=transport, base_url="http://door", headers=headers)


def body_of(record: Record) -> dict[str, Any]:
    """A record as it is posted: without customer and time."""
    kept = {"message", "device", "interaction", "service_payloads"}
    return record.model_dump(mode="json", by_alias=True, exclude_unset=True, include=kept)


async def ask_back(client: httpx.AsyncClient) -> httpx.Response:
    for one in turn().values():
        answer = await client.post("/v1/records", json=body_of(one))
        assert answer.status_code == 200, answer.text
    return answer


def heard(interaction: str = "turn-2", *texts: str, **more: Any) -> dict[str, Any]:
    found = [{"text": text} for text in texts or ("power",)]
    return {"interaction": interaction, "hypotheses": found, **more}


def avs(event: Record | None, audio: bytes | None = None, **extra: bytes) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    if event is not None:
        metadata = event.message.to_json()
        parts["metadata"] = (None, metadata, "application/json")
    parts |= {} if audio is None else {"audio": ("audio", audio, PCM)}
    return parts | {name: (name, data) for name, data in extra.items()}


async def pieces(*given: bytes) -> AsyncIterator[bytes]:
    for one in given:
        yield one


# ---------------------------------------------------------------- what a door must do


async def test_the_event_that_completes_a_turn_is_answered_when_it_is_settled() -> None:
    world = World(encoder=Encoder(takes_ms=20))
    async with Door(world).client() as client:
        outcomes = []
        for one in turn().values():
            answer = await client.post("/v1/records", json=body_of(one))
            outcomes.append(answer.json()["outcome"])
    assert outcomes.count("embedded") >= 1
    assert outcomes[list(turn()).index("expect")] == "embedded"
    assert (await world.status()).outcome is Outcome.EMBEDDED


async def test_what_was_not_changed_stays_to_the_letter() -> None:
    aligner = SoundAligner(Pronouncer())
    await aligner.prepare(["It's Meg Bower, please."])  # reads the dictionary
    door = Door(World(aligner=aligner))
    door.service.ports.read_budget_ms = 60_000.0  # a busy machine is not what this is about
    async with door.client() as client:
        await ask_back(client)
        answer = await client.post(
            "/v1/utterances", json=heard("turn-2", "It's Meg Bower, please.", token="ask-turn-1")
        )
    told = answer.json()
    assert told["text"] == "It's Meg Bauer, please.", told["reason"]
    assert told["plain_text"] == "It's Meg Bower, please."
    (change,) = told["changes"]
    assert (change["from"], change["to"], change["phrase"]) == ("Bower", "Bauer", "Meg Bauer")


async def test_a_change_names_the_phrase_as_its_service_does() -> None:
    values = ["Meg Jones", {"id": "c7", "text": "Meg Bauer"}]
    listed = {"kind": "contact", "values": values}
    records = turn() | {"entities": record("ContextText.Entities", listed)}
    async with Door(World()).client() as client:
        for one in records.values():
            await client.post("/v1/records", json=body_of(one))
        answer = await client.post(
            "/v1/utterances", json=heard("turn-2", "power", "meg bauer", token="ask-turn-1")
        )
        phrases = (await client.get("/v1/turns/turn-1/phrases")).json()["phrases"]
    (change,) = answer.json()["changes"]
    assert (change["phrase"], change["id"]) == ("Meg Bauer", "c7")
    ids = {phrase["text"]: phrase["id"] for phrase in phrases}
    assert (ids["Meg Bauer"], ids["Bauer"], ids["Meg Jones"]) == ("c7", "c7", "")


async def test_a_recognize_that_comes_again_changes_nothing() -> None:
    world = World()
    async with Door(world).client() as client:
        first, again = [
            await client.post("/v20160207/events", files=avs(recognize(), SECOND)) for _ in "ab"
        ]
        assert first.content == again.content
    status = await world.status()
    assert sorted(mark.name for mark in status.marks.values()) == [
        "ContextText.Utterance", "SpeechRecognizer.Recognize",
    ]  # fmt: skip
    assert len(status.refs) == 1


async def test_an_event_is_recorded_while_its_audio_still_arrives() -> None:
    form = httpx.Request("POST", "http://door", files=avs(recognize(), SECOND))
    whole, head = form.read(), {"Content-Type": form.headers["content-type"]}
    at = whole.index(b"audio")
    recorded, seen = asyncio.Event(), []

    async def speaking() -> AsyncIterator[bytes]:
        yield whole[:at]
        await recorded.wait()
        yield whole[at:]

    async def watching(name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        seen.append(name)
        found = await call()
        if name == "record":
            recorded.set()
        return found

    door = Door(World(), hook=watching)
    async with door.client() as client:
        answer = await client.post("/v20160207/events", content=speaking(), headers=head)
    assert answer.status_code == 200
    assert seen.count("record") == 2, "the event, and then what was said"


async def test_a_recognize_without_audio_is_just_recorded() -> None:
    world = World()
    async with Door(world).client() as client:
        answer = await client.post("/v20160207/events", files=avs(recognize(), extra=b"x"))
        assert (answer.status_code, answer.content) == (204, b"")
    assert [mark.name for mark in (await world.status()).marks.values()] == [
        "SpeechRecognizer.Recognize"
    ]


def directives(answer: httpx.Response) -> list[dict[str, Any]]:
    lines = [line for line in answer.text.splitlines() if line.startswith("{")]
    return [json.loads(line)["directive"] for line in lines]


@pytest.mark.parametrize("token", ["ask-turn-1", None])
@pytest.mark.parametrize("other", [False, True])
async def test_an_answer_under_the_id_of_the_asking_turn_has_its_context(
    token: str | None, other: bool
) -> None:
    """As two AVS clients send it; whichever process handles it, and however often it comes."""
    world = World()
    doors = [Door(world), Door(world)]
    async with doors[0].client() as client, doors[other].client() as second:
        await ask_back(client)
        message = recognize("turn-1", token, number="second").message
        form: Any = {"metadata": (None, message.to_json(), "application/json"), "audio": SECOND}
        for _ in "ab":
            answer = await second.post("/v20160207/events", files=form)
            stop, said = directives(answer)
            assert said["payload"]["text"] == "meg bauer"
            assert stop["header"]["dialogRequestId"] == "turn-1", "what the client knows"
            name = said["header"]["dialogRequestId"]
            assert name != "turn-1"
            found = (await client.get(f"/v1/turns/{name}")).json()
            assert sorted(mark["name"] for mark in found["marks"]) == [
                "ContextText.Utterance", "SpeechRecognizer.Recognize",
            ]  # fmt: skip
        world.clock.skipped_ms += 1_000.0
        late = [body_of(one) for name, one in turn().items() if name in ("reply", "expect")]
        for body in late:  # the service names the id that it knows
            header = body["message"]["directive"]["header"]
            header["messageId"] += "-of-the-answer"
            body["service_payloads"] = 0
            told = (await client.post("/v1/records", json=body)).json()
            assert told["interaction"] == name
        assert told["outcome"] == "embedded"
        spoken = await client.get(f"/v1/turns/{name}/phrases")
        assert "Meg Bauer" in {one["text"] for one in spoken.json()["phrases"]}


@pytest.mark.parametrize("recorded_before", [False, True])
async def test_utterances_of_others_may_name_the_asking_turn_too(recorded_before: bool) -> None:
    async with Door(World()).client() as client:
        first = heard("turn-1", "call meg")
        assert (await client.post("/v1/utterances", json=first)).json()["interaction"] == "turn-1"
        await ask_back(client)
        body = heard("turn-1", "power", "meg bauer", token="ask-turn-1")
        if recorded_before:
            opening = recognize("turn-1", "ask-turn-1", number="second")
            told = (await client.post("/v1/records", json=body_of(opening))).json()
            assert told["interaction"] != "turn-1"
            body["record"] = False
        found = (await client.post("/v1/utterances", json=body)).json()
        assert (found["text"], found["context"]) == ("meg bauer", "hit")
        assert (found["interaction"] == "turn-1") is recorded_before, "nothing else was recorded"


async def test_the_id_of_a_finished_turn_is_noted() -> None:
    door = Door(World())
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    LOGGER.addHandler(handler)
    level = LOGGER.level
    LOGGER.setLevel(logging.INFO)
    try:
        async with door.client() as client:
            for one in (recognize(), completed()):
                told = await client.post("/v1/records", json=body_of(one))
                assert told.json()["note"] == ""
            assert told.json()["outcome"] == "discarded"
            door.world.clock.skipped_ms += 1_000.0
            again = recognize(number="second")
            told = await client.post("/v1/records", json=body_of(again))
            assert "dialogRequestId" in told.json()["note"]
            answer = await client.post("/v20160207/events", files=avs(again, SECOND))
            assert "dialogRequestId" in answer.headers["ctxasr-note"]
            assert '{"text": "power"}' in answer.text, "it is answered all the same"
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(level)
    assert lines.count("dialogRequestId of a finished turn") == 2


async def test_an_utterance_that_comes_again_after_its_turn_has_asked_is_noted() -> None:
    """The door makes its Recognize itself, so without a token it is no answer."""
    door = Door(World())
    async with door.client() as client:
        for _ in range(2):
            told = (await client.post("/v1/utterances", json=heard("turn-1", "call meg"))).json()
            assert (told["interaction"], told["note"]) == ("turn-1", "")
            door.world.clock.skipped_ms += 1_000.0
        for name, one in turn().items():
            if name not in ("recognize", "utterance"):
                status = await client.post("/v1/records", json=body_of(one))
        assert status.json()["outcome"] == "embedded"
        door.world.clock.skipped_ms += 1_000.0
        told = (await client.post("/v1/utterances", json=heard("turn-1", "bower"))).json()
        assert (told["interaction"], told["text"]) == ("turn-1", "bower")
        assert "give an answer its token" in told["note"]
        answer = heard("turn-1", "meg bower", token="ask-turn-1")
        for _ in range(2):
            told = (await client.post("/v1/utterances", json=answer)).json()
            assert told["interaction"].startswith("answer-")
            assert (told["context"], told["note"]) == ("hit", "")


NO_TURN = [
    ("System.SynchronizeState", {"messageId": ""}),
    ("System.SynchronizeState", {"messageId": "m"}),
    ("System.UserInactivityReport", {"messageId": "m", "dialogRequestId": ""}),
    ("SpeechRecognizer.ExpectSpeechTimedOut", {"messageId": "m"}),
    ("SpeechSynthesizer.SpeechFinished", {"messageId": "m"}),
    ("SpeechSynthesizer.SpeechFinished", {"messageId": "", "dialogRequestId": "turn-1"}),
]


@pytest.mark.parametrize(("full_name", "ids"), NO_TURN)
@pytest.mark.parametrize("part", ["metadata", "request"])
async def test_what_belongs_to_no_turn_is_left_out(
    full_name: str, ids: dict[str, str], part: str
) -> None:
    namespace, name = full_name.split(".")
    header = {"namespace": namespace, "name": name, **ids}
    message = {"event": {"header": header, "payload": {"token": "never-spoken"}}}
    world = World()
    async with Door(world).client() as client:
        for context in (json.loads("[]"), json.loads("{}")):
            given = json.dumps({"context": context, **message})
            form: Any = {part: (part, given, "application/json;")}
            answer = await client.post("/v20160207/events", files=form)
            assert (answer.status_code, answer.content) == (204, b"")
        answer = await client.post("/v1/records", json={"message": message, "interaction": ""})
        found = answer.json()
        assert (answer.status_code, found["interaction"]) == (200, None)
        assert "is missing or empty" in found["ignored"]
        assert (await client.get("/v1/turns/turn-1")).status_code == 404
    assert await world.store.turns("customer") == []


@pytest.mark.parametrize("payload", [{}, {"payload": None}, {"payload": {"token": None}}])
async def test_the_payload_of_what_belongs_to_no_turn_is_not_judged(payload: Any) -> None:
    header = {"namespace": "SpeechSynthesizer", "name": "SpeechStarted", "messageId": "m"}
    message = {"context": None, "event": {"header": header, **payload}}
    given = {"message": message, "device": None, "service_payloads": None}
    async with Door(World()).client() as client:
        form: Any = {"metadata": ("metadata", json.dumps(message))}
        assert (await client.post("/v20160207/events", files=form)).status_code == 204
        answer = await client.post("/v1/records", json=given)
        assert (answer.status_code, answer.json()["interaction"]) == (200, None)
        answer = await client.post("/v1/records", json={**given, "interaction": "turn-1"})
        assert answer.status_code == 422, "it would be lost"
        assert "token" in answer.json()["detail"]


ODD = [None, 3, True, "", "  ", "x/y", "m" * 300, "x", [], [None], ["a"], {}, {"a": None}]


@pytest.mark.parametrize("field", ["namespace", "name", "messageId", "dialogRequestId"])
async def test_the_header_of_what_belongs_to_no_turn_is_not_judged(field: str) -> None:
    world = World()
    async with Door(world).client() as client:
        for odd in ODD:
            ids = {"dialogRequestId": odd} if field == "dialogRequestId" else {"messageId": "m"}
            header = {"namespace": "System", "name": "SynchronizeState", **ids, field: odd}
            form: Any = {"metadata": ("m", json.dumps({"event": {"header": header}}))}
            answer = await client.post("/v20160207/events", files=form)
            assert (answer.status_code, answer.content) == (204, b""), odd
    assert await world.store.turns("customer") == []


@pytest.mark.parametrize("field", ["namespace", "messageId", "dialogRequestId"])
@pytest.mark.parametrize("odd", [3, True, ["a"], {"a": None}, "m" * 300])
async def test_a_recognize_with_an_odd_header_is_refused(field: str, odd: Any) -> None:
    """Also where it names no turn: what was said would be lost."""
    given = recognize().message.model_dump(by_alias=True, exclude_unset=True)["event"]
    for ids in ({}, {"messageId": None}, {"dialogRequestId": None}):
        event = given | {"header": given["header"] | ids | {field: odd}}
        form: Any = {"metadata": ("m", json.dumps({"event": event})), "audio": ("a", SECOND, PCM)}
        async with Door(World()).client() as client:
            answer = await client.post("/v20160207/events", files=form)
            assert answer.status_code == 422
            assert field in answer.json()["detail"] or ids


async def test_a_context_of_an_odd_shape_costs_no_event() -> None:
    given = recognize().message.model_dump(by_alias=True, exclude_unset=True)
    async with Door(World()).client() as client:
        for number, odd in enumerate(ODD):
            message = json.loads(json.dumps(given | {"context": odd}))
            message["event"]["header"] |= {"messageId": "m", "dialogRequestId": f"turn-{number}"}
            form: Any = {"metadata": ("m", json.dumps(message)), "audio": ("a", SECOND, PCM)}
            answer = await client.post("/v20160207/events", files=form)
            assert '{"text": "power"}' in answer.text, odd
            answer = await client.post("/v1/records", json={"message": message})
            assert answer.json()["interaction"] == f"turn-{number}", odd


@pytest.mark.parametrize("event", ["x", 3, [], None, {"header": {"name": "Recognize"}}])
async def test_what_is_no_event_is_refused(event: Any) -> None:
    form: Any = {"metadata": ("m", json.dumps({"event": event}))}
    async with Door(World()).client() as client:
        assert (await client.post("/v20160207/events", files=form)).status_code == 422


@pytest.mark.parametrize("ids", [{"messageId": ""}, {"dialogRequestId": ""}])
async def test_a_recognize_that_belongs_to_no_turn_is_refused(ids: dict[str, str]) -> None:
    message = recognize().message.model_dump(by_alias=True, exclude_unset=True)
    message["event"]["header"] |= ids
    form: Any = {"request": ("request", json.dumps(message)), "audio": ("audio", SECOND, PCM)}
    async with Door(World()).client() as client:
        answer = await client.post("/v20160207/events", files=form)
    assert (answer.status_code, answer.json()["title"]) == (422, "EnvelopeError")
    assert next(iter(ids)) in answer.json()["detail"]


async def test_what_avs_clients_ask_and_how_they_name_parts() -> None:
    event = recognize().message.to_json()
    quoted = (
        f"--b\r\nContent-Disposition: form-data; name='request'\r\n\r\n{event}\r\n"
        "--b\r\nContent-Disposition: form-data; name='audio'\r\n\r\n"
    ).encode() + SECOND + b"\r\n--b--\r\n"  # fmt: skip
    head = {"Content-Type": "multipart/form-data; boundary=b"}
    async with Door(World()).client() as client:
        answer = await client.get("/ping")
        assert (answer.status_code, answer.content) == (204, b"")
        answer = await client.get("/ping", headers={"Authorization": "Bearer x"})
        assert answer.status_code == 401
        answer = await client.post("/v20160207/events", content=quoted, headers=head)
        assert '{"text": "power"}' in answer.text
        both: Any = {"metadata": ("m", event), "request": ("r", event), "audio": ("a", SECOND)}
        late: Any = {"audio": ("a", SECOND), "request": ("r", event)}
        for files in (both, late):
            assert (await client.post("/v20160207/events", files=files)).status_code == 422


async def test_halves_of_surrogate_pairs_are_no_fault() -> None:
    """JSON can escape them, UTF-8 cannot hold them."""
    half = "\ud800"
    kinds = [{"name": half, "values": [{"name": {"value": f"meg {half}bauer"}}]}]
    names = {"kind": "contact", "values": [f"{half}Meg{half}"]}
    bodies = [
        {"message": envelope("Dialog.UpdateDynamicEntities", {"types": kinds}, "turn-1", "a")},
        {"message": envelope("ContextText.Entities", names, "turn-1", "b")},
        *map(body_of, turn().values()),
    ]
    async with Door(World()).client() as client:
        for body in bodies:
            head = {"Content-Type": "application/json"}
            answer = await client.post(
                "/v1/records", content=json.dumps(body).encode(), headers=head
            )
            assert answer.status_code in (200, 422), answer.text
        for path in ("", "/context", "/phrases", "/phrases?format=ask", "/phrases?format=nemo"):
            answer = await client.get(f"/v1/turns/turn-1{path}")
            assert answer.status_code in (200, 409), path
        for given in (heard(half), heard("a", half), heard("a", token=half)):
            given_bytes = json.dumps(given | {half: half}).encode()
            answer = await client.post("/v1/utterances", content=given_bytes, headers=head)
            assert answer.status_code == 422


async def test_the_device_of_a_token_goes_before_that_of_a_body() -> None:
    door = Door(World())
    grant = auth.Grant(customer="customer", device="kitchen")
    message = recognize().message
    assert door.service.record_of(grant, message, "bath").device == "kitchen"
    assert door.service.record_of(auth.Grant(customer="c"), message, "bath").device == "bath"


# ---------------------------------------------------------------- when others fail


def failing(*names: str) -> Callable[[str, Callable[[], Awaitable[Any]]], Awaitable[Any]]:
    async def hook(name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        if name in names:
            raise StoreUnavailable("http://endpoint: no answer")
        return await call()

    return hook


async def test_the_text_comes_whatever_the_store_does() -> None:
    """KMS or all of the store are out: the recogniser's own text, and `recorded` is false."""
    for out in (["new_key"], ["record", "open_key", "follow", "read"]):
        door = Door(World(), hook=failing(*out))
        query = {"interaction": "turn-2", "token": "ask-turn-1"}
        async with door.client() as client:
            answer = await client.post(
                "/v1/recognise", params=query, content=SECOND, headers={"Content-Type": PCM}
            )
            found = answer.json()
            assert (answer.status_code, found["text"]) == (200, "power")
            assert (found["context"], found["recorded"]) == ("missed", False)
            form = avs(recognize("turn-3", "ask-turn-1"), SECOND)
            answer = await client.post("/v20160207/events", files=form)
            assert '{"text": "power"}' in answer.text
            record = turn()["utterance"]
            refused = await client.post("/v1/records", json=body_of(record))
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert "endpoint" not in refused.text, "where the store is, is nobody's business"


async def test_not_ready_while_the_store_is_out_or_the_service_stops() -> None:
    door = Door(World(), hook=failing("read"))
    async with door.client() as client:
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["reason"]) == (503, "the store does not answer")
        assert (await client.get("/healthz")).status_code == 200
    door = Door(World())
    async with door.client() as client:
        assert (await client.get("/readyz")).status_code == 200
        door.service.stop()
        assert (await client.get("/readyz")).json()["reason"] == "stopping"


async def test_a_dead_recogniser_is_made_anew() -> None:
    door = Door(World())
    door.ear.dead = True
    loaded = door.ears[1].gate = asyncio.Event()
    async with door.client() as client:

        async def recognise() -> httpx.Response:
            sound = {"Content-Type": PCM}
            return await client.post("/v1/recognise?interaction=a", content=SECOND, headers=sound)

        assert (await recognise()).status_code == 503
        assert "loads" in (await client.get("/readyz")).json()["reason"]
        assert (await recognise()).status_code == 503
        loaded.set()
        await until_ready(client)
        assert (await recognise()).json()["text"] == "remade"
    assert door.ear.closed, "its threads and pipes are let go of"


async def until_ready(client: httpx.AsyncClient) -> None:
    for _ in range(10_000):
        if (await client.get("/readyz")).status_code == 200:
            return
        await asyncio.sleep(0)  # in memory, a request waits for nothing
    raise AssertionError((await client.get("/readyz")).text)


async def test_a_recogniser_that_cannot_be_loaded_is_tried_again_one_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "REMAKE_PAUSE_S", 3_600.0)
    door = Door(World())
    door.ear.dead = True

    async def fail() -> None:
        raise MissingPart("no model")

    monkeypatch.setattr(door.ears[1], "load", fail)
    async with door.client() as client:
        for _ in range(20):
            sound = {"Content-Type": PCM}
            answer = await client.post("/v1/recognise?interaction=a", content=SECOND, headers=sound)
            assert answer.json()["title"] == "RecogniserDied", "a third one would be StopIteration"
        assert (await client.get("/readyz")).status_code == 503
    await door.service.close()
    assert all(ear.closed for ear in door.ears)


async def test_a_fault_says_its_place_and_no_text() -> None:
    async def quoting(name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        raise RuntimeError("zanzibarcanary")

    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(JsonLines().format(record))  # type: ignore[method-assign]
    LOGGER.addHandler(handler)
    try:
        async with Door(World(), hook=quoting).client() as client:
            answer = await client.get("/v1/turns/turn-1")
    finally:
        LOGGER.removeHandler(handler)
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "zanzibarcanary" not in answer.text + "".join(lines)
    faults = [line for line in map(json.loads, lines) if line["what"] == "fault"]
    assert [line["error"] for line in faults] in ([], ["RuntimeError"])


# ---------------------------------------------------------------- limits, at their edges


@pytest.mark.parametrize("chunked", [False, True])
async def test_body_size(chunked: bool) -> None:
    async with Door(World()).client() as client:

        async def post(path: str, size: int) -> int:
            given: Any = pieces(bytes(size - 1), b"\0") if chunked else bytes(size)
            headers = {"Content-Type": PCM if "recognise" in path else "application/json"}
            answer = await client.post(path, content=given, headers=headers)
            assert answer.headers["content-type"] == "application/problem+json"
            return answer.status_code

        assert await post("/v1/records", limits.JSON_BYTES_MAX) in (400, 422)
        assert await post("/v1/records", limits.JSON_BYTES_MAX + 1) == 413
        sound = "/v1/recognise?interaction=a"
        answer = await client.post(
            sound, content=bytes(limits.PCM_BYTES_MAX), headers={"Content-Type": PCM}
        )
        assert answer.status_code == 200
        assert await post(sound, limits.PCM_BYTES_MAX + 2) == 413
        assert await post(sound, limits.SOUND_BYTES_MAX + 1) == 413
        assert await post(sound, 3) == 422, "half a sample"


async def test_multipart() -> None:
    event = recognize()
    async with Door(World()).client() as client:

        async def post(files: Any, path: str = "/v20160207/events") -> int:
            return (await client.post(path, files=files)).status_code

        assert await post(avs(event, bytes(limits.PCM_BYTES_MAX))) == 200
        assert await post(avs(event, bytes(limits.PCM_BYTES_MAX + 2))) == 413
        more = {f"part-{n}": b"x" for n in range(limits.PARTS_MAX - 2)}
        assert await post(avs(event, SECOND, **more)) == 200
        assert await post(avs(event, SECOND, **more, last=b"x")) == 413
        assert await post(avs(None, SECOND)) == 422
        assert await post([*avs(event).items(), *avs(event).items()]) == 422
        assert await post({"metadata": (None, b"\xff")}) == 422
        assert await post({"metadata": (None, b" " * 262_145)}) == 413
        opus = recognize()
        payload = opus.message.message.payload.model_copy(update={"format": "OPUS"})
        event_in = opus.message.message.model_copy(update={"payload": payload})
        envelope = opus.message.model_copy(update={"event": event_in})
        assert await post(avs(opus.model_copy(update={"message": envelope}), SECOND)) == 422

        form = httpx.Request("POST", "http://door", files=avs(event, SECOND))
        whole, head = form.read(), {"Content-Type": form.headers["content-type"]}
        for cut in (whole[:-6], whole[: len(whole) // 2], b"", b"\r\n", b"--", whole[3:]):
            answer = await client.post("/v20160207/events", content=cut, headers=head)
            assert answer.status_code == 422, cut[:20]
        bytewise = client.build_request(
            "POST", "/v20160207/events", headers=head,
            content=pieces(*(whole[at : at + 1] for at in range(900)), whole[900:]),
        )  # fmt: skip
        assert (await client.send(bytewise)).status_code == 200


async def test_headers() -> None:
    async with Door(World()).client() as client:
        sent = len(client.build_request("GET", "/v1/turns/a").headers.raw)
        most = {f"x-{n}": "x" for n in range(limits.HEADERS_MAX - sent)}
        assert (await client.get("/v1/turns/a", headers=most)).status_code == 404
        answer = await client.get("/v1/turns/a", headers=most | {"x-more": "x"})
        assert answer.status_code == 431
        twice = [("Authorization", client.headers["authorization"])] * 2
        assert (await client.get("/v1/turns/a", headers=httpx.Headers(twice))).status_code == 401


async def test_rate_of_one_customer() -> None:
    door = Door(World(), rate_per_min=3)
    async with door.client() as client, door.client("other") as other:
        codes = [(await client.get("/v1/turns/a")).status_code for _ in range(5)]
        assert codes[:3] == [404] * 3
        assert codes[4] == 429, "the fourth may fall into the next minute"
        refused = await client.post("/v1/sweep")
        assert int(refused.headers["retry-after"]) >= 1
        assert (await other.get("/v1/turns/a")).status_code == 404
        assert (await client.get("/healthz")).status_code == 200


async def test_requests_and_utterances_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REQUESTS_MAX", 2)
    monkeypatch.setattr(limits, "RECOGNITIONS_MAX", 1)
    door = Door(World())
    gate = door.ear.gate = asyncio.Event()
    async with door.client() as client:

        async def recognise() -> httpx.Response:
            sound = {"Content-Type": PCM}
            return await client.post("/v1/recognise?interaction=a", content=SECOND, headers=sound)

        first = asyncio.create_task(recognise())
        await door.ear.listens.wait()
        busy = await recognise()
        assert (busy.status_code, busy.headers["retry-after"]) == (503, "1")
        assert busy.json()["title"] == "RecogniserBusy"
        monkeypatch.setattr(limits, "REQUESTS_MAX", 1)
        busy = await client.get("/v1/turns/a")
        assert (busy.status_code, busy.json()["title"]) == (503, "Busy")
        assert (await client.get("/readyz")).status_code == 200
        gate.set()
        assert (await first).status_code == 200
        assert (await recognise()).status_code == 200, "the places are free again"


async def test_a_body_that_stops_coming(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_PAUSE_S_MAX", 0.02)
    monkeypatch.setattr(limits, "DRAIN_S_MAX", 0.02)

    async def half() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async with Door(World()).client() as client:
        head = {"Content-Type": "application/json"}
        answer = await client.post("/v1/records", content=half(), headers=head)
    assert answer.status_code == 408


async def test_a_refused_body_is_read_on_for_a_moment_and_no_longer() -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 65_536
            yield bytes(65_536)

    async with Door(World()).client() as client:
        answer = await client.post("/v1/records", content=endless())
        assert (answer.status_code, answer.headers["connection"]) == (413, "close")
        assert sent <= limits.JSON_BYTES_MAX + limits.DRAIN_BYTES_MAX + 3 * 65_536
        answer = await client.post("/v1/records", content=bytes(limits.JSON_BYTES_MAX + 1))
        assert (answer.status_code, answer.headers.get("connection")) == (413, None)


async def test_durations() -> None:
    async with Door(World()).client() as client:
        for given, code in ((COUNT_MAX, 200), (COUNT_MAX + 1, 422), (10**4000, 422)):
            reply = body_of(turn()["reply"])
            reply["message"]["directive"]["payload"]["durationInMilliseconds"] = given
            answer = await client.post("/v1/records", json=reply)
            assert answer.status_code == code


async def test_listenings_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LISTENINGS_MAX", 2)
    door = Door(World())
    async with door.client() as client:
        for n in range(5):
            one = recognize(f"turn-{n}", "token")
            await client.post("/v1/records", json=body_of(one))
        kept = [name for _, name in door.service.remembered.listenings._kept]
    assert kept == ["turn-3", "turn-4"]


# ---------------------------------------------------------------- sweep and end


async def test_the_sweep_closes_what_nobody_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SWEEP_PAUSE_S", 0.0)
    world, closed = World(), asyncio.Event()

    async def watching(name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        try:
            return await call()
        finally:
            if name == "settle":
                closed.set()

    door = Door(world, hook=watching)
    async with door.client() as client:
        await client.post("/v1/records", json=body_of(turn()["utterance"]))
        assert (await client.post("/v1/sweep")).json() == {"settled": 0}
        world.clock.skipped_ms = door.service.ports.grace_ms + 1_000
        sweeping = asyncio.create_task(door.service.sweep_for_ever())
        await closed.wait()
        sweeping.cancel()
        assert (await client.get("/v1/turns/turn-1")).json()["outcome"] == "discarded"


async def test_a_sweep_that_hangs_or_fails_holds_up_no_other_customer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "SWEEP_PAUSE_S", 0.0)
    world = World()
    door = Door(world)
    rounds: Counter[str] = Counter()
    first, three, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def swept(customer: str, _: Ports) -> int:
        rounds[customer] += 1
        if customer == "other":
            (first if rounds[customer] < 3 else three).set()
        if customer == "fails":
            raise StoreUnavailable("one turn was not closed")
        if customer == "hangs":
            await go_on.wait()
        return 0

    monkeypatch.setattr(service, "sweep", swept)
    door.service.saw("hangs", "fails", "other", "silent")
    world.clock.skipped_ms = limits.SEEN_S * 1_000.0 + 1.0
    door.service.saw("other")
    sweeping = asyncio.create_task(door.service.sweep_for_ever())
    await first.wait()  # beside the one that hangs
    assert rounds["hangs"] == 1
    go_on.set()
    await three.wait()
    sweeping.cancel()
    assert rounds["fails"] >= 2, "silent, and yet there is a turn to be closed"
    assert rounds["silent"] == rounds["hangs"] == 1


async def test_closing_waits_for_what_is_under_way_and_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    held, written = asyncio.Event(), asyncio.Event()

    async def slow(name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        if name == "record":
            written.set()
            await held.wait()
        return await call()

    for in_time in (True, False):
        monkeypatch.setattr(limits, "GRACE_S", 60.0 if in_time else 0.0)
        held.clear()
        written.clear()
        door = Door(world, hook=slow)
        async with door.client() as client:
            name = f"turn-{in_time}"
            body = body_of(recognize(name))
            sent = asyncio.create_task(client.post("/v1/records", json=body))
            await written.wait()
            sent.cancel()  # the client goes away; what it sent is recorded all the same
            closing = asyncio.create_task(door.service.close())
            await asyncio.sleep(0)
            if in_time:
                held.set()
            await closing
        assert door.ear.closed
        status = await world.store.read(TurnKey("customer", name))
        assert (status is not None) is in_time
