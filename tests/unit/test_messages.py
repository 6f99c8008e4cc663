"""A scenario's turns as genuine envelopes, linked by the initiator alone."""

from __future__ import annotations

import json
from pathlib import Path

from ctxasr.envelopes import read_envelope
from ctxasr.events import Event, PayloadKind, to_event
from ctxasr.scenario.format import read_scenario
from ctxasr.scenario.messages import TurnMessages
from ctxasr.scenario.model import Scenario
from ctxasr.scenario.values import USUAL_ORDER

SCENARIO = """\
schema: 1
name: meg
turns:
  - user: {hypotheses: [call meg]}
    entities:
      - {kind: contact, values: [Meg Jones]}
      - {kind: device, values: [kettle]}
    screen: [Meg Jones]
    elicit_slot: contact
    moments: [One moment.]
    reply: {text: Which Meg?, duration: 1.5s}
  - user: {hypotheses: [bauer]}
"""


def scenario(text: str = SCENARIO) -> Scenario:
    return read_scenario(text, Path("meg.scenario.yaml"))


def events_of(messages: TurnMessages) -> dict[str, Event]:
    arrivals = messages.scenario.deliveries(messages.index)
    return {
        f"{one.event}-{one.number}": to_event(messages.record(one, 1_000.4, "heard"), 60)
        for one in arrivals
    }


def test_every_message_is_a_genuine_envelope() -> None:
    messages = TurnMessages(scenario(), 0, "customer", None)
    kinds = set()
    for arrival in messages.scenario.deliveries(0):
        given = messages.record(arrival, 1_000.4, "heard").message
        text = given.to_json()
        assert read_envelope(text).to_json() == text
        (direction,) = json.loads(text)
        header = json.loads(text)[direction]["header"]
        by_client = arrival.event in (
            "recognize", "speech_started", "moment_started", "moment_finished",
        )  # fmt: skip
        assert direction == ("event" if by_client else "directive"), arrival
        assert header["dialogRequestId"] == "meg-1"
        kinds.add(arrival.event)
    assert kinds == set(USUAL_ORDER)
    opening = messages.record(messages.scenario.deliveries(0)[0], 1_000.4, "").message
    assert set(json.loads(opening.to_json())["event"]["payload"]) == {
        "profile", "format", "initiator",
    }  # fmt: skip


def test_the_texts_and_numbers_arrive() -> None:
    events = events_of(TurnMessages(scenario(), 0, "customer", None))
    texts = {name: one.payload.texts for name, one in events.items() if one.payload}
    assert texts == {
        "utterance-1": ("heard",),
        "entities-1": ("Meg Jones",),
        "entities-2": ("kettle",),
        "screen-1": ("Meg Jones",),
        "slot-1": ("contact",),
        "moment_reply-1": ("One moment.",),
        "reply-1": ("Which Meg?",),
    }
    assert events["expect_speech-1"].mark.number == 4, "as many as are announced"
    assert events["reply-1"].mark.number == 1_500
    assert len({one.key for one in events.values()}) == len(events)
    assert sum(one.payload.ref.kind is PayloadKind.ENTITIES for one in events.values()
               if one.payload) == 2  # fmt: skip


def test_a_repetition_is_the_same_event() -> None:
    messages = TurnMessages(scenario(), 0, "customer", None)
    assert events_of(messages) == events_of(messages)


def test_turns_are_linked_by_the_initiator() -> None:
    asking = TurnMessages(scenario(), 0, "customer", None)
    asked = events_of(asking)["expect_speech-1"]
    answering = TurnMessages(scenario(), 1, "customer", asking.token)
    assert events_of(answering)["recognize-1"].initiator == asked.initiator == asking.token
    assert events_of(asking)["recognize-1"].initiator is None
    assert asking.key != answering.key
    both = {one.key for one in events_of(asking).values()}
    assert not both & {one.key for one in events_of(answering).values()}


def test_the_end_of_a_reply_is_told_by_its_kind() -> None:
    messages = TurnMessages(scenario(), 0, "customer", None)
    names = [
        to_event(messages.reply_ended(2_000.6, interrupted=early), 60).mark
        for early in (False, True)
    ]
    assert [mark.name for mark in names] == [
        "SpeechSynthesizer.SpeechFinished",
        "SpeechSynthesizer.SpeechInterrupted",
    ]
    assert [mark.at_ms for mark in names] == [2_001, 2_001]
