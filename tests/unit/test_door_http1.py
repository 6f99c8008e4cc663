"""Heads that are too large or can be read in two ways, and whose connections fill the door."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from conftest import World
from test_door import Door
from test_door_server import Running, running

from ctxasr.gateway.http import limits
from ctxasr.gateway.http.http1 import why_not
from ctxasr.gateway.http.places import Place, Places

HOST = b"Host: x\r\n"


async def exchange(it: Running, sent: bytes) -> bytes:
    """All that comes back until the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
    writer.write(sent)
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    await writer.wait_closed()
    return answer


def head(*lines: bytes, first: bytes = b"GET /healthz HTTP/1.1") -> bytes:
    return b"\r\n".join([first, b"Host: x", *lines, b"", b""])


def of_bytes(size: int) -> bytes:
    """A head of that many bytes, with few headers."""
    filled = head(b"x: ")
    return head(b"x: " + b"y" * (size - len(filled)))


TOO_LARGE = {
    "bytes": of_bytes(limits.HEADER_BYTES_MAX + 1),
    "all at once": of_bytes(120_000),
    "blanks": head(b"x:" + b" " * 120_000 + b"y"),
    "headers": head(*[b"x%d: y" % n for n in range(limits.HEADERS_MAX)]),
    "never ending": of_bytes(200_000)[:-4],
}
FITTING = {
    "bytes": of_bytes(limits.HEADER_BYTES_MAX),
    "headers": head(*[b"x%d: y" % n for n in range(limits.HEADERS_MAX - 1)]),
}


@pytest.mark.parametrize("how", TOO_LARGE)
async def test_heads_are_bounded_however_they_arrive(how: str) -> None:
    async with running(Door(World())) as it:
        answer = await exchange(it, TOO_LARGE[how])
        assert answer.startswith(b"HTTP/1.1 431 ")
        assert b"application/problem+json" in answer
        assert b"connection: close" in answer.lower()
        if how in FITTING:
            assert (await exchange(it, FITTING[how])).startswith(b"HTTP/1.1 200 ")


async def test_targets_are_bounded() -> None:
    async with running(Door(World())) as it:
        for more, status in ((0, b"200"), (1, b"414")):
            target = b"/healthz?".ljust(limits.TARGET_BYTES_MAX + 1 + more, b"x")  # and the "?"
            answer = await exchange(it, head(first=b"GET " + target + b" HTTP/1.1"))
            assert answer.startswith(b"HTTP/1.1 " + status), more


CHUNKED = b"Transfer-Encoding: chunked"
POST = b"POST /v1/records HTTP/1.1"
TWO_FACED = {
    "both lengths": head(b"Content-Length: 5", CHUNKED, first=POST),
    "both, the other way": head(CHUNKED, b"content-length: 5", first=POST),
    "twice the same": head(b"Content-Length: 5", b"Content-Length: 5", first=POST),
    "twice chunked": head(CHUNKED, CHUNKED, first=POST),
    "in a list": head(b"Content-Length: 5, 6", first=POST),
    "in a list, the same": head(b"Content-Length: 5, 5", first=POST),
    "not a number": head(b"Content-Length: +5", first=POST),
    "gzip": head(b"Transfer-Encoding: gzip, chunked", first=POST),
    "identity": head(b"Transfer-Encoding: identity", first=POST),
    "blank before the colon": head(b"Transfer-Encoding : chunked", first=POST),
    "folded": head(b"x: y", b" Transfer-Encoding: chunked", first=POST),
    "folded value": head(b"Transfer-Encoding:", b"\tchunked", first=POST),
    "bare line feed": b"POST / HTTP/1.1\r\nHost: x\nContent-Length: 5\r\n\r\n",
    "bare line feed at the end": b"POST / HTTP/1.1\r\nHost: x\r\n\n",
    "old and chunked": head(CHUNKED, first=b"POST / HTTP/1.0"),
    "two hosts": head(HOST.strip(), first=POST),
}


@pytest.mark.parametrize("how", TWO_FACED)
async def test_what_can_be_read_in_two_ways_is_refused_and_its_connection_closed(how: str) -> None:
    smuggled = b"0\r\n\r\n" + head()
    async with running(Door(World())) as it:
        answer = await exchange(it, TWO_FACED[how] + smuggled)
        assert answer.split(b" ")[1] in (b"400", b"501"), answer[:20]
        assert answer.count(b"HTTP/1.1 ") == 1, "what follows is not read as a request"
        first = head(b"Authorization: Bearer " + it.door.tokens["customer"][0].encode())
        first = first.replace(b"/healthz", b"/ping")
        later = await exchange(it, first + TWO_FACED[how] + smuggled)
        assert [later.count(b"HTTP/1.1 " + code) for code in (b"204", b"200")] == [1, 0]


