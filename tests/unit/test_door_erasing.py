"""DELETE /v1/customer: whatever arrived before it is not in the store after it, by whatever way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import httpx
import pytest
from conftest import World, recognize, record, turn
from test_door import PCM, SECOND, Door, ask_back, avs, body_of, heard
from test_door_memory import holding

from ctxasr.errors import StoreUnavailable
from ctxasr.gateway.http.erasures import CustomerErased, Erasures, bearing
from ctxasr.gateway.protocols.wyoming_frames import Message, to_bytes

FORM = {"rate": 16_000, "width": 2, "channels": 1}
SPOKEN = b"".join(
    to_bytes(one)
    for one in (
        Message("transcribe", {}), Message("audio-start", FORM),
        Message("audio-chunk", FORM, SECOND), Message("audio-stop"),
    )
)  # fmt: skip
JSON = {"Content-Type": "application/json"}


def check_nothing_is_left(door: Door) -> None:
    assert not len(door.world.store), "items"
    assert not door.world.vault.rows
    kept = door.service.remembered
    assert not (len(kept.dialogues), len(kept.listenings), len(kept._speech)) > (0, 0, 0)


def called(door: Door, name: str) -> asyncio.Event:
    """Set once the door's erasures are asked for `name`."""
    seen, method = asyncio.Event(), getattr(door.service.erasures, name)

    def noticing(*args: Any) -> Any:
        seen.set()
        return method(*args)

    setattr(door.service.erasures, name, noticing)
    return seen


async def end_of(door: Door) -> None:
    """Nothing runs behind the answers any more."""
    while door.service._running:
        await asyncio.wait(set(door.service._running))


# ---------------------------------------------------------------- while it is recognised


async def said_by_sound(client: httpx.AsyncClient) -> tuple[str, Any]:
    answer = await client.post(
        "/v1/recognise", params={"interaction": "turn-2", "token": "ask-turn-1"}, content=SECOND,
        headers={"Content-Type": PCM},
    )  # fmt: skip
    found = answer.json()
    return found["text"], (found["recorded"], found["context"], found["reason"])


async def said_by_avs(client: httpx.AsyncClient) -> tuple[str, Any]:
    form = avs(recognize("turn-2", "ask-turn-1"), SECOND)
    answer = await client.post("/v20160207/events", files=form)
    return answer.text, None


async def said_by_wyoming(client: httpx.AsyncClient) -> tuple[str, Any]:
    answer = await client.post("/v1/wyoming", content=SPOKEN + to_bytes(Message("played")))
    return answer.content.decode(errors="replace"), None


