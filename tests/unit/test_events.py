"""Genuine envelopes in and out without loss; wrong ones named by field, never quoted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conftest import envelope, record
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ctxasr.envelopes import (
    BODIES,
    COUNT_MAX,
    MESSAGE_BYTES_MAX,
    SERVICE_PAYLOADS_MAX,
    Body,
    Envelope,
    ExpectSpeech,
    Recognize,
    Record,
    Speak,
    UpdateDynamicEntities,
    read_envelope,
)
from ctxasr.errors import EnvelopeError, LimitExceeded
from ctxasr.events import (
    ENTITIES_MAX,
    KIND_CHARS_MAX,
    TEXT_BYTES_MAX,
    Entity,
    Event,
    Mark,
    Payload,
    PayloadKind,
    PayloadRef,
    TurnText,
    belongs_to_no_turn,
    to_event,
)
from ctxasr.hypotheses import (
    PHRASE_CHARS_MAX,
    Arc,
    Change,
    Hypothesis,
    Lattice,
    Phrase,
    Recognition,
    Result,
)
from ctxasr.timing import spoken_ms

SECRET = "wombat sings at noon"
VTT = "WEBVTT\n\n1\n00:00.000 --> 00:01.260\nWhich Meg\n\n2\n00:01.3 --> 00:02.0\ndo you mean?"
WAKE_WORD = {"wakeWordIndices": {"startIndexInSamples": 8000, "endIndexInSamples": 16000}}

GENUINE: dict[str, list[dict[str, Any]]] = {
    "SpeechRecognizer.Recognize": [
        {"profile": "FAR_FIELD", "format": "AUDIO_L16_RATE_16000_CHANNELS_1",
         "initiator": {"type": "WAKEWORD", "payload": WAKE_WORD}, "startOfSpeechTimestamp": "17"},
        {"profile": "NEAR_FIELD", "format": "OPUS", "initiator": "opaque string"},
        {"initiator": {"type": "TAP", "payload": {"token": "t", "extra": [1, None]}}},
        {},
    ],
    "SpeechRecognizer.ExpectSpeech": [
        {"timeoutInMilliseconds": 8000, "initiator": {"type": "a", "payload": {"token": "t"}}},
        {"timeoutInMilliseconds": 0, "initiator": "opaque"},
        {"timeoutInMilliseconds": 8000},
    ],
    "SpeechRecognizer.ExpectSpeechTimedOut": [{}],
    "SpeechRecognizer.StopCapture": [{}],
    "SpeechRecognizer.SetEndOfSpeechOffset": [{"endOfSpeechOffsetInMilliseconds": 12}],
    "SpeechSynthesizer.Speak": [
        {"url": "cid:1", "format": "AUDIO_MPEG", "token": "t", "playBehavior": "ENQUEUE",
         "caption": {"content": VTT, "type": "WEBVTT"}},
        {"url": "cid:1", "format": "AUDIO_MPEG", "token": "t", "caption": "Which Meg"},
    ],
    "SpeechSynthesizer.SpeechStarted": [{"token": "t"}],
    "SpeechSynthesizer.SpeechFinished": [{"token": "t"}],
    "SpeechSynthesizer.SpeechInterrupted": [{"token": "t", "offsetInMilliseconds": 3}],
    "InteractionModel.NewDialogRequest": [{"dialogRequestId": "d"}],
    "InteractionModel.RequestProcessingCompleted": [{}],
    "Dialog.ElicitSlot": [{"slotToElicit": "contact", "updatedIntent": {"name": "Call"}}],
    "Dialog.UpdateDynamicEntities": [
        {"updateBehavior": "REPLACE", "types": [
            {"name": "Contact", "values": [
                {"id": "1", "name": {"value": "Meg Bauer", "synonyms": ["Meggie"]}},
                {"id": "2", "name": {"value": "Meg Jones"}}]},
            {"name": "Device", "values": [{"name": {"value": "kettle"}}]}]},
        {"updateBehavior": "CLEAR"},
    ],
    "ContextText.Utterance": [{"text": "call meg"}],
    "ContextText.Reply": [{"text": "Which?", "durationInMilliseconds": 900}, {"text": ""}],
    "ContextText.Entities": [{"kind": "contact", "values": ["Meg", "Zoë"]}],
    "ContextText.ScreenList": [{"items": []}],
    "Some.NewDirective": [{"anything": {"nested": [1, 2.5, None, True, "\u2603"]}}],
}  # fmt: skip
CASES = [(name, payload) for name, payloads in GENUINE.items() for payload in payloads]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False,
                                                                      allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
EXTRAS = st.dictionaries(st.text(min_size=1).map(lambda text: f"x-{text}"), JSON, max_size=3)


def test_every_known_body_has_a_genuine_case() -> None:
    assert set(BODIES) <= set(GENUINE)


@pytest.mark.parametrize(("full_name", "payload"), CASES)
def test_genuine_envelopes_survive_unchanged(full_name: str, payload: dict[str, Any]) -> None:
    given = envelope(full_name, payload, "turn-1", "m")
    (message,) = given.values()
    message["header"] |= {"payloadVersion": "3", "correlationToken": "c"}
    given["context"] = [{"header": {"namespace": "a", "name": "b"}, "payload": {"volume": 50}}]
    read = read_envelope(json.dumps(given))
    assert json.loads(read.to_json()) == given
    assert type(read.message.payload) is BODIES.get(full_name, Body)


@given(st.sampled_from(CASES), EXTRAS, EXTRAS, EXTRAS)
def test_fields_that_we_do_not_know_survive(
    case: tuple[str, dict[str, Any]], inside: Any, beside: Any, above: Any
) -> None:
    given = envelope(case[0], case[1] | inside, "turn-1", "m") | above
    message = given.get("event") or given["directive"]
    message |= beside
    message["header"] |= beside
    assert json.loads(read_envelope(json.dumps(given)).to_json()) == given


@pytest.mark.parametrize(
    ("full_name", "payload"),
    [
        *(("SpeechRecognizer.ExpectSpeech", given) for given in (
            None, {}, {"timeoutInMilliseconds": None, "initiator": None},
            {"timeoutInMilliseconds": -1}, {"timeoutInMilliseconds": "8 s", "initiator": {}},
            {"initiator": {"type": None, "payload": None}},
        )),
        *(("SpeechRecognizer.Recognize", given) for given in (
            None, {"profile": None, "format": None, "startOfSpeechTimestamp": None},
            {"initiator": {"payload": {"token": None, "wakeWordIndices": None}}, "speechId": None},
        )),
        ("SpeechSynthesizer.Speak", {"url": None, "format": None, "token": None, "caption": None}),
        ("InteractionModel.RequestProcessingCompleted", None),
    ],
)  # fmt: skip
def test_null_means_absent(full_name: str, payload: dict[str, Any] | None) -> None:
    given = envelope(full_name, {}, "turn-1", "m")
    (message,) = given.values()
    message["payload"] = payload
    message["header"] |= {"payloadVersion": 3, "correlationToken": None}
    missing = envelope(full_name, {}, "turn-1", "m")
    del next(iter(missing.values()))["payload"]
    for document in (given, missing):
        read = read_envelope(json.dumps({"context": None, **document})).message.payload
        assert isinstance(read, BODIES[full_name])
        assert not isinstance(read, Recognize | ExpectSpeech) or read.link is None
        assert not isinstance(read, Recognize) or read.format == "AUDIO_L16_RATE_16000_CHANNELS_1"
    outer = {"customer": "amy", "received_at": 1, "message": given}
    record = Record.model_validate({**outer, "device": None, "service_payloads": None})
    assert record == Record.model_validate(outer)


@pytest.mark.parametrize("payload", [None, {"token": 5}, [SECRET], {}])
@pytest.mark.parametrize("ids", [("", "m"), ("turn-1", "")])
def test_a_message_of_no_turn_may_hold_anything(ids: tuple[str, str], payload: Any) -> None:
    given = envelope("SpeechSynthesizer.SpeechFinished", {}, "turn-1", "m")
    (message,) = given.values()
    message["payload"] = payload
    message["header"] |= {"dialogRequestId": ids[0], "messageId": ids[1]}
    read = read_envelope(json.dumps(given))
    assert belongs_to_no_turn(read.message)
    outer = {"customer": "amy", "received_at": 1, "message": read, "interaction": "turn-1"}
    if ids[1]:
        with pytest.raises(EnvelopeError, match=r"SpeechFinished: payload\.") as caught:
            to_event(Record.model_validate(outer), 60)
        assert "wombat" not in str(caught.value)


def wrong(full_name: str = "ContextText.Utterance", **changes: Any) -> dict[str, Any]:
    (message,) = envelope(full_name, {"text": SECRET}, "turn-1", "m").values()
    return {"directive": message | changes}


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({}, "either 'event' or 'directive'"),
        ({**wrong(), "event": wrong()["directive"]}, "either 'event' or 'directive'"),
        ([SECRET], "envelope"),
        ({"directive": {"payload": {"text": SECRET}}}, "directive.header: Field required"),
        (wrong(header={"namespace": "A", "name": "b", "messageId": 7}), "header.messageId"),
        (wrong(header={"namespace": "A", "name": "b", "messageId": "m" * 257}), "header.messageId"),
        (wrong(header={"namespace": SECRET, "name": "b", "messageId": "m"}), "header.namespace"),
        (wrong(payload=SECRET), "directive.payload"),
        (wrong(payload=None), "directive.payload"),
        (wrong(payload={"text": 5}), "directive.payload.text"),
        (wrong(payload={"text": None}), "directive.payload.text"),
        (wrong("ContextText.Entities", payload={"kind": "x", "values": [SECRET, {}]}),
         "directive.payload.values.1"),
        (wrong("SpeechRecognizer.ExpectSpeech",
               payload={"timeoutInMilliseconds": 1, "initiator": {"type": [SECRET]}}),
         "payload.initiator"),
        (wrong("SpeechRecognizer.Recognize", payload={"initiator": {
            "type": "x", "payload": {"wakeWordIndices": {SECRET: 1, "startIndexInSamples": "x"}}}}),
         "wakeWordIndices.startIndexInSamples"),
        ({"directive": {k: v for k, v in wrong()["directive"].items() if k == "header"}},
         "directive.payload.text: Field required"),
    ],
)  # fmt: skip
def test_a_wrong_envelope_is_named_by_its_field_and_never_quoted(document: Any, field: str) -> None:
    with pytest.raises(EnvelopeError) as raised:
        read_envelope(json.dumps(document))
    assert field in str(raised.value)
    assert "wombat" not in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"\xff" + SECRET.encode(), "not UTF-8"),
        ("", "is empty"),
        (f'{{"directive": {SECRET}', "not JSON"),
        ("[" * 200_000, "not JSON"),
        ('{"a":' * 40_000, "not JSON"),
        ("1" * 5_000, "not JSON"),
        ('{"directive": NaN}', "not JSON"),
        (json.dumps(wrong(payload={"text": "\ud800"})), "not JSON"),
        ('"\ud800"', "not UTF-8"),
    ],
)
def test_what_is_no_json_is_refused(text: str | bytes, why: str) -> None:
    with pytest.raises(EnvelopeError, match=why) as raised:
        read_envelope(text)
    assert "wombat" not in str(raised.value)


def test_a_deeply_nested_envelope_is_read_and_written_or_refused() -> None:
    for depth in (50, 150, 190, 250):
        deep = f"{'[' * depth}{']' * depth}"
        given = json.dumps(wrong("A.b", payload={"x": 1})).replace("1}", f"{deep}}}")
        try:
            read = read_envelope(given)
        except EnvelopeError:
            assert depth > 150
        else:
            assert json.loads(read.to_json()) == json.loads(given)


# ---------------------------------------------------------------- limits


def test_message_bytes_max_at_its_edge() -> None:
    text = json.dumps(wrong())
    read_envelope(text + " " * (MESSAGE_BYTES_MAX - len(text)))
    with pytest.raises(LimitExceeded, match="MESSAGE_BYTES_MAX is 262144, got 262145"):
        read_envelope(text + " " * (MESSAGE_BYTES_MAX + 1 - len(text)))


@pytest.mark.parametrize(
    ("full_name", "field", "item"),
    [
        ("ContextText.Entities", "values", 1),
        ("ContextText.Entities", "values", {}),
        ("ContextText.Entities", "values", {"id": "", "text": "meg"}),
        ("ContextText.ScreenList", "items", []),
    ],
)
def test_of_a_list_that_is_wrong_throughout_the_first_fault_is_told(
    full_name: str, field: str, item: Any
) -> None:
    """Counting a hundred thousand of them held up the event loop for half a second."""
    many = {field: [item] * 1_000}
    given = envelope(full_name, {"kind": "contact"} | many, "turn-1", "m")
    with pytest.raises(ValidationError) as told:
        Envelope.model_validate(given)
    assert told.value.error_count() <= 3, "of one item, in whatever form it could have"
    with pytest.raises(EnvelopeError, match=rf"\b{field}\b.*\b0\b"):
        read_envelope(json.dumps(given))


def event(full_name: str, payload: dict[str, Any], **outer: Any) -> Event:
    return to_event(record(full_name, payload, **outer), 600)


@pytest.mark.parametrize(
    ("full_name", "payload_of", "edge", "limit"),
    [
        ("ContextText.Utterance", lambda n: {"text": "x" * n}, TEXT_BYTES_MAX, "TEXT_BYTES_MAX"),
        ("ContextText.Reply", lambda n: {"text": "é" * (n // 2) + "x" * (n % 2)}, TEXT_BYTES_MAX,
         "TEXT_BYTES_MAX"),
        ("SpeechSynthesizer.Speak",
         lambda n: {"url": "u", "format": "f", "token": "t", "caption": "x" * n}, TEXT_BYTES_MAX,
         "TEXT_BYTES_MAX"),
        ("ContextText.Entities", lambda n: {"kind": "k", "values": ["x"] * n}, ENTITIES_MAX,
         "ENTITIES_MAX"),
        ("ContextText.ScreenList", lambda n: {"items": ["x"] * n}, ENTITIES_MAX, "ENTITIES_MAX"),
        ("ContextText.ScreenList", lambda n: {"items": ["é" * n]}, PHRASE_CHARS_MAX,
         "PHRASE_CHARS_MAX"),
        ("Dialog.ElicitSlot", lambda n: {"slotToElicit": "x" * n}, PHRASE_CHARS_MAX,
         "PHRASE_CHARS_MAX"),
        ("Dialog.UpdateDynamicEntities", lambda n: {"types": [{"name": "k", "values": [
            {"name": {"value": f"{i}"}} for i in range(n)]}]}, ENTITIES_MAX, "ENTITIES_MAX"),
        ("ContextText.Entities", lambda n: {"kind": "k" * n, "values": ["x"]}, KIND_CHARS_MAX,
         "payload.kind: KIND_CHARS_MAX"),
        ("Dialog.UpdateDynamicEntities", lambda n: {"types": [
            {"name": "k", "values": [{"name": {"value": "x"}}]}, {"name": "k" * n}]},
         KIND_CHARS_MAX, "payload.types.1.name: KIND_CHARS_MAX"),
    ],
)  # fmt: skip
def test_limits_hold_at_their_edge(full_name: str, payload_of: Any, edge: int, limit: str) -> None:
    assert event(full_name, payload_of(edge)).payload is not None
    with pytest.raises(LimitExceeded, match=f"{limit} is {edge}, got {edge + 1}"):
        event(full_name, payload_of(edge + 1))


def test_the_kinds_of_many_types_are_joined_as_far_as_they_fit() -> None:
    def label(*kinds: str) -> str:
        values = [{"name": {"value": "Meg"}}]
        types = [{"name": kind, "values": values} for kind in kinds]
        payload = event("Dialog.UpdateDynamicEntities", {"types": types}).payload
        assert payload is not None
        return payload.label

    assert label("a", "b", "a", "") == "a b"
    first = "k" * (KIND_CHARS_MAX - 2)
    assert label(first, "b") == f"{first} b"
    assert label(first, "bb", "c") == f"{first} c", "one that does not fit is passed over"
    many = label(*(f"kind{number}" for number in range(10_000)))
    assert len(many) <= KIND_CHARS_MAX
    assert many.startswith("kind0 kind1 ")


def test_service_payloads_max_at_its_edge() -> None:
    asked = ("SpeechRecognizer.ExpectSpeech", {"timeoutInMilliseconds": 1})
    assert event(*asked, service_payloads=SERVICE_PAYLOADS_MAX).mark.number == SERVICE_PAYLOADS_MAX
    with pytest.raises(ValueError, match="service_payloads"):
        event(*asked, service_payloads=SERVICE_PAYLOADS_MAX + 1)


# ---------------------------------------------------------------- what they mean


@pytest.mark.parametrize(
    ("full_name", "payload", "kind", "texts", "label"),
    [
        ("ContextText.Utterance", {"text": "call meg"}, "utterance", ("call meg",), ""),
        ("ContextText.Reply", {"text": "Which?"}, "reply", ("Which?",), ""),
        ("ContextText.Entities", {"kind": "contact", "values": ["a", "b"]}, "entities",
         ("a", "b"), "contact"),
        ("ContextText.ScreenList", {"items": ["a"]}, "screen", ("a",), ""),
        ("Dialog.ElicitSlot", {"slotToElicit": "contact"}, "slot", ("contact",), ""),
        ("Dialog.UpdateDynamicEntities", GENUINE["Dialog.UpdateDynamicEntities"][0], "entities",
         ("Meg Bauer", "Meggie", "Meg Jones", "kettle"), "Contact Device"),
        ("SpeechSynthesizer.Speak", GENUINE["SpeechSynthesizer.Speak"][0], "reply",
         ("Which Meg do you mean?",), ""),
    ],
)  # fmt: skip
def test_texts_become_one_payload(
    full_name: str, payload: dict[str, Any], kind: str, texts: tuple[str, ...], label: str
) -> None:
    made = event(full_name, payload)
    assert made.payload is not None
    assert (made.payload.ref.kind, made.payload.texts, made.payload.label) == (kind, texts, label)
    assert event(full_name, payload) == made, "equal records give equal events"
    assert made.mark.number == (round(spoken_ms(texts[0])) if kind == "reply" else None)


def test_ids_stand_beside_their_names() -> None:
    given = ["a", {"id": "c7", "text": "b"}]
    listed = event("ContextText.Entities", {"kind": "contact", "values": given}).payload
    assert listed is not None
    assert (listed.texts, listed.ids) == (("a", "b"), ("", "c7"))
    genuine = GENUINE["Dialog.UpdateDynamicEntities"][0]
    dynamic = event("Dialog.UpdateDynamicEntities", genuine).payload
    assert dynamic is not None
    assert dynamic.ids == ("1", "1", "2", ""), "a synonym has the id of its value"
    values = [{"id": odd, "name": {"value": f"n{odd}"[:9]}} for odd in (7, None, "x" * 257)]
    unnamed = event("Dialog.UpdateDynamicEntities", {"types": [{"values": values}]}).payload
    assert unnamed is not None
    assert (len(unnamed.texts), unnamed.ids) == (3, ())


def test_what_holds_no_text_has_no_payload() -> None:
    speak = {"url": "cid:1", "format": "AUDIO_MPEG", "token": "t"}
    silent: list[tuple[str, dict[str, Any]]] = [
        ("SpeechSynthesizer.Speak", speak),
        ("SpeechSynthesizer.Speak", {**speak, "caption": {"type": "WEBVTT"}}),
        ("Dialog.UpdateDynamicEntities", {"updateBehavior": "CLEAR"}),
        ("Dialog.UpdateDynamicEntities", {"types": [1, {"values": [{"name": "x"}, None]}]}),
        ("Some.NewDirective", {"text": "x"}),
    ]
    for full_name, payload in silent:
        assert event(full_name, payload).payload is None


def test_a_reply_sent_as_text_comes_before_a_caption() -> None:
    caption = event("SpeechSynthesizer.Speak", GENUINE["SpeechSynthesizer.Speak"][0]).payload
    assert caption is not None
    for number in range(50):
        reply = event("ContextText.Reply", {"text": "x"}, number=str(number)).payload
        assert reply is not None
        assert reply.ref < caption.ref


@pytest.mark.parametrize(
    ("initiator", "token"),
    [
        ({"type": "x", "payload": {"token": "t"}}, "t"),
        ("t", "t"),
        ({"type": "WAKEWORD", "payload": WAKE_WORD}, None),
        ({"type": "x"}, None),
        ({"type": "x", "payload": {"token": ""}}, None),
        ("", None),
        (None, None),
    ],
)
def test_the_initiator_links_turns(initiator: Any, token: str | None) -> None:
    asked = event(
        "SpeechRecognizer.ExpectSpeech", {"timeoutInMilliseconds": 1, "initiator": initiator}
    )
    answered = event("SpeechRecognizer.Recognize", {"initiator": initiator})
    assert asked.initiator == answered.initiator == token
    assert (asked.mark.token, answered.mark.token) == ("", token or "")


def test_an_event_without_a_turn_is_refused_unless_the_record_names_it() -> None:
    message = envelope("SpeechSynthesizer.SpeechFinished", {"token": "t"}, "turn-1", "m")
    del message["event"]["header"]["dialogRequestId"]
    given = {"customer": "c", "received_at": 0, "message": message}
    with pytest.raises(EnvelopeError, match=r"header\.dialogRequestId is missing"):
        to_event(Record.model_validate(given), 600)
    found = to_event(Record.model_validate(given | {"interaction": "turn-9"}), 600)
    assert found.key.turn.interaction == "turn-9"


ABSENT: Any = object()


@pytest.mark.parametrize(
    ("header", "interaction", "missing"),
    [
        ({"messageId": "m", "dialogRequestId": "d"}, None, ""),
        ({"messageId": "m", "dialogRequestId": ABSENT}, "d", ""),
        ({"messageId": "m", "dialogRequestId": ""}, "d", ""),
        ({"messageId": "m", "dialogRequestId": ABSENT}, None, "header.dialogRequestId"),
        ({"messageId": "m", "dialogRequestId": ""}, None, "header.dialogRequestId"),
        ({"messageId": "m", "dialogRequestId": None}, "", "header.dialogRequestId"),
        ({"messageId": "", "dialogRequestId": ""}, None, "header.dialogRequestId"),
        ({"messageId": "", "dialogRequestId": "d"}, None, "header.messageId"),
        ({"messageId": None, "dialogRequestId": "d"}, None, "header.messageId"),
        ({"messageId": ABSENT, "dialogRequestId": ""}, "d", "header.messageId"),
    ],
)
@pytest.mark.parametrize(
    ("form", "full_name"),
    [
        ("event", "System.SynchronizeState"),
        ("event", "SpeechRecognizer.ExpectSpeechTimedOut"),
        ("directive", "SpeechRecognizer.StopCapture"),
    ],
)
def test_what_belongs_to_no_turn_can_be_read_and_says_why(
    form: str, full_name: str, header: dict[str, Any], interaction: str | None, missing: str
) -> None:
    namespace, name = full_name.split(".")
    ids = {key: value for key, value in header.items() if value is not ABSENT}
    message = {form: {"header": {"namespace": namespace, "name": name, **ids}, "payload": {}}}
    record = {"customer": "c", "received_at": 0, "message": message, "interaction": interaction}
    read = Record.model_validate(record)
    reason = belongs_to_no_turn(read.message.message, read.interaction)
    assert reason.startswith(missing)
    assert bool(reason) is bool(missing)
    if missing:
        with pytest.raises(EnvelopeError, match=f"{full_name}: belongs to no turn: {missing}"):
            to_event(read, 600)
    else:
        assert to_event(read, 600).key.turn.interaction == "d"


def test_the_context_of_an_envelope_is_kept_whatever_its_shape() -> None:
    message = envelope("SpeechRecognizer.Recognize", {}, "turn-1", "m")
    contexts: list[Any] = [[], [{"header": {}, "payload": {}}], {}, {"header": {}}, None]
    contexts += [SECRET, 3, [None], ["a"]]
    for context in contexts:
        given = message | {"context": context}
        assert json.loads(read_envelope(json.dumps(given)).to_json()) == given


# ---------------------------------------------------------------- marks and references

MARKS = st.builds(
    Mark,
    name=st.from_regex(r"[\w.-]{1,128}\.[\w.-]{1,128}", fullmatch=True),
    at_ms=st.integers(0, COUNT_MAX),
    number=st.none() | st.integers(0, COUNT_MAX),
    token=st.text(max_size=300),
)


@given(MARKS)
def test_a_mark_reads_back_what_it_wrote(mark: Mark) -> None:
    assert Mark.parse(str(mark)) == mark


@given(st.sampled_from(PayloadKind), st.text())
def test_a_reference_reads_back_what_it_wrote(kind: PayloadKind, number: str) -> None:
    ref = PayloadRef(kind, number)
    assert PayloadRef.parse(str(ref)) == ref


# ---------------------------------------------------------------- reprs


def test_no_repr_shows_what_was_said() -> None:
    said = record("ContextText.Reply", {"text": SECRET})
    made = to_event(said, 600)
    turn = TurnText(SECRET, SECRET, (Entity(SECRET, SECRET),), (SECRET,), SECRET)
    shown: list[object] = [said, said.message, said.message.message, said.message.message.payload]
    shown += [made, made.payload, turn, turn.entities, turn.entities[0]]
    shown += [Recognize(initiator=SECRET), UpdateDynamicEntities.model_validate({"x": SECRET})]
    shown += [Speak(url="u", format="f", token="t", caption=SECRET)]
    heard = Hypothesis(SECRET)
    arc = Arc(0, 1, SECRET, 0.0, 1.0)
    shown += [heard, Recognition((heard,)), Lattice((0.0, 1.0), (arc,)), arc]
    change = Change(SECRET, SECRET, SECRET, "reply")
    shown += [Phrase(SECRET, "reply", SECRET), change, Result(SECRET, SECRET, (change,))]
    assert isinstance(made.payload, Payload)
    for one in shown:
        assert "wombat" not in f"{one!r} {one}", type(one).__name__
