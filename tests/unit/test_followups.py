"""Answers under the dialogRequestId of the turn that asked are turns of their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import wraps
from itertools import count, permutations
from typing import Any

import pytest
from conftest import ANSWER, HEARD, START_MS, World, completed, interrupted, record, run, turn

from ctxasr import followups
from ctxasr.answer import ContextState, listen
from ctxasr.errors import StoreUnavailable
from ctxasr.events import FOLLOW_UP, ConsistentStatus, Mark, Outcome, Record, TurnKey, to_event
from ctxasr.followups import answer_turn, asked_by, own_refs, repeats_finished
from ctxasr.gateway.http.recordings import answering
from ctxasr.pipeline import on_event
from ctxasr.windows import window_of

FIRST = TurnKey("customer", "turn-1")
ASKED, SAID_AT_MS = "ask-turn-1", 5_000


def virtually(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """The test in virtual time."""

    @wraps(test)
    def in_virtual_time(*given: Any, **named: Any) -> None:
        run(test(*given, **named))

    return in_virtual_time


def again(token: str | None = None, number: str = "r2", at_ms: float = SAID_AT_MS) -> Record:
    """A Recognize under the id of turn-1."""
    initiator = {"initiator": {"type": "FOLLOW_UP", "payload": {"token": token}}} if token else {}
    return record("SpeechRecognizer.Recognize", initiator, number=number, at_ms=at_ms)


def renamed(one: Record, number: str, token: str = "") -> Record:
    """A record with another messageId, and another token if it has one."""
    text = one.model_dump(mode="json", by_alias=True, exclude_unset=True)
    (message,) = text["message"].values()
    message["header"]["messageId"] += number
    if token and "initiator" in message["payload"]:
        message["payload"]["initiator"]["payload"]["token"] = token
    return Record.model_validate(text)


def asks_again(at_ms: float = 6_000, utterance: str = "bauer") -> dict[str, Record]:
    """What the service tells of the answer, all under the id of turn-1: it asks once more."""
    told = turn(at_ms=at_ms, utterance=utterance, names=("Home", "Mobile"))
    del told["recognize"]
    return {name: renamed(one, f"-at-{at_ms}", f"ask-at-{at_ms}") for name, one in told.items()}


async def rows(world: World) -> Any:
    """All that is in both tables, without what is drawn."""
    found = {}
    for key, status in sorted(world.store._turns.items()):
        contexts = sum(ref.kind == "context" for ref in status.refs)
        refs = sorted(str(ref) for ref in status.refs if ref.kind != "context")
        marks = sorted((one, str(mark)) for one, mark in status.marks.items())
        found[key.interaction] = (marks, refs, contexts, status.outcome)
    kept = sorted(str(place) for place in world.vault.rows if "context" not in str(place))
    return found, sorted(world.store._links.items()), kept


@virtually
async def test_with_the_token_it_is_a_turn_of_its_own_and_has_the_context() -> None:
    world = World()
    await world.deliver(list(turn().values()))
    before = await world.answer(ANSWER, *HEARD)
    assert (before.context, before.result.text) == (ContextState.HIT, "bauer")
    here = await world.answer(again(ASKED), *HEARD)
    assert (here.context, here.result.text) == (ContextState.HIT, "bauer")
    status = await on_event(again(ASKED), world.ports)
    assert status.turn == answer_turn(FIRST, again(ASKED).message.message.header.message_id)
    assert [mark.token for mark in status.marks.values()] == [ASKED]
    once = await rows(world)
    for process in (world.ports, world.process()):
        assert (await on_event(again(ASKED), process)).turn == status.turn, "whoever redelivers it"
    assert await rows(world) == once
    late = await world.answer(again(ASKED), *HEARD)
    assert late.result.text == "bauer", "also after it was recorded"
    asking = await world.status()
    assert [mark.name for mark in asking.marks.values()].count(FOLLOW_UP) == 1
    assert len((await world.context()).vectors) == 1


@virtually
async def test_what_follows_under_the_same_id_belongs_to_the_answer_in_any_order() -> None:
    async def rows_after(*steps: Record) -> Any:
        world = World()
        await world.deliver(list(turn().values()))
        for step in steps:
            await on_event(step, world.process())  # each in a process of its own
        return await rows(world)

    follow = asks_again()
    told = [again(ASKED), *(follow[name] for name in ("utterance", "entities", "expect"))]
    rest = [follow[name] for name in ("screen", "reply", "speak", "started")]
    wanted = None
    for order in permutations(told):
        for steps in ([*order, *rest], [*rest, *order], [*order, *rest, *order, *rest]):
            found = await rows_after(*steps)
            wanted = wanted or found
            assert found == wanted, [step.message.message.header.message_id for step in steps]
    assert wanted is not None
    turns, _, kept = wanted
    answer = answer_turn(FIRST, told[0].message.message.header.message_id).interaction
    marks, refs, contexts, outcome = turns[answer]
    assert (len(marks), len(refs), contexts, outcome) == (8, 4, 1, Outcome.EMBEDDED)
    assert turns["turn-1"][2:] == (1, Outcome.EMBEDDED)
    assert len(kept) == 8, "each text once, in its own turn"


@pytest.mark.parametrize("last", ["expect", "recognize"])
def test_who_begins_the_turn_may_fail_anywhere_and_come_again(last: str) -> None:
    """The question, or its answer, is recorded behind all that follows; one operation fails."""

    async def rows_after(failing: int) -> tuple[int, Any]:
        world, operations = World(), count(1)

        async def fails(_: str, call: Callable[[], Awaitable[Any]]) -> Any:
            answer = await call()
            if next(operations) == failing:
                raise StoreUnavailable("the answer is lost")
            return answer

        told = (
            turn()
            | {"answer": again(ASKED)}
            | {f"follow-{name}": one for name, one in asks_again().items()}
        )
        late = told.pop("expect") if last == "expect" else told.pop("answer")
        await world.deliver([*told.values()])
        with suppress(StoreUnavailable):
            await on_event(late, world.process(fails))
        await on_event(late, world.process())
        found, links, _ = await rows(world)  # the texts of a turn that is missed are gone
        return next(operations), ({one: row[:2] for one, row in found.items()}, links)

    total, wanted = run(rows_after(0))
    for failing in range(1, total):
        found = run(rows_after(failing))[1]
        assert found == wanted, failing


@virtually
async def test_the_context_of_the_answer_holds_both_turns_and_answers_the_third() -> None:
    world = World()
    await world.deliver(list(turn().values()))
    await world.deliver([again(ASKED), *asks_again().values()])
    answer = answer_turn(FIRST, again(ASKED).message.message.header.message_id)
    context = await world.context(answer.interaction)
    assert len(context.vectors) == 2
    assert {"home", "meg bauer"} <= {phrase.text.lower() for phrase in context.phrases}
    assert len((await world.context()).vectors) == 1, "nothing of the later turn"
    third = again("ask-at-6000", "r3", 9_000)
    for _ in "ab":
        heard = await world.answer(third, "power", "meg bauer")
        assert (heard.context, heard.result.text) == (ContextState.HIT, "meg bauer")
        status = await on_event(third, world.process())
    assert status.turn == answer_turn(FIRST, third.message.message.header.message_id)
    await world.deliver(list(asks_again(9_500, "home").values()))
    assert len((await world.context(status.turn.interaction)).vectors) == 3
    shared = await world.status()
    assert asked_by(shared, ASKED) == FIRST
    assert asked_by(shared, "ask-at-6000") == answer
    assert asked_by(shared, "ask-at-9500") == status.turn


@virtually
async def test_without_a_token_it_answers_the_turn_that_has_asked() -> None:
    world = World()
    await world.deliver(list(turn().values()))
    silent = again()
    for process in (world.ports, world.process()):
        status = await on_event(silent, process)
    assert status.turn == answer_turn(FIRST, silent.message.message.header.message_id)
    (mark,) = status.marks.values()
    named = record(
        "SpeechRecognizer.Recognize",
        {"initiator": {"type": "FOLLOW_UP", "payload": {"token": mark.token}}},
        interaction=status.turn.interaction, at_ms=SAID_AT_MS,
    )  # fmt: skip
    assert (await world.answer(named, *HEARD)).result.text == "bauer"
    await world.deliver(list(asks_again().values()))
    assert len((await world.context(status.turn.interaction)).vectors) == 2


@virtually
async def test_a_wake_word_under_the_id_of_a_question_answers_nothing() -> None:
    world = World()
    await world.deliver(list(turn().values()))
    wake = record(
        "SpeechRecognizer.Recognize", {"initiator": {"type": "WAKEWORD", "payload": {}}},
        number="r2", at_ms=SAID_AT_MS,
    )  # fmt: skip
    for _ in "ab":
        status = await on_event(wake, world.process())
    assert status.turn == answer_turn(FIRST, wake.message.message.header.message_id)
    opening = answering(to_event(wake, 600), status)
    heard = await listen(opening, world.ports)
    assert (heard.state, heard.reason) == (ContextState.NONE, "nothing was asked")
    await world.deliver(list(asks_again().values()))
    context = await world.context(status.turn.interaction)
    assert len(context.vectors) == 1, "a dialogue of its own"
    third = await world.answer(again("ask-at-6000", "r3", 9_000), "hole", "home")
    assert third.result.text == "home"


@virtually
async def test_with_the_token_of_another_turn_it_answers_that_one() -> None:
    world = World()
    await world.deliver(list(turn("turn-0", names=("Anna", "Hanna")).values()))
    await world.deliver(list(turn().values()))
    other = again("ask-turn-0")
    assert (await world.answer(other, "banana", "anna")).result.text == "anna"
    status = await on_event(other, world.ports)
    assert status.turn not in (FIRST, TurnKey("customer", "turn-0"))
    await world.deliver(list(asks_again().values()))
    context = await world.context(status.turn.interaction)
    names = {phrase.text.lower() for phrase in context.phrases}
    assert "anna" in names
    assert "meg bauer" not in names


@virtually
async def test_a_barge_in_under_the_same_id_is_one() -> None:
    world = World()
    asking = turn(reply_ms=60_000)
    reply = asking.pop("reply")
    await world.deliver([*asking.values(), again(ASKED, at_ms=50)])
    await world.deliver([renamed(reply, "-2").model_copy(
        update={"received_at": reply.received_at + 80}
    )])  # fmt: skip
    status = await world.status()
    assert status.outcome is None, "the reply of the answer completes no other turn"
    assert not any(ref.kind == "reply" for ref in own_refs(status))
    await world.deliver([reply])
    assert (await world.status()).outcome is Outcome.EMBEDDED, "with its own reply"


@virtually
async def test_the_end_of_a_reply_is_of_the_turn_that_spoke_it() -> None:
    """The customer speaks, then the device tells that it has broken off the question."""
    world = World()
    await world.deliver([*turn(reply_ms=60_000).values(), again(ASKED, at_ms=1_000)])
    answer = answer_turn(FIRST, again(ASKED).message.message.header.message_id)
    follow = asks_again(1_200)
    del follow["speak"], follow["started"]  # of a service that sends its words alone
    await world.deliver([*follow.values()])
    late = await on_event(interrupted(at_ms=1_300), world.ports)
    assert late.turn == FIRST
    assert window_of(late).at_ms - START_MS == 1_300
    assert window_of(await world.status(answer.interaction)).at_ms - START_MS == 1_200 + 4_000
    unknown = record("SpeechSynthesizer.SpeechFinished", {"token": "x"}, at_ms=1_400)
    assert (await on_event(unknown, world.ports)).turn == answer, "by its time"


@pytest.mark.parametrize("expects", [False, True])
@virtually
async def test_a_repetition_under_a_new_message_id_stays_in_its_turn(expects: bool) -> None:
    """Before the question nothing can be an answer to it; the first Recognize may come last."""
    world = World()
    told = turn(asked_with="ask-turn-0", at_ms=100)
    first = told.pop("recognize")
    for one in [first, renamed(first, "-again"), again("ask-turn-0", "r3", 105)]:
        assert (await on_event(one, world.ports)).turn == FIRST
    if not expects:
        await on_event(completed(at_ms=200), world.ports)
    other = World()
    await other.deliver(list(told.values()))
    assert (await on_event(first, other.ports)).turn == FIRST, "later than its expect-speech"
    assert not [m for m in (await other.status()).marks.values() if m.name == FOLLOW_UP]


@virtually
async def test_a_finished_turn_says_that_its_id_came_again() -> None:
    world = World()
    told = turn()
    del told["expect"]
    steps = [*told.values(), completed(at_ms=1_000)]
    for one in steps:
        status = await on_event(one, world.ports)
        assert not repeats_finished(to_event(one, 600), status)
    late = again(at_ms=SAID_AT_MS)
    status = await on_event(late, world.ports)
    assert (status.turn, status.outcome) == (FIRST, Outcome.DISCARDED)
    assert repeats_finished(to_event(late, 600), status)
    own = again("ask-turn-0", "r3", 9_000)
    status = await on_event(own, world.ports)
    assert status.turn != FIRST, "a token says that it is a turn of its own"
    assert not repeats_finished(to_event(own, 600), status)


@pytest.mark.parametrize("many", [10, 300])
@virtually
async def test_the_turns_under_one_id_are_put_in_order_once_for_all_its_events(
    monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    """Once for each of them, the events that one item has room for held up the loop."""
    world, looks = World(), 0
    finished = {"token": "t"}
    told = [*turn().values()]
    told += [
        record("SpeechSynthesizer.SpeechFinished", finished, number=f"f{n}", at_ms=6_000 + n)
        for n in range(many)
    ]
    await world.deliver(told)

    def counted(status: ConsistentStatus) -> list[tuple[str, Mark]]:
        nonlocal looks
        looks += 1
        return in_order(status)

    in_order = followups._follow_ups
    monkeypatch.setattr(followups, "_follow_ups", counted)
    answer = await on_event(again(ASKED), world.ports)
    assert answer.turn != FIRST
    assert len(answer.marks) == 1 + many, "all of them belong to the answer"
    assert looks == 2
