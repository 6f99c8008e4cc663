"""A log of answers under the id of the asking turn is read as the door takes it."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from conftest import World, completed, record, run

from ctxasr.events import Record
from ctxasr.pipeline import on_event
from ctxasr.scenario.format import read_scenario
from ctxasr.scenario.importer import import_log
from ctxasr.scenario.log import read_log

WAKE = "WAKEWORD"
ITS_ID = "turn 2 has the dialogRequestId of a turn before it"


def recognize(number: int, at_ms: float, token: str) -> Record:
    """`token` is what it echoes; WAKE: a wake word; "": it does not say."""
    how: dict[str, Any] = {"type": "FOLLOW_UP", "payload": {"token": token}}
    initiator = {"type": WAKE, "payload": {}} if token == WAKE else how
    given = {"initiator": initiator} if token else {}
    return record("SpeechRecognizer.Recognize", given, number=f"r{number}", at_ms=at_ms)


def part(number: int, at_ms: float, token: str = "", asks: str = "") -> list[Record]:
    """A turn under the one id: it speaks `speech-{number}` and hands out `asks`."""

    def one(full_name: str, later_ms: int, **payload: Any) -> Record:
        name = f"{full_name}-{number}"
        return record(full_name, payload, number=name, at_ms=at_ms + later_ms)

    initiator = {"type": "FOLLOW_UP", "payload": {"token": asks}}
    speech = f"speech-{number}"
    return [
        recognize(number, at_ms, token),
        one("ContextText.Utterance", 10, text=f"words {number}"),
        one("SpeechSynthesizer.Speak", 20, url="cid:1", format="AUDIO_MPEG", token=speech),
        one("ContextText.Reply", 20, text="Which Meg?"),
        *([one("SpeechRecognizer.ExpectSpeech", 30, initiator=initiator)] if asks else []),
        one("SpeechSynthesizer.SpeechStarted", 40, token=speech),
        one("SpeechSynthesizer.SpeechFinished", 2_040, token=speech),
    ]


def lines(records: list[Record]) -> list[str]:
    found = []
    for one in sorted(records, key=lambda one: one.received_at):
        found.append(one.model_dump_json(by_alias=True, exclude_unset=True))
    return found


def message_of(one: Record) -> str:
    return one.message.message.header.message_id


@pytest.mark.parametrize("token", ["ask-1", ""])
def test_an_answer_under_the_id_of_the_asking_turn_is_a_turn(token: str) -> None:
    text = import_log(lines(part(1, 0, asks="ask-1") + part(2, 5_000, token, asks="ask-2")))
    first, second = read_scenario(text).turns
    assert [one.user.hypotheses for one in (first, second)] == [("words 1",), ("words 2",)]
    assert first.pause_ms == 5_000 - 2_040
    assert ITS_ID in text
    assert "did not answer" not in text


def test_with_the_token_of_another_turn_it_answers_that_one() -> None:
    other = part(1, 0, asks="ask-1") + part(2, 5_000, "ask-0")
    assert "turn 2 did not answer turn 1: other initiator" in import_log(lines(other))


@pytest.mark.parametrize("asks", ["ask-1", ""])
def test_a_wake_word_answers_nothing(asks: str) -> None:
    asking = part(1, 0, asks=asks or "ask-1")
    if not asks:
        bare = record("SpeechRecognizer.ExpectSpeech", number="bare", at_ms=30)
        asking = [bare if "ExpectSpeech" in message_of(one) else one for one in asking]
    text = import_log(lines(asking + part(2, 5_000, WAKE)))
    assert len(read_scenario(text).turns) == 2
    assert ITS_ID in text
    assert "turn 2 did not answer turn 1" in text


def test_before_the_question_it_is_the_utterance_again() -> None:
    again = [recognize(9, 5, ""), *part(1, 0, asks="ask-1")]
    text = import_log(lines(again))
    assert len(read_scenario(text).turns) == 1
    assert "more than one recognize message" in text


def test_the_end_of_a_reply_is_of_its_own_turn_though_the_customer_spoke_before() -> None:
    text = import_log(lines(part(1, 0, asks="ask-1") + part(2, 1_000, "ask-1")))
    first, second = read_scenario(text).turns
    assert (first.reply_ms, second.reply_ms) == (2_000, 2_000)


def test_import_and_door_tell_the_same_turns_apart() -> None:
    """Drawn logs: parts are missing, customers barge in, tokens are of any turn before or none."""
    many = 0
    for seed in range(300):
        draw = Random(seed)
        records, at_ms = list[Record](), 0
        for number in range(1, draw.randint(2, 5)):
            token = draw.choice(["", WAKE, f"ask-{number - 1}", f"ask-{draw.randrange(number)}"])
            asks = draw.choice(["", f"ask-{number}", f"ask-{number}"])
            told = part(number, at_ms, token, asks)
            if draw.random() < 0.5:
                told.append(completed(number=f"c{number}", at_ms=at_ms + 50))
            records += draw.sample(told, draw.randint(1, len(told)))
            at_ms += draw.choice([5, 30, 100, 1_000, 5_000])
        records.sort(key=lambda one: one.received_at)

        async def door(records: list[Record] = records) -> dict[str, str]:
            world = World()
            found = {}
            for one in records * 2:  # once more, when all is known
                found[message_of(one)] = (await on_event(one, world.ports)).turn.interaction
            return found

        theirs = run(door())
        ours = {
            message_of(one.record): number
            for number, turn in enumerate(read_log("\n".join(lines(records))).turns)
            for one in turn.messages
        }
        assert ours.keys() == theirs.keys()
        pairs = {(ours[message], theirs[message]) for message in ours}
        assert len(pairs) == len(set(ours.values())) == len(set(theirs.values())), seed
        many += len(pairs) > 1
    assert many > 60
