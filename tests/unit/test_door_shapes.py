"""Bodies as other programs write them: byte order marks, and Clova's directives."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conftest import World, recognize, turn
from test_door import PCM, SECOND, Door, body_of

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
async def test_a_body_may_begin_with_a_byte_order_mark(encoding: str) -> None:
    async with Door(World()).client() as client:
        for path, body in (
            ("/v1/records", body_of(turn()["utterance"])),
            ("/v1/assist", {"type": "run-start", "data": None}),
        ):
            sent = json.dumps(body).encode(encoding)
            answer = await client.post(path, content=sent, headers=JSON)
            assert answer.status_code == 200, answer.text
        event = recognize().message.to_json().encode(encoding)
        parts: Any = {
            "metadata": (None, event, "application/json"), "audio": ("audio", SECOND, PCM),
        }  # fmt: skip
        answer = await client.post("/v20160207/events", files=parts)
        assert answer.status_code == 200, answer.text


async def test_clovas_directives_are_a_dialogue() -> None:
    """Its ids link the turns, its caption stands in for the reply."""

    def message(form: str, name: str, interaction: str, **payload: Any) -> dict[str, Any]:
        namespace, _, short = name.partition(".")
        header = {
            "namespace": namespace, "name": short, "messageId": f"{interaction}-{short}",
            "dialogRequestId": interaction,
        }  # fmt: skip
        return {"message": {form: {"header": header, "payload": payload}}}

    source = {"token": "speech-1", "url": "clova:tts", "format": "audio/mpeg"}
    asked = [
        message("event", "SpeechRecognizer.Recognize", "a", lang="en"),
        message("directive", "ContextText.Utterance", "a", text="call meg"),
        message("directive", "SpeechSynthesizer.Speak", "a", source=source,
                ttsText="Do you mean Meg Jones or Meg Bauer?"),
        message("directive", "SpeechRecognizer.ExpectSpeech", "a", timeoutInMilliseconds=7_000,
                explicit=True, expectSpeechId="ask-1"),
    ]  # fmt: skip
    answer = message("event", "SpeechRecognizer.Recognize", "b", speechId="ask-1", explicit=True)
    finished = {"namespace": "SpeechSynthesizer", "name": "SpeechFinished", "messageId": "f"}
    async with Door(World()).client() as client:
        for body in asked:
            told = await client.post("/v1/records", json=body)
            assert told.status_code == 200, told.text
        assert told.json()["outcome"] == "embedded"
        ended = {"message": {"event": {"header": finished, "payload": {"token": "speech-1"}}}}
        told = await client.post("/v1/records", json=ended)
        assert told.json()["interaction"] == "a", "the speech is known by its source's token"
        parts: Any = {
            "metadata": (None, json.dumps(answer["message"]), "application/json"),
            "audio": ("audio", SECOND, PCM),
        }
        heard = await client.post("/v20160207/events", files=parts)
        assert '"text": "Meg Bauer"' in heard.text or '"text": "meg bauer"' in heard.text


@pytest.mark.parametrize("name", ["Speak", "SpeechStarted", "SpeechFinished", "SpeechInterrupted"])
@pytest.mark.parametrize("own", [{"token": "\ud83d"}, {"token": "", "source": {"token": "\ude00"}}])
@pytest.mark.parametrize("interaction", ["turn-1", None])
async def test_half_a_character_in_a_token_is_no_fault(
    name: str, own: dict[str, Any], interaction: str | None
) -> None:
    """As programs write it that cut texts at a number of UTF-16 units."""
    header = {
        "namespace": "SpeechSynthesizer", "name": name, "messageId": "m",
        "dialogRequestId": interaction,
    }  # fmt: skip
    body = {"message": {"event": {"header": header, "payload": own}}}
    async with Door(World()).client() as client:
        answer = await client.post("/v1/records", content=json.dumps(body), headers=JSON)
    assert answer.status_code == 200, answer.text
    assert answer.json()["interaction"] == interaction
