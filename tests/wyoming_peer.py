"""The released `wyoming` package as a peer of our server, unmodified."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.11 calls its own audioop old
    from wyoming.asr import Transcribe, Transcript
    from wyoming.audio import AudioChunk, AudioStart, AudioStop
    from wyoming.client import AsyncTcpClient
    from wyoming.error import Error
    from wyoming.event import Event
    from wyoming.info import Describe, Info
    from wyoming.ping import Ping, Pong
    from wyoming.snd import Played
    from wyoming.tts import Synthesize

__all__ = [
    "AsyncTcpClient", "AudioChunk", "AudioStart", "AudioStop", "Describe", "Error", "Event",
    "Info", "Ping", "Played", "Pong", "Synthesize", "Transcribe", "Transcript", "connected", "said",
    "speak",
]  # fmt: skip

RATE, WIDTH, CHANNELS = 16_000, 2, 1
CHUNK_BYTES = 2_048
END_S = 60.0


def connected(address: str) -> AsyncTcpClient:
    """A client of `tcp://host:port`; no answer is waited for longer than a busy machine needs."""
    client = AsyncTcpClient.from_uri(address, connect_timeout=END_S, read_timeout=END_S)
    assert isinstance(client, AsyncTcpClient)
    return client


async def speak(client: AsyncTcpClient, sound: bytes, **wanted: Any) -> None:
    """What Home Assistant sends of an utterance."""
    await client.write_event(Transcribe(**wanted).event())
    await client.write_event(AudioStart(rate=RATE, width=WIDTH, channels=CHANNELS).event())
    for at in range(0, len(sound), CHUNK_BYTES):
        piece = sound[at : at + CHUNK_BYTES]
        chunk = AudioChunk(rate=RATE, width=WIDTH, channels=CHANNELS, audio=piece)
        await client.write_event(chunk.event())
    await client.write_event(AudioStop().event())


async def said(address: str, sound: bytes, before: Sequence[Event] = (), **wanted: Any) -> str:
    """The transcript of an utterance, over a connection of its own as Home Assistant opens one."""
    async with connected(address) as client:
        for event in before:
            await client.write_event(event)
        await speak(client, sound, **wanted)
        event = await client.read_event()
        assert event is not None, "the connection ended"
        assert Transcript.is_type(event.type), event.type
        return str(Transcript.from_event(event).text)
