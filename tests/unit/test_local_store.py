"""The embedded store at its edges: who is let in, how much is read, what is never said.

The ways in are attacks of their own, tests/threats/attacks/store_*.py.
"""

from __future__ import annotations

import asyncio
import io
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ctxasr
from ctxasr.store.admission import BODY_BYTES_MAX, OPERATIONS, Admission
from ctxasr.store.clients import clients
from ctxasr.store.local import LocalAws
from ctxasr.store.loopback import REQUEST_BYTES_MAX, SILENCE_S_MAX, STRANGERS_MAX, Strangers

KEY = "0123456789abcdef"
HOST = "127.0.0.1:4711"


def environ(**changes: Any) -> dict[str, Any]:
    """A request that is let in, but for the changes; None takes a header away."""
    scope = f"Credential={KEY}/20261130/us-east-1/dynamodb/aws4_request"
    given = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/",
        "HTTP_HOST": HOST,
        "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0",
        "HTTP_X_AMZ_TARGET": "DynamoDB_20120810.GetItem",
        "CONTENT_LENGTH": "2",
        "wsgi.input": io.BytesIO(b"{}"),
    }
    return {name: value for name, value in (given | changes).items() if value is not None}


def admission(**more: Any) -> Admission:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Access-Control-Allow-Origin", "*"), ("X-Kept", "1")])
        return [environ["wsgi.input"].read()]

    made = Admission(application, KEY, **more)
    made.host = HOST
    return made


def test_what_ctxasr_sends_is_handed_on_with_its_body() -> None:
    began: list[Any] = []
    answer = admission()(environ(), lambda *given: began.append(given))
    assert list(answer) == [b"{}"]
    assert began == [("200 OK", [("X-Kept", "1")], None)]


@pytest.mark.parametrize(
    "changes",
    [
        {"HTTP_AUTHORIZATION": None},
        {"HTTP_AUTHORIZATION": ""},
        {"HTTP_AUTHORIZATION": f"Bearer {KEY}"},
        {"HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 Credential={KEY}"},
        {"HTTP_AUTHORIZATION": f"AWS {KEY}:c2lnbmF0dXJl"},
        {"HTTP_AUTHORIZATION": None, "QUERY_STRING": f"X-Amz-Credential={KEY}%2F20261130"},
        {"HTTP_HOST": None},
        {"HTTP_ORIGIN": ""},
        {"HTTP_SEC_CH_UA": "1"},
        {"REQUEST_METHOD": "GET"},
        {"PATH_INFO": ""},
        {"PATH_INFO": "/x"},
        {"HTTP_X_AMZ_TARGET": None},
        {"HTTP_X_AMZ_TARGET": "TrentService.Decrypt"},
        {"HTTP_X_AMZ_TARGET": "dynamodb_20120810.GetItem"},
        {"CONTENT_LENGTH": None},
        {"CONTENT_LENGTH": ""},
        {"CONTENT_LENGTH": "+2"},
        {"CONTENT_LENGTH": "²"},
        {"CONTENT_LENGTH": "9" * 5000},
        {"CONTENT_LENGTH": str(BODY_BYTES_MAX + 1)},
        {"HTTP_TRANSFER_ENCODING": "chunked"},
    ],
    ids=str,
)
def test_all_else_is_refused_alike(changes: dict[str, Any]) -> None:
    began: list[Any] = []
    given = environ(**changes)
    answer = b"".join(admission()(given, lambda *told: began.append(told)))
    assert answer == b'{"__type": "AccessDeniedException", "message": "refused"}'
    assert began == [("403 Forbidden", [("Content-Type", "application/x-amz-json-1.0")])]
    assert given["wsgi.input"].tell() == 0, "nothing of it was read"
    assert admission().admits(environ(CONTENT_LENGTH=str(BODY_BYTES_MAX)))