def test_an_ordinary_head_is_not_refused() -> None:
    for given in (head(), head(CHUNKED, first=POST), head(b"Content-Length: 5", first=POST)):
        assert why_not(given) is None


async def idle(it: Running, count: int) -> list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    return [await asyncio.open_connection("127.0.0.1", it.port) for _ in range(count)]


async def test_idle_connections_close_only_their_own_and_health_is_always_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "CONNECTIONS_OF_ADDRESS_MAX", 8)
    async with running(Door(World())) as it, it.client() as known:
        assert (await known.get("/ping")).status_code == 204
        silent = await idle(it, 3 * limits.CONNECTIONS_OF_ADDRESS_MAX)
        for _ in "ab":
            assert (await exchange(it, head(b"Connection: close"))).startswith(b"HTTP/1.1 200 ")
        first, last = silent[0], silent[-1]
        assert await asyncio.wait_for(ended(first[0]), 30), "the oldest made room"
        last[1].write(head())
        assert (await asyncio.wait_for(last[0].read(), 30)).startswith(b"HTTP/1.1 200 ")
        assert (await known.get("/ping")).status_code == 204, "it has shown a token"
        for _, writer in silent:
            writer.close()


async def ended(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read() == b""
    except ConnectionError:
        return True


class Taken:
    """Connections by number, and which of them were ended."""

    def __init__(self) -> None:
        self.places, self.ended = Places(), list[int]()

    def take(self, number: int, address: str = "a") -> Place | None:
        return self.places.take(address, lambda: self.ended.append(number))


def test_shares_of_addresses_and_customers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CONNECTIONS_OF_ADDRESS_MAX", 2)
    monkeypatch.setattr(limits, "CONNECTIONS_OF_CUSTOMER_MAX", 2)
    taken = Taken()
    strangers = [taken.take(number) for number in range(2)]
    assert taken.take(2, "b")
    assert taken.ended == []
    assert strangers[0] is not None
    strangers[0].busy = 1
    assert taken.take(3)
    assert taken.ended == [1], "the idle one, though the other is older"
    for number in (4, 5, 6):
        place = taken.take(number, "c")
        assert place is not None
        place.known("meg")
        place.known("meg")
    assert taken.ended == [1, 4]
    assert len(taken.places) == 5
    strangers[0].leave()
    strangers[0].leave()
    assert len(taken.places) == 4


def test_where_all_are_at_work_a_few_more_may_ask_for_health(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "CONNECTIONS_MAX", 3)
    monkeypatch.setattr(limits, "CONNECTIONS_RESERVED_MAX", 2)
    taken = Taken()
    for number in range(3):
        place = taken.take(number)
        assert place is not None
        place.known(f"customer-{number}")
        place.busy = 1
    for number in (3, 4):
        place = taken.take(number)
        assert place is not None
        assert place.crowded
        place.known("one-more")
        place.busy = 1
    assert taken.ended == []
    assert taken.take(5) is None, "no room at all"
    assert len(taken.places) == 5


def test_of_those_without_a_token_the_oldest_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CONNECTIONS_MAX", 2)
    taken = Taken()
    for number in range(2):
        place = taken.take(number)
        assert place is not None
        place.busy = 1
    assert taken.take(5) is not None
    assert taken.ended == [0], "whatever it does"


async def test_a_crowded_connection_is_for_health_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CONNECTIONS_MAX", 0)
    async with running(Door(World())) as it, it.client() as client:
        assert (await client.get("/healthz")).status_code == 200
        answer = await client.get("/ping")
        assert (answer.status_code, answer.json()["title"]) == (503, "Busy")


def test_limits_are_in_order() -> None:
    shares = (
        limits.CONNECTIONS_RESERVED_MAX, limits.CONNECTIONS_OF_ADDRESS_MAX,
        limits.CONNECTIONS_OF_CUSTOMER_MAX, limits.CONNECTIONS_MAX,
    )  # fmt: skip
    assert all(less < more for less, more in pairwise(shares))
