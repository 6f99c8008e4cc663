"""The Wyoming server on loopback, driven by the released `wyoming` package."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from conftest import World
from test_door import SECOND, Door
from test_door_memory import holding
from wyoming_peer import (
    CHANNELS,
    RATE,
    WIDTH,
    AsyncTcpClient,
    AudioChunk,
    AudioStart,
    AudioStop,
    Describe,
    Error,
    Event,
    Info,
    Ping,
    Played,
    Pong,
    Synthesize,
    Transcribe,
    Transcript,
    connected,
    said,
    speak,
)

from ctxasr.gateway.http import limits
from ctxasr.gateway.http.auth import Grant
from ctxasr.gateway.http.dialogues import Dialogues
from ctxasr.gateway.http.server import bound
from ctxasr.gateway.protocols.wyoming_frames import HEADER_BYTES_MAX
from ctxasr.gateway.wyoming_server import WyomingServer
from ctxasr.hints import HINTS_MAX

QUESTION = Synthesize(
    text="Do you mean Meg Jones or Meg Bauer?", context={"continue_conversation": True}
).event()


AUDIO_START = AudioStart(rate=RATE, width=WIDTH, channels=CHANNELS).event()
CHUNK = AudioChunk(rate=RATE, width=WIDTH, channels=CHANNELS, audio=SECOND).event()


async def heard_without_transcribe(address: str) -> str:
    """What an older client gets for an utterance."""
    async with connected(address) as client:
        for event in (AUDIO_START, CHUNK, AudioStop().event()):
            await client.write_event(event)
        told = await client.read_event()
        assert told is not None, "the connection ended"
        assert Transcript.is_type(told.type), told.data
        return str(Transcript.from_event(told).text)


@asynccontextmanager
async def serving(door: Door | None = None) -> AsyncIterator[tuple[str, Door]]:
    door = door or Door(World())
    server = WyomingServer(Dialogues(door.service), Grant(customer="customer"))
    address = await server.start(bound("127.0.0.1", 0))
    try:
        yield address, door
    finally:
        await server.close()
        await asyncio.gather(*door.service._running, return_exceptions=True)


async def ask(address: str) -> None:
    """Tell the question, and wait until it has been taken in."""
    async with connected(address) as client:
        await client.write_event(QUESTION)
        await client.write_event(Ping().event())
        assert await client.read_event() is not None


async def refused(client: AsyncTcpClient) -> Any:
    """The error that ends the connection."""
    event = await client.read_event()
    assert event is not None
    assert Error.is_type(event.type), event.type
    assert await client.read_event() is None, "nothing comes after it"
    return Error.from_event(event)


# ---------------------------------------------------------------- dialogues


async def test_the_released_package_holds_a_dialogue_with_context() -> None:
    """Connection by connection, as Home Assistant speaks."""
    async with serving() as (address, _):
        assert await said(address, SECOND, language="en") == "power"
        await ask(address)
        assert await said(address, SECOND, [Played().event()], language="en") == "meg bauer"
        assert await said(address, SECOND, language="en") == "power", "a question is answered once"


async def test_a_dialogue_may_stay_on_one_connection() -> None:
    async with serving() as (address, _), connected(address) as client:
        for text in ("power", "meg bauer", "power"):
            await speak(client, SECOND)
            event = await client.read_event()
            assert event is not None
            assert Transcript.from_event(event).text == text
            await client.write_event(QUESTION if text == "power" else Played().event())


@pytest.mark.parametrize("at", ["half of its sound", "its recognition"])
async def test_an_utterance_whose_customer_is_erased_is_told_and_not_stored(at: str) -> None:
    door = Door(World())
    gate = door.ear.gate = asyncio.Event()
    gate.set()
    async with serving(door) as (address, _):
        assert await said(address, SECOND) == "power"
        await ask(address)
        gate.clear()
        async with connected(address) as client:
            sound: list[Event] = []

            class Peer:
                async def write_event(self, event: Event) -> None:
                    sound.append(event)

            await speak(cast(Any, Peer()), SECOND)
            for event in sound[:-1]:
                await client.write_event(event)
            await client.write_event(Ping().event())
            assert await client.read_event() is not None, "so far it is taken in"
            if at != "half of its sound":
                await client.write_event(sound[-1])
                await door.ear.listens.wait()
            await door.service.forget("customer")
            if at == "half of its sound":
                await client.write_event(sound[-1])
            gate.set()
            told = await client.read_event()
            assert told is not None
            assert Transcript.from_event(told).text == "power", "without the names"
        await asyncio.gather(*door.service._running)
        assert (len(door.world.store), door.world.vault.rows) == (0, {})
        assert not len(door.service.remembered.dialogues)
        assert await said(address, SECOND) == "power"
        assert door.world.vault.rows, "a new customer's"


@pytest.mark.parametrize(
    "before",
    [
        [AUDIO_START, CHUNK],
        [Transcribe().event()],
        [Transcribe().event(), AUDIO_START, CHUNK],
        [Transcribe().event(), AUDIO_START, AudioStop().event()],
        [Transcribe(language="de").event(), AUDIO_START, CHUNK],
        [AUDIO_START, Event("audio-chunk", CHUNK.data, b"odd")],
    ],
    ids=["sound", "nothing", "all but its end", "no sound", "another language", "odd bytes"],
)
async def test_an_utterance_that_broke_off_takes_no_other_with_it(before: list[Event]) -> None:
    """Older clients send no `transcribe`, and their sound is the beginning of an utterance."""
    async with serving() as (address, _):
        for _ in range(2):
            async with connected(address) as client:
                for event in [*before, Ping().event()]:
                    await client.write_event(event)
                assert await client.read_event() is not None
            assert await heard_without_transcribe(address) == "power"
            assert await said(address, SECOND) == "power"


async def test_where_nothing_was_said_the_utterance_is_over() -> None:
    """Silence leaves no record of an utterance, but its sound is not that of the next one."""
    door = Door(World())
    async with serving(door) as (address, _), connected(address) as client:
        for text in ("", "power"):
            door.ear.heard = (text,)
            for event in [AUDIO_START, CHUNK, AudioStop().event()]:
                await client.write_event(event)
            event = await client.read_event()
            assert event is not None
            assert Transcript.from_event(event).text == text


async def test_an_utterance_without_sound_is_a_silent_one() -> None:
    """Its peer waits for a transcript, and says more on the same connection."""
    starts = [[], [AUDIO_START], [AUDIO_START, AudioChunk(RATE, WIDTH, CHANNELS, b"").event()]]
    async with serving() as (address, _), connected(address) as client:
        for start in starts:
            for event in [Transcribe().event(), *start, AudioStop().event()]:
                await client.write_event(event)
            told = await client.read_event()
            assert told is not None
            transcript = Transcript.from_event(told)
            assert transcript.text == ""
            assert transcript.context == {"notes": ["no speech: no sound came"]}
        await speak(client, SECOND)
        told = await client.read_event()
        assert told is not None
        assert Transcript.from_event(told).text == "power"


async def test_names_that_come_with_an_utterance_bias_it() -> None:
    async with serving() as (address, _):
        names = ["Meg Jones", "Meg Bauer"]
        assert await said(address, SECOND, transcript_names=names) == "meg bauer"
        assert await said(address, SECOND) == "power", "and it alone"
        assert await said(address, SECOND, transcript_names=[]) == "power"
        assert await said(address, SECOND, transcript_terms=["kitchen", "light"]) == "power"


async def test_names_past_the_limit_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    names = [f"name {number}" for number in range(HINTS_MAX + 7)]
    async with serving() as (address, _), connected(address) as client:
        await speak(client, SECOND, transcript_names=names)
        told = await client.read_event()
        assert told is not None
        transcript = Transcript.from_event(told)
        assert transcript.text == "power"
        assert transcript.context is not None
        assert transcript.context["notes"][0] == "7 names and terms left out"
    facts = [vars(one).get("facts") for one in caplog.records if one.msg == "hints left out"]
    assert [one and one["count"] for one in facts] == [7]
    assert "name 1" not in json.dumps([vars(one).get("facts") for one in caplog.records])


async def test_who_speaks_at_the_same_time_is_another_device() -> None:
    """Else the answer of one would be the answer to the question of the other."""
    async with serving() as (address, door):
        door.ear.gate = asyncio.Event()
        async with connected(address) as first, connected(address) as second:
            await speak(first, SECOND)
            await door.ear.listens.wait()
            await speak(second, SECOND)
            door.ear.gate.set()
            for client in (first, second):
                event = await client.read_event()
                assert event is not None
                assert Transcript.from_event(event).text == "power"
        turns = {key.interaction for key in door.world.store._turns}
        assert len({turn.rpartition("-")[0] for turn in turns}) == 2


# ---------------------------------------------------------------- what asks of the service


async def test_info_and_pong_are_what_the_package_expects() -> None:
    async with serving() as (address, _), connected(address) as client:
        await client.write_event(Describe().event())
        event = await client.read_event()
        assert event is not None
        (program,) = Info.from_event(event).asr
        assert (program.name, program.models[0].languages) == ("ctxasr", ["en"])
        assert event.data["asr"][0]["supports_transcript_names"] is True
        assert event.data["asr"][0]["supports_transcript_terms"] is True
        for text in ("hello", None, ""):
            await client.write_event(Ping(text=text).event())
            event = await client.read_event()
            assert event is not None
            assert Pong.is_type(event.type)
            assert Pong.from_event(event).text == text


@pytest.mark.parametrize("language", ["en", "en-GB", "EN_us", "auto", "", None])
async def test_english_is_spoken(language: str | None) -> None:
    async with serving() as (address, _):
        assert await said(address, SECOND, language=language) == "power"


@pytest.mark.parametrize("language", ["de", "de-DE", "eng", "zh-Hans"])
async def test_another_language_is_an_error_and_no_turn(language: str) -> None:
    async with serving() as (address, door):
        async with connected(address) as client:
            await speak(client, SECOND, language=language)
            error = await refused(client)
            assert error.code == "language-not-supported"
        assert not door.world.store._turns
        assert await said(address, SECOND) == "power", "the next connection is served"


# ---------------------------------------------------------------- bounds and failures


async def test_a_wrong_message_is_an_error_and_ends_its_connection() -> None:
    async with serving() as (address, _):
        for wrong in (
            Event("audio-start", {"rate": 8_000, "width": 2, "channels": 1}),
            Event("transcribe", {"language": 7}),
            Event("transcript", {}),
        ):
            async with connected(address) as client:
                await client.write_event(wrong)
                error = await refused(client)
                assert error.code == "EnvelopeError"
                assert wrong.type in error.text


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"{}\n", "EnvelopeError"),
        (b"\xff\n", "EnvelopeError"),
        (b'{"type": "x", "payload_length": 3}\nab', "EnvelopeError"),
        (b'{"type": "x"', "EnvelopeError"),
        (b'{"type": "x", "payload_length": 300000}\n', "LimitExceeded"),
        (b'{"type": "x", "data_length": 300000}\n', "LimitExceeded"),
        (b" " * (HEADER_BYTES_MAX + 1), "LimitExceeded"),
        (b" " * (HEADER_BYTES_MAX + 1) + b"\n", "LimitExceeded"),
    ],
)
async def test_what_is_no_message_ends_the_connection(sent: bytes, code: str) -> None:
    async with serving() as (address, _):
        host, _, port = address.removeprefix("tcp://").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(sent)
        writer.write_eof()
        lines = (await reader.read()).split(b"\n")
        assert json.loads(lines[0])["type"] == "error"
        assert json.loads(lines[1])["code"] == code
        writer.close()


async def test_a_text_is_given_though_the_store_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WRITING_S_MAX", 0.05)
    monkeypatch.setattr("ctxasr.gateway.http.dialogues.RECORD_S_MAX", 0.01)
    hook, _, held = holding("record")
    held.clear()
    async with serving(Door(World(), hook=hook)) as (address, _):
        assert await said(address, SECOND) == "power"


async def test_a_silent_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WYOMING_PAUSE_S_MAX", 0.02)
    async with serving() as (address, _), connected(address) as client:
        assert await client.read_event() is None


async def test_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WYOMING_CONNECTIONS_MAX", 1)
    async with serving() as (address, _):
        async with connected(address) as first:
            await first.write_event(Ping(text="a").event())
            assert await first.read_event() is not None
            async with connected(address) as second:
                assert (await refused(second)).code == "Busy"
        for _ in range(100):  # the place is free when the server has seen the end
            async with connected(address) as third:
                await third.write_event(Ping(text="a").event())
                event = await third.read_event()
                assert event is not None
                if Pong.is_type(event.type):
                    return
        raise AssertionError("the place was not given back")


async def test_a_recogniser_without_a_place_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as (address, _):
        assert await said(address, SECOND) == "power"
        await ask(address)
        with monkeypatch.context() as full:
            full.setattr(limits, "RECOGNITIONS_OF_ONE_MAX", 0)
            async with connected(address) as client:
                await speak(client, SECOND)
                assert (await refused(client)).code == "TooManyRequests"
        assert await said(address, SECOND) == "meg bauer", "the question is still open"