WAYS: dict[str, Callable[[httpx.AsyncClient], Coroutine[Any, Any, tuple[str, Any]]]] = {
    "recognise": said_by_sound, "avs": said_by_avs, "wyoming": said_by_wyoming,
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
async def test_words_whose_sound_had_come_are_answered_and_not_stored(way: str) -> None:
    door = Door(World())
    gate = door.ear.gate = asyncio.Event()
    async with door.client() as client:
        await ask_back(client)
        speaking = asyncio.create_task(WAYS[way](client))
        await door.ear.listens.wait()
        assert (await client.delete("/v1/customer")).status_code == 200
        check_nothing_is_left(door)
        gate.set()
        text, told = await speaking
        assert "power" in text
        assert "bauer" not in text, "the names are erased"
        if told is not None:
            assert told == (False, "missed", "the customer was erased meanwhile")
        await end_of(door)
        check_nothing_is_left(door)
        assert (await WAYS[way](client))[0], "and now it is a new customer's"
        assert door.world.vault.rows


async def test_how_names_sound_is_forgotten_as_well() -> None:
    door = Door(World())
    forgotten: list[None] = []
    door.world.aligner.forget = lambda: forgotten.append(None)  # type: ignore[method-assign]
    async with door.client() as client:
        await ask_back(client)
        assert not forgotten
        assert (await client.delete("/v1/customer")).status_code == 200
        assert forgotten


async def test_names_are_not_used_though_they_were_found_before() -> None:
    """Erased while the answer is rescored: the context had been fetched."""
    door = Door(World())
    rescoring, held = asyncio.Event(), asyncio.Event()
    align = door.world.aligner.align

    async def slow(*args: Any, **kinds: Any) -> Any:
        rescoring.set()
        await held.wait()
        return await align(*args, **kinds)

    door.world.aligner.align = slow  # type: ignore[method-assign]
    async with door.client() as client:
        await ask_back(client)
        given = heard("turn-2", "power", "bauer", token="ask-turn-1")
        saying = asyncio.create_task(client.post("/v1/utterances", json=given))
        await rescoring.wait()
        erases = called(door, "erasing")
        erasing = asyncio.create_task(client.delete("/v1/customer"))
        await erases.wait()
        held.set()
        found = (await saying).json()
        assert (await erasing).status_code == 200
        assert (found["text"], found["context"], found["recorded"]) == ("power", "missed", False)
        await end_of(door)
        check_nothing_is_left(door)


# ---------------------------------------------------------------- while its body comes

BODIES: dict[str, tuple[str, bytes, dict[str, str]]] = {
    "records": ("/v1/records", json.dumps(body_of(turn()["utterance"])).encode(), JSON),
    "speak": ("/v1/records", json.dumps(body_of(turn()["speak"])).encode(), JSON),
    "recognize": (
        "/v1/records", json.dumps(body_of(recognize("turn-2", "ask-turn-1"))).encode(), JSON
    ),
    "assist": ("/v1/assist", json.dumps({"type": "run-start", "data": {}}).encode(), JSON),
    "wyoming": ("/v1/wyoming", SPOKEN, {}),
    "utterances": ("/v1/utterances", json.dumps(heard()).encode(), JSON),
    "recognise": ("/v1/recognise?interaction=turn-2", SECOND, {"Content-Type": PCM}),
}  # fmt: skip
STILL_ANSWERED = ("utterances", "recognise")


@pytest.mark.parametrize("way", BODIES)
async def test_a_request_that_had_begun_is_not_stored(way: str) -> None:
    path, body, headers = BODIES[way]
    door, begun, held = Door(World()), asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield body[: len(body) // 2]
        begun.set()
        await held.wait()
        yield body[len(body) // 2 :]

    async with door.client() as client:
        await ask_back(client)
        posting = asyncio.create_task(client.post(path, content=slowly(), headers=headers))
        await begun.wait()
        assert (await client.delete("/v1/customer")).status_code == 200
        held.set()
        answer = await posting
        if way in STILL_ANSWERED:
            assert answer.status_code == 200
            assert (answer.json()["text"], answer.json()["recorded"]) == ("power", False)
        else:
            assert (answer.status_code, answer.json()["title"]) == (409, "CustomerErased")
        await end_of(door)
        check_nothing_is_left(door)
        assert (await client.post(path, content=body, headers=headers)).status_code == 200


# ---------------------------------------------------------------- while the store erases


async def test_what_comes_while_it_erases_waits_and_is_a_new_customers() -> None:
    hook, begun, held = holding("forget")
    door = Door(World(), hook=hook)
    async with door.client() as client:
        await ask_back(client)
        held.clear()
        erasing = asyncio.create_task(client.delete("/v1/customer"))
        await begun.wait()
        waits = called(door, "over")
        late = asyncio.create_task(client.post("/v1/records", json=body_of(turn()["utterance"])))
        before = await door.world.store.read((await door.world.status()).turn)
        await waits.wait()
        assert await door.world.store.read((await door.world.status()).turn) == before
        held.set()
        assert (await erasing).status_code == 200
        assert (await late).status_code == 200
        status = await door.world.status()
    assert len(status.marks) == len(status.refs) == 1
    assert status.wrapped_key is not None
    assert len(await door.world.vault.get(status.wrapped_key, status.turn, [*status.refs])) == 1


async def test_what_waits_for_one_erasing_is_refused_by_the_next() -> None:
    hook, begun, held = holding("forget")
    door = Door(World(), hook=hook)
    async with door.client() as client:
        held.clear()
        first = asyncio.create_task(client.delete("/v1/customer"))
        await begun.wait()
        waits = called(door, "over")
        late = asyncio.create_task(client.post("/v1/records", json=body_of(turn()["utterance"])))
        await waits.wait()
        second = asyncio.create_task(client.delete("/v1/customer"))
        assert (await late).json()["title"] == "CustomerErased", "before either has ended"
        held.set()
        assert {(await one).status_code for one in (first, second)} == {200}
        check_nothing_is_left(door)


async def test_an_erasing_that_fails_has_ended() -> None:
    door = Door(World())
    forget = door.world.store.forget

    async def fails(customer: str) -> int:
        raise StoreUnavailable("the table does not answer")

    door.world.store.forget = fails  # type: ignore[method-assign]
    async with door.client() as client:
        assert (await client.delete("/v1/customer")).status_code == 503
        await ask_back(client)
        door.world.store.forget = forget  # type: ignore[method-assign]
        assert (await client.delete("/v1/customer")).status_code == 200
        check_nothing_is_left(door)


async def test_others_are_not_held_up_nor_refused() -> None:
    hook, begun, held = holding("forget")
    door = Door(World(), hook=hook)
    async with door.client() as client, door.client("other") as other:
        held.clear()
        erasing = asyncio.create_task(client.delete("/v1/customer"))
        await begun.wait()
        said = body_of(record("ContextText.Utterance", {"text": "call meg"}))
        assert (await other.post("/v1/records", json=said)).status_code == 200
        held.set()
        await erasing
        assert (await other.get("/v1/turns/turn-1")).status_code == 200


async def test_a_mark_outside_of_a_request_is_that_of_the_moment() -> None:
    erasures = Erasures()
    with bearing(erasures.now("customer")):
        with erasures.erasing("other"):
            assert erasures.may_write(erasures.arrival("customer"))
        mark = erasures.arrival("customer")
        with erasures.erasing("customer"):
            assert not erasures.may_write(erasures.now("customer")), "it runs"
        assert erasures.arrival("customer") == mark, "of the arrival"
        assert erasures.begun_since(mark)
        with pytest.raises(CustomerErased):
            await erasures.over(mark)
    assert erasures.may_write(erasures.arrival("customer"))
