"""Texts with and without a byte order mark, wherever users' files and bodies are read."""

from __future__ import annotations

import codecs
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ctxasr.charset import decoded, joined
from ctxasr.envelopes import read_envelope
from ctxasr.errors import EnvelopeError, InputError
from ctxasr.evaluate.costs.prices import load_prices
from ctxasr.gateway.http.auth import load_tokens
from ctxasr.gateway.requests import SweepRequest, read_json, read_record
from ctxasr.scenario.source import read_source
from ctxasr.sim.workload.document import read_plain

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-32"]
"""As Python writes them: the last three with a mark."""

BIG_ENDIAN = [(codecs.BOM_UTF16_BE, "utf-16-be"), (codecs.BOM_UTF32_BE, "utf-32-be")]

ENVELOPE = {
    "event": {
        "header": {
            "namespace": "SpeechRecognizer", "name": "Recognize", "messageId": "m",
            "dialogRequestId": "d",
        },
        "payload": {},
    }
}  # fmt: skip
RECORD = {"customer": "amy", "received_at": 1_700_000_000_000, "message": ENVELOPE}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_byte_order_mark_tells_the_encoding(encoding: str) -> None:
    text = '{"name": "Zo\u00eb \U0001f600"}'
    assert decoded(text.encode(encoding)) == text
    assert decoded("".encode(encoding)) == ""


def test_big_endian_and_what_only_looks_marked() -> None:
    for mark, encoding in BIG_ENDIAN:
        assert decoded(mark + "Zo\u00eb".encode(encoding)) == "Zo\u00eb"
    assert decoded(b"a\xef\xbb\xbf") == "a\ufeff", "only the beginning is one"
    for wrong in (b"\xff", b"\xff\xfea", b"\xfe\xff\xd8\x3d", b"\xef\xbb\xbf\xff"):
        with pytest.raises(UnicodeDecodeError):
            decoded(wrong)


def test_halves_are_joined() -> None:
    assert joined("\ud83d\ude00 a") == "\U0001f600 a"
    for half in ("\ud83d", "\ude00", "\ude00\ud83d", "\ud83d \ude00"):
        with pytest.raises(UnicodeDecodeError):
            joined(half)


READERS: list[tuple[Callable[[bytes], Any], Any]] = [
    (lambda data: read_envelope(data).to_json(), ENVELOPE),
    (lambda data: read_record(data).customer, RECORD),
    (lambda data: read_json(SweepRequest, data).customer, {"customer": "amy"}),
]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(("read", "document"), READERS)
def test_bodies_are_read_in_every_encoding(
    read: Callable[[bytes], Any], document: Any, encoding: str
) -> None:
    assert read(json.dumps(document).encode(encoding)) == read(json.dumps(document).encode())


def test_a_mark_in_a_text_in_hand_means_nothing() -> None:
    assert read_envelope("\ufeff" + json.dumps(ENVELOPE)) == read_envelope(json.dumps(ENVELOPE))
    assert read_json(SweepRequest, '\ufeff{"customer": "amy"}').customer == "amy"


def test_a_body_that_breaks_its_promise_is_named() -> None:
    with pytest.raises(EnvelopeError, match=r"envelope is not UTF-8 \(byte 1\)"):
        read_envelope(b"{\xff}")
    with pytest.raises(EnvelopeError, match="envelope is not UTF-16"):
        read_envelope(b"\xff\xfe{")
    with pytest.raises(InputError, match="not JSON"):
        read_json(SweepRequest, b"\xff\xfe{")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_files_are_read_in_every_encoding(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "file"

    def write(text: str) -> Path:
        path.write_bytes(text.encode(encoding))
        path.chmod(0o600)
        return path

    for text in ("reply: Zo\u00eb\n", '{"reply": "Zo\u00eb"}'):
        assert read_source(write(text)).value == {"reply": "Zo\u00eb"}
        assert read_plain(write(text)) == {"reply": "Zo\u00eb"}
    digest = hashlib.sha256(b"token").hexdigest()
    assert load_tokens(write(f'{{"{digest}": "meg"}}')).customers == {"meg"}
    assert load_prices(write("kms_usd_per_million: 5\n")).kms_usd_per_million == 5.0


@pytest.mark.parametrize("value", ["12", "null", "true", "[meg]", "{customer: 12}", "{device: a}"])
def test_a_token_of_no_customer_says_how_to_write_one(value: str, tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    path.write_text(f'"{hashlib.sha256(b"token").hexdigest()}": {value}\n')
    path.chmod(0o600)
    with pytest.raises(InputError, match=r"entry 1: .*(quotes|customer)") as caught:
        load_tokens(path)
    assert "instance" not in str(caught.value)
