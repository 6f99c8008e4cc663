"""What the door hands to other recognisers, and what it counts of it."""

from __future__ import annotations

import json

from conftest import World, turn
from test_door import Door, ask_back, body_of

from ctxasr.context import CONTEXT_PHRASES_MAX
from ctxasr.events import Record
from ctxasr.gateway import requests
from ctxasr.gateway.contexts import rescored


async def test_a_turns_phrases_in_the_formats_of_others() -> None:
    async with Door(World()).client() as client:
        await ask_back(client)
        at = "/v1/turns/turn-1/phrases"
        prompt = await client.get(at, params={"format": "whisper"})
        reply = "Which Meg?"
        assert prompt.text.startswith(f"{reply} "), "what was said stands first"
        assert "Meg Bauer" in prompt.text.removeprefix(reply)
        assert "within=" in prompt.headers["ctxasr-left-out"]
        assert "generic=" in prompt.headers["ctxasr-left-out"]
        sent = (await client.get(at, params={"format": "assemblyai"})).json()
        assert sent["agent_context"] == reply
        assert "Meg Bauer" in sent["keyterms_prompt"]
        upper = await client.get(at, params={"format": "sherpa-onnx", "case": "upper"})
        assert "MEG BAUER :" in upper.text
        hints = await client.get(at, params={"format": "lex", "intent": "CallContact"})
        assert list(hints.json()["slotHints"]) == ["CallContact"]
        wrong = await client.get(at, params={"format": "lex", "intent": "a b"})
        assert wrong.status_code == 422
        assert (await client.get(at)).json()["left_out"] == 0


async def test_names_past_what_a_context_holds_are_counted_in_every_answer() -> None:
    names = [f"Name{number:03}" for number in range(CONTEXT_PHRASES_MAX + 9)]
    world = World()
    async with Door(world).client() as client:
        listed = json.dumps({"kind": "contact", "values": names})

        def with_names(record: Record) -> dict[str, object]:
            body = body_of(record)
            message = body["message"].get("event") or body["message"].get("directive")
            if message["header"]["name"] == "Entities":
                message["payload"] = json.loads(listed)
            return body

        for one in turn().values():
            assert (await client.post("/v1/records", json=with_names(one))).status_code == 200
        at = "/v1/turns/turn-1"
        left_out = (await client.get(f"{at}/phrases")).json()["left_out"]
        assert left_out >= 9
        found = (await client.get(f"{at}/context")).json()
        assert found["provenance"]["left_out"] == left_out
        listed_there = await client.get(f"{at}/phrases", params={"format": "azure"})
        assert f"context={left_out}" in listed_there.headers["ctxasr-left-out"]
        hypotheses = [{"text": "power"}]
        said = {"interaction": "turn-2", "token": "ask-turn-1", "hypotheses": hypotheses}
        answer = (await client.post("/v1/utterances", json=said)).json()
        assert (answer["context"], answer["left_out"]) == ("hit", left_out)
    asked = {"customer": "customer", "token": "ask-turn-1", "hypotheses": hypotheses}
    request = requests.read(requests.RescoreRequest, asked)
    assert (await rescored(request, world.ports))[0]["left_out"] == left_out
    assert request.plain_answer("late").keys() == (await rescored(request, world.ports))[0].keys()
