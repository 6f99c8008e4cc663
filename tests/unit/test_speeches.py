"""Which speech the compute window is of, where a turn speaks more than once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import permutations
from typing import Any

import pytest
from conftest import START_MS, Encoder, World, record, run, turn

from ctxasr.events import (
    SPEECH_CHARS,
    ConsistentStatus,
    ExpectSpeech,
    Mark,
    Outcome,
    Record,
    Reply,
    Speak,
    SpeechFinished,
    SpeechInterrupted,
    SpeechStarted,
    TurnKey,
    to_event,
)
from ctxasr.windows import window_of

NAMES = {
    "speak": Speak.full_name,
    "started": SpeechStarted.full_name,
    "finished": SpeechFinished.full_name,
    "interrupted": SpeechInterrupted.full_name,
    "reply": Reply.full_name,
    "expect": ExpectSpeech.full_name,
}


def marks(*lines: str) -> list[Mark]:
    """ "speak a 100" is the directive of speech a at 100 ms; "reply - 900 4000" lasts 4 s."""
    found = []
    for line in lines:
        what, token, at_ms, *number = line.split()
        known = int(number[0]) if number else None
        found.append(Mark(NAMES[what], int(at_ms), known, "" if token == "-" else token))
    return found


def status(found: list[Mark]) -> ConsistentStatus:
    named = {str(number): mark for number, mark in enumerate(found)}
    return ConsistentStatus(TurnKey("c", "t"), named, frozenset(), b"k", None, None, 9)


def window(*lines: str) -> tuple[float, float]:
    """Opening and end; the same in whatever order the events came."""
    found = marks(*lines)
    orders = permutations(found) if len(found) <= 6 else [found, found[::-1]]
    windows = {(d.opened_ms, d.at_ms) for d in map(window_of, map(status, map(list, orders)))}
    assert len(windows) == 1, windows
    return windows.pop()


TWICE = ("speak a 0", "speak b 100", "reply - 100 4000", "expect - 120")


@pytest.mark.parametrize(
    ("more", "ends_ms"),
    [
        ((), 4_100),
        (("finished a 900",), 4_900),  # the question begins when the device is free
        (("started a 50", "finished a 900", "started b 1000"), 5_000),
        (("finished a 900", "started b 1000", "finished b 3000"), 3_000),
        (("finished b 3000",), 3_000),  # before anybody says when it began
        (("finished a 110",), 4_110),
        (("finished a 900", "started b 1000", "interrupted b 1500"), 1_500),
        (("interrupted a 900", "started b 1000"), 5_000),  # the question took its place
        (("finished stray 900",), 4_100),
        (("finished - 900",), 4_100),  # of which of the two it does not say
    ],
)
def test_the_window_is_of_the_speech_before_the_microphone(
    more: tuple[str, ...], ends_ms: float
) -> None:
    assert window(*TWICE, *more) == (120, ends_ms)


def test_of_three_speeches_it_is_the_last() -> None:
    three = ("speak a 0", "speak b 10", "speak c 20", "reply - 20 2000", "expect - 30")
    assert window(*three, "interrupted b 500") == (30, 2_500)
    assert window(*three, "finished a 400", "finished b 900", "finished c 1000") == (30, 1_000)


def test_a_speech_that_ended_before_the_expect_speech_does_not_close_the_window() -> None:
    moment = ("speak a 0", "started a 20", "finished a 900", "expect - 3000")
    assert window(*moment, "reply - 2900 4000") == (3_000, 7_000), "the question is to come"
    late = (*moment, "reply - 2900 4000", "speak b 3050")
    assert window(*late) == (3_000, 7_050)
    assert window(*late, "started b 3100", "finished b 5000") == (3_000, 5_000)


def test_equal_instants_are_told_apart_by_what_the_device_reports() -> None:
    same = ("speak a 0", "speak b 0", "reply - 0 4000", "expect - 0")
    assert window(*same, "started a 10", "finished a 500") == (0, 4_500)
    assert window(*same, "started b 10", "finished b 500") == (0, 4_500)
    assert window(*same, "finished a 500", "started b 600") == (0, 4_600)


def test_a_token_that_is_used_again_ends_as_often_as_it_began() -> None:
    again = ("speak a 0", "speak a 100", "reply - 100 4000", "expect - 120")
    assert window(*again, "finished a 900") == (120, 4_900)
    assert window(*again, "finished a 900", "finished a 3000") == (120, 3_000)


@pytest.mark.parametrize(
    ("lines", "ends_ms"),
    [
        (("expect - 0", "reply - 0 4000"), 4_000),
        (("expect - 0", "reply - 0 4000", "finished - 3000"), 3_000),
        (("expect - 0", "reply - 0 4000", "finished x 3000"), 3_000),  # no speech is known
        (("expect - 500", "reply - 0 4000", "finished - 400"), 4_500),
        (("expect - 0", "reply - 0 4000", "speak - 10"), 4_010),
        (("expect - 0", "reply - 0 4000", "speak - 10", "started - 20"), 4_020),
        (("expect - 0", "reply - 0 4000", "speak - 10", "interrupted - 700"), 700),
        (("expect - 0", "speak - 10 2000", "finished x 700"), 700),  # half of it is a newer row's
        (("expect - 0", "reply - 0 4000", "speak - 1", "speak - 5", "finished - 700"), 4_700),
        (("expect - 0",), 0),
    ],
)
def test_rows_without_tokens_work_as_before(lines: tuple[str, ...], ends_ms: float) -> None:
    assert window(*lines)[1] == ends_ms


@pytest.mark.parametrize(
    ("lines", "ends_ms"),
    [
        # a reply that names its speech; one that does not; captions
        (("reply a 0 900", "reply b 100 4000"), 5_000),
        (("reply b 0 4000", "reply a 100 900"), 5_000),
        (("reply - 0 900", "reply - 100 4000"), 5_000),
        (("reply a 0 900", "reply - 100 4000"), 5_000),
        (("reply - 0 4000",), 4_100),
        (("reply b 0 4000",), 4_100),
    ],
)
def test_a_reply_lasts_as_long_as_its_speech(lines: tuple[str, ...], ends_ms: float) -> None:
    if len(lines) == 2:
        lines = (*lines, "finished a 1000")
    assert window("speak a 0", "speak b 100", "expect - 120", *lines)[1] == ends_ms


def test_captions_say_how_long_each_speech_is() -> None:
    captions = ("speak a 0 900", "speak b 100 4000", "expect - 120")
    assert window(*captions)[1] == 4_900, "one after the other"
    assert window(*captions, "reply - 0 3000")[1] == 3_900, "audio that is made is better known"


# ---------------------------------------------------------------- through the pipeline


def speech(name: str, token: str, at_ms: float) -> Record:
    full_name, more = f"SpeechSynthesizer.{name}", {"url": "cid:1", "format": "AUDIO_MPEG"}
    payload = {"token": token} | (more if name == "Speak" else {})
    return record(full_name, payload, number=f"{name}-{token}", at_ms=at_ms)


def asks_after_a_moment() -> dict[str, Record]:
    """A turn whose question comes after "One moment."."""
    given = turn()
    del given["started"]
    moment = {"moment": speech("Speak", "moment", 0)}
    given["speak"] = speech("Speak", "question", 10)
    return moment | given


def test_a_mark_tells_which_events_are_of_one_speech() -> None:
    def token(one: Record) -> str:
        return to_event(one, 600).mark.token

    both = [[token(speech(n, t, 0)) for n in ("Speak", "SpeechFinished")] for t in ("a", "b")]
    assert both[0][0] == both[0][1] != both[1][0] == both[1][1]
    assert all(len(one) == SPEECH_CHARS for pair in both for one in pair)
    reply: dict[str, Any] = {"text": "Which Meg?"}
    assert token(record("ContextText.Reply", reply)) == ""
    assert token(record("ContextText.Reply", reply | {"token": "a"})) == both[0][0]
    assert token(speech("SpeechFinished", "", 0)) == ""


@pytest.mark.parametrize(
    ("events", "ends_ms"),
    [
        ((("SpeechFinished", "moment", 300),), 4_300),
        ((("SpeechFinished", "question", 300),), 300),
        ((("SpeechFinished", "moment", 300), ("SpeechStarted", "question", 900)), 4_900),
        ((("SpeechInterrupted", "another", 300),), 4_010),
    ],
)
def test_only_the_end_of_the_question_closes_an_open_window(
    events: tuple[tuple[str, str, float], ...], ends_ms: float
) -> None:
    world = World(encoder=Encoder(takes_ms=60_000))

    async def main() -> None:
        embedding = asyncio.create_task(world.deliver([*asks_after_a_moment().values()]))
        for name, token, at_ms in events:
            await asyncio.sleep((START_MS + at_ms - world.clock.now_ms()) / 1_000)
            await world.deliver([speech(name, token, at_ms)])
        await embedding
        assert world.clock.now_ms() - START_MS == pytest.approx(ends_ms, abs=1)
        assert (await world.status()).outcome is Outcome.MISSED

    run(main())


def test_a_speech_that_is_seen_after_the_claim_moves_the_window() -> None:
    """Expect-speech, then the end of "One moment.", and only then the question's directive."""
    world = World(encoder=Encoder(takes_ms=4_500))

    async def main() -> None:
        given = asks_after_a_moment()
        late = speech("Speak", "question", 100)
        del given["speak"]
        embedding = asyncio.create_task(world.deliver([*given.values()]))
        await asyncio.sleep(0.1)
        await world.deliver([late])
        await asyncio.sleep(0.7)
        await world.deliver([speech("SpeechFinished", "moment", 800)])
        await embedding
        assert (await world.status()).outcome is Outcome.EMBEDDED

    run(main())