def test_it_answers_what_ctxasr_asks_and_no_more() -> None:
    """The operations that stand in the adapters, by the names that they call them."""
    package = Path(ctxasr.__file__).parent
    texts = "".join(
        (package / name).read_text(encoding="utf-8")
        for name in ("store/dynamodb.py", "store/vault.py", "store/local.py")
    )
    called = {
        name.title().replace("_", "") for name in re.findall(r'"([a-z]+(?:_[a-z]+)+)"', texts)
    }
    called |= {name.title() for name in re.findall(r'"(query|decrypt)"', texts)}
    allowed = {target.partition(".")[2] for targets in OPERATIONS.values() for target in targets}
    assert allowed - called == set()
    assert not allowed & {"Scan", "ExecuteStatement", "ExportTableToPointInTime", "ReEncrypt"}


# ---------------------------------------------------------------- over its socket


@pytest.fixture(scope="module")
def running() -> Iterator[LocalAws]:
    aws = LocalAws()
    aws.start()
    yield aws
    aws.stop()


def connect(aws: LocalAws) -> socket.socket:
    port = int(str(aws.endpoint).rpartition(":")[2])
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def test_each_start_draws_its_own_credential(running: LocalAws) -> None:
    one, other = running.endpoint, LocalAws()
    other.start()
    try:
        keys = {
            one.access_key,
            one.secret_key,
            other.endpoint.access_key,
            other.endpoint.secret_key,
        }
        assert len(keys) == 4
        assert all(key and len(key) == 32 for key in keys)
    finally:
        other.stop()


@pytest.mark.parametrize(
    "sent",
    [b"wombat\r\n\r\n", b"GET http://wombat\r\n", b"POST / HTTP/9.9\r\n\r\n",
     b"POST / HTTP/1.1\r\n" + b"wombat: 1\r\n" * 200 + b"\r\n",
     b"POST /" + b"wombat" * 20_000 + b" HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00wombat\r\n\r\n"],
    ids=range(6),
)  # fmt: skip
def test_what_is_no_request_is_not_quoted(
    running: LocalAws, sent: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    with connect(running) as talking:
        talking.sendall(sent)
        answer = b""
        try:
            talking.shutdown(socket.SHUT_WR)
            while part := talking.recv(65_536):
                answer += part
        except OSError:  # already cut off, which is an answer too
            pass
    assert b"wombat" not in answer
    assert "wombat" not in "".join(capfd.readouterr())


def test_a_refusal_comes_before_the_body_and_says_not_what_runs_here(running: LocalAws) -> None:
    assert REQUEST_BYTES_MAX > BODY_BYTES_MAX, "a body at its limit fits in, with its head"
    with connect(running) as talking:
        talking.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1500000\r\n\r\n")
        answer = talking.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 403 ")
        assert not any(name in answer for name in (b"Python", b"Werkzeug", b"moto"))


def test_a_body_that_does_not_come_holds_up_nobody(running: LocalAws) -> None:
    key = running.endpoint.access_key
    scope = f"Credential={key}/20261130/us-east-1/dynamodb/aws4_request"
    head = (
        f"POST / HTTP/1.1\r\nHost: {str(running.endpoint)[7:]}\r\nContent-Length: 100\r\n"
        f"X-Amz-Target: DynamoDB_20120810.GetItem\r\n"
        f"Authorization: AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0\r\n\r\n"
    )
    with connect(running) as slow:
        slow.sendall(head.encode())

        async def others() -> None:
            async with clients(running.endpoint) as opened, asyncio.timeout(SILENCE_S_MAX):
                for _ in range(3):
                    await opened.kms.create_key()

        asyncio.run(others())


def test_the_oldest_stranger_goes_and_those_who_are_known_stay() -> None:
    strangers = Strangers()
    pairs = [socket.socketpair() for _ in range(STRANGERS_MAX + 1)]
    try:
        for ours, _ in pairs[:-1]:
            strangers.add(ours)
        strangers.known({"werkzeug.socket": pairs[0][0]})
        strangers.add(pairs[-1][0])  # the one that is known made room
        for _, theirs in pairs:
            theirs.setblocking(False)
            with pytest.raises(BlockingIOError):
                theirs.recv(1)
        strangers.add(pairs[0][0])
        assert pairs[1][1].recv(1) == b"", "the oldest of the strangers"
        with pytest.raises(BlockingIOError):
            pairs[2][1].recv(1)
    finally:
        for ours, theirs in pairs:
            ours.close()
            theirs.close()
