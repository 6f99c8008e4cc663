"""The Wyoming protocol over TCP, as Home Assistant's integration speaks it.

    connection 1   > describe                                        < info
    connection 2   > transcribe, audio-start, audio-chunk ..., audio-stop     < transcript

Home Assistant opens a connection for each utterance, so a dialogue does not end with one. The
protocol knows no tokens and no devices: whoever reaches the port speaks for one customer, and so
it is on loopback alone. Utterances that come at the same time are of different devices; one after
the other they are of the same.

A message that is wrong is answered with `error`, and its connection ends: a client waits for its
transcript as long as the connection stands. The text of an utterance is given whatever the store
does. Everything is bounded: the parts of a message, connections, pauses, and what an answer takes.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import suppress

from ctxasr.errors import EnvelopeError, LimitExceeded
from ctxasr.gateway.http import limits
from ctxasr.gateway.http.auth import Grant
from ctxasr.gateway.http.dialogues import Conversation, Dialogues
from ctxasr.gateway.http.logs import log, place_of
from ctxasr.gateway.http.problems import problem_of, unavailable
from ctxasr.gateway.protocols.wyoming_frames import HEADER_BYTES_MAX, Message, read_head, to_bytes

DEVICE = "wyoming"

_SPOKEN = frozenset({"transcribe", "audio-start", "audio-chunk", "audio-stop"})
"""Messages of an utterance: from the first to its transcript it has a device for itself."""

_FAULT = 500


class WyomingServer:
    """Serves one customer's peers."""

    def __init__(self, dialogues: Dialogues, grant: Grant) -> None:
        self._dialogues, self._grant = dialogues, grant
        self._speaking: set[int] = set()
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, listener: socket.socket) -> str:
        """Take connections from now on; returns the address."""
        self._server = await asyncio.start_server(
            self._connected, sock=listener, limit=HEADER_BYTES_MAX
        )
        host, port = listener.getsockname()[:2]
        return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"

    async def close(self) -> None:
        """No new connections; those that stand are broken off."""
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        if self._connections:
            await asyncio.wait(set(self._connections))

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "start_server makes one for each connection"
        self._connections.add(task)
        peer = _Peer(reader, writer)
        try:
            if len(self._connections) > limits.WYOMING_CONNECTIONS_MAX:
                limit = limits.WYOMING_CONNECTIONS_MAX
                raise unavailable("Busy", f"WYOMING_CONNECTIONS_MAX is {limit}: all are taken")
            await self._converse(peer)
        except (ConnectionError, TimeoutError):
            log("wyoming", messages=peer.messages, gone=True)
        except asyncio.CancelledError:
            log("wyoming", messages=peer.messages, broken_off=True)
        except Exception as error:
            problem = problem_of(error)
            if problem.status_code == _FAULT:
                log("fault", logging.ERROR, **place_of(error))
            log("wyoming", messages=peer.messages, error=problem.title)
            with suppress(ConnectionError, TimeoutError):
                answer = Message("error", {"text": problem.detail, "code": problem.title})
                await peer.last(answer)
        else:
            log("wyoming", messages=peer.messages)
        finally:
            self._connections.discard(task)
            writer.close()

    async def _converse(self, peer: _Peer) -> None:
        place, speaks = 0, False
        conversation = self._conversation(place)
        try:
            while (message := await peer.receive()) is not None:
                if not speaks and message.type in _SPOKEN:
                    if place in self._speaking:
                        place = min(set(range(len(self._speaking) + 1)) - self._speaking)
                        conversation = self._conversation(place)
                    self._speaking.add(place)
                    speaks = True
                answer = await conversation.take(message)
                if speaks and not conversation.listens:
                    self._speaking.discard(place)
                    speaks = False
                if answer is not None and answer.type == "error":
                    return await peer.last(answer)
                if answer is not None:
                    await peer.send(answer)
        finally:
            if speaks:
                self._speaking.discard(place)

    def _conversation(self, place: int) -> Conversation:
        device = f"{DEVICE}-{place + 1}" if place else DEVICE
        return Conversation(self._dialogues, self._grant, device, acknowledges=False)


class _Peer:
    """One connection, message by message."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.messages = 0

    async def receive(self) -> Message | None:
        """The next message; None where the peer has ended.

        Raises:
            EnvelopeError, LimitExceeded: what came is no message; the stream has lost its place.
            TimeoutError: the peer paused for longer than WYOMING_PAUSE_S_MAX.
        """
        async with asyncio.timeout(limits.WYOMING_PAUSE_S_MAX):
            try:
                line = await self._reader.readuntil(b"\n")
                head = read_head(line)
                rest = await self._reader.readexactly(head.size_bytes)
            except asyncio.LimitOverrunError as error:
                size, what = error.consumed, "wyoming header"
                raise LimitExceeded("HEADER_BYTES_MAX", HEADER_BYTES_MAX, size, what) from None
            except asyncio.IncompleteReadError as error:
                if not error.partial and self._reader.at_eof() and error.expected is None:
                    return None
                raise EnvelopeError("wyoming: the last message is cut off") from None
        self.messages += 1
        return head.message(rest)

    async def send(self, message: Message) -> None:
        """Raises TimeoutError where the peer does not take it within SEND_S_MAX."""
        self._writer.write(to_bytes(message))
        async with asyncio.timeout(limits.SEND_S_MAX):
            await self._writer.drain()

    async def last(self, message: Message) -> None:
        """Nothing comes after this. What the peer still sends is read for a moment: else it would
        be told that the connection broke, and not why."""
        await self.send(message)
        self._writer.write_eof()
        with suppress(TimeoutError):
            async with asyncio.timeout(limits.DRAIN_S_MAX):
                left = limits.DRAIN_BYTES_MAX
                while left > 0 and (data := await self._reader.read(HEADER_BYTES_MAX)):
                    left -= len(data)