def test_an_answer_that_was_overtaken_moves_no_window() -> None:
    """Written before the reply was there, heard of when the turn is already embedded."""
    world = World(encoder=Encoder(takes_ms=500))

    async def slow(name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        answer = await call()
        await asyncio.sleep(0.3 if name == "record" else 0.0)
        return answer

    async def main() -> None:
        given = asks_after_a_moment()
        screen, last = given.pop("screen"), given.pop("reply")
        await world.deliver([*given.values()])
        ports = world.process(slow)
        ports.windows = world.ports.windows
        overtaken = asyncio.create_task(world.deliver([screen], ports))
        await asyncio.sleep(0.1)
        await world.deliver([last])
        await overtaken
        assert (await world.status()).outcome is Outcome.EMBEDDED

    run(main())


def test_any_order_ends_in_the_same_item_and_the_same_window() -> None:
    given = [
        *asks_after_a_moment().values(),
        speech("SpeechFinished", "moment", 500),
        speech("SpeechStarted", "question", 600),
        speech("SpeechFinished", "question", 4_600),
    ]
    found = set()

    async def main(order: list[Record]) -> None:
        world = World()
        await asyncio.gather(*(world.deliver([one]) for one in order))
        seen = await world.status()
        found.add((frozenset(seen.marks.items()), window_of(seen).at_ms - START_MS))

    for at in range(len(given)):
        for order in (given[at:] + given[:at], (given[at:] + given[:at])[::-1]):
            run(main(order))
    assert len(found) == 1
    assert {ends_ms for _, ends_ms in found} == {4_600}
