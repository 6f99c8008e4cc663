"""The threat: a customer who wants another's context, by token, by name or by moving rows."""

from __future__ import annotations

import pytest
from conftest import ANSWER, TTL_S, World, check_plain, recognize, run, turn

from ctxasr.events import Outcome, PayloadKind, TurnKey

MINE, THEIRS = "customer", "another"


async def both_embedded() -> World:
    """Two customers whose turns have the same names, as clients choose them."""
    world = World()
    await world.deliver(list(turn(names=["Meg Jones"]).values()))
    theirs = turn(names=["Meg Bauer", "Power"], customer=THEIRS)
    await world.deliver(list(theirs.values()))
    return world


async def check_not_theirs(world: World, asked_with: str, heard: tuple[str, ...]) -> None:
    opening = recognize("turn-2", asked_with, at_ms=5_000)
    result = await world.answer(opening, *heard)
    assert result.result.text == result.result.plain_text


def test_the_same_names_in_two_accounts_do_not_mix() -> None:
    async def main() -> None:
        world = await both_embedded()
        mine = {phrase.text for phrase in (await world.context()).phrases}
        assert "meg jones" in mine
        assert "power" not in mine
        await check_not_theirs(world, "ask-turn-1", ("hour", "power"))

    run(main())


@pytest.mark.parametrize(
    "token", ["ask-theirs", "another", "another#ask-theirs", "link#ask-theirs", "../another"]
)
def test_anothers_token_leads_nowhere(token: str) -> None:
    async def main() -> None:
        world = World()
        await world.deliver(list(turn("theirs", customer=THEIRS).values()))
        await check_plain(world, recognize("turn-2", token))
        theirs = await world.answer(
            recognize("turn-2", "ask-theirs", customer=THEIRS), "power", "bauer"
        )
        assert theirs.result.text == "bauer", "the token is good for its own customer"

    run(main())


@pytest.mark.parametrize(
    "interaction", ["turn-1", "another#turn-1", "link#ask-turn-1", "turn#turn-1"]
)
def test_an_interactions_name_reaches_no_other_customer(interaction: str) -> None:
    """Events in one's own account under another's names change nothing of the other."""

    async def main() -> None:
        world = World()
        await world.deliver(list(turn(customer=THEIRS).values()))
        before = await world.store.read(TurnKey(THEIRS, "turn-1"))
        rows = {place: row for place, row in world.vault.rows.items() if place[0] == THEIRS}
        await world.deliver(list(turn(interaction, names=["Nobody"]).values()))
        assert await world.store.read(TurnKey(THEIRS, "turn-1")) == before
        assert {p: row for p, row in world.vault.rows.items() if p[0] == THEIRS} == rows
        assert "meg bauer" not in {
            phrase.text for phrase in (await world.context(interaction)).phrases
        }

    run(main())


@pytest.mark.parametrize("kind", [PayloadKind.CONTEXT, PayloadKind.ENTITIES])
def test_a_swapped_ciphertext_is_missed(kind: PayloadKind) -> None:
    """Whoever can write the table puts the other's row in place of mine: it must not open."""

    async def main() -> None:
        world = World()
        mine = turn(names=["Meg Jones"])
        last = mine.pop("expect")
        await world.deliver(list(mine.values()))
        await world.deliver(list(turn(names=["Meg Bauer"], customer=THEIRS).values()))
        if kind is PayloadKind.CONTEXT:
            await world.deliver([last])
        places = {place[0]: place for place in world.vault.rows if f"#{kind}#" in place[1]}
        world.vault.rows[places[MINE]] = world.vault.rows[places[THEIRS]]
        if kind is PayloadKind.ENTITIES:
            await world.deliver([last])
            assert (await world.status()).outcome is Outcome.MISSED
        await check_plain(world)

    run(main())


def test_a_row_that_was_dated_anew_is_missed() -> None:
    async def main() -> None:
        world = World()
        await world.deliver(list(turn().values()))
        for place, (body, expires_at_s) in list(world.vault.rows.items()):
            world.vault.rows[place] = (body, expires_at_s + 10 * TTL_S)
        await check_plain(world)

    run(main())


def test_another_turn_of_ones_own_is_no_way_round() -> None:
    """The rows of one turn under another turn of the same customer."""

    async def main() -> None:
        world = World()
        await world.deliver(list(turn().values()))
        await world.deliver(list(turn("turn-0", names=["Power"]).values()))
        contexts = sorted(place for place in world.vault.rows if "#context#" in place[1])
        assert len(contexts) == 2
        first, second = contexts
        rows = world.vault.rows
        rows[first], rows[second] = rows[second], rows[first]
        await check_plain(world, ANSWER)

    run(main())
