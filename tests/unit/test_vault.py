"""Sealed payloads and the cache of data keys."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ctxasr.errors import LimitExceeded, PayloadUnreadable
from ctxasr.events import PayloadKind, PayloadRef, TurnKey
from ctxasr.store import schema, vault
from ctxasr.store.schema import Tables
from ctxasr.store.vault import (
    DATA_KEY_AGE_MS_MAX,
    DATA_KEYS_MAX,
    WIPE_PAUSE_MS_MIN,
    DataKeys,
    KmsVault,
)

TURN, REF = TurnKey("customer", "interaction"), PayloadRef(PayloadKind.REPLY, "1")
KEY, NONCE = bytes(range(32)), bytes(12)

names = st.text(alphabet='a1#"\\,[]é%:', max_size=4)
places = st.tuples(names, names, st.sampled_from(PayloadKind), names, st.integers(0, 20))


class HandClock:
    ms = 0.0

    def now_ms(self) -> float:
        return self.ms

    def timer_s(self, duration_ms: float) -> float:
        return duration_ms / 1000


@given(places, places)
def test_a_body_opens_at_its_own_place_alone(
    one: tuple[str, str, PayloadKind, str, int], two: tuple[str, str, PayloadKind, str, int]
) -> None:
    def place(at: tuple[str, str, PayloadKind, str, int]) -> tuple[TurnKey, PayloadRef, int]:
        return TurnKey(at[0], at[1]), PayloadRef(at[2], at[3]), at[4]

    body = schema.seal(KEY, *place(one), b"clear", nonce=NONCE)
    assert schema.unseal(KEY, *place(one), body) == b"clear"
    if one != two:
        with pytest.raises(PayloadUnreadable):
            schema.unseal(KEY, *place(two), body)


@example(("c", "a", REF.kind, "1#reply#2", 0), ("c", "a#reply#1", REF.kind, "2", 0))
@given(places, places)
def test_two_payloads_never_share_a_row(
    one: tuple[str, str, PayloadKind, str, int], two: tuple[str, str, PayloadKind, str, int]
) -> None:
    rows = [schema.payload_sort(TurnKey("c", at[1]), PayloadRef(at[2], at[3])) for at in (one, two)]
    assert (rows[0] == rows[1]) == (one[1:4] == two[1:4])


def test_format_of_a_body() -> None:
    body = schema.seal(KEY, TURN, REF, 7, b"clear", nonce=NONCE)
    assert body[:13] == b"\x01" + NONCE
    assert len(body) == len(b"clear") + 29
    for broken in (b"", b"\x02" + body[1:], body[:28]):
        with pytest.raises(PayloadUnreadable, match="version"):
            schema.unseal(KEY, TURN, REF, 7, broken)


def test_limits_at_their_edges() -> None:
    schema.seal(KEY, TURN, REF, 7, bytes(schema.PAYLOAD_BYTES_MAX), nonce=NONCE)
    with pytest.raises(LimitExceeded, match="PAYLOAD_BYTES_MAX"):
        schema.seal(KEY, TURN, REF, 7, bytes(schema.PAYLOAD_BYTES_MAX + 1), nonce=NONCE)
    longest = "i" * (schema.SORT_KEY_BYTES_MAX - len("#reply#1"))
    schema.payload_key(TurnKey("c", longest), REF)
    schema.status_key(TurnKey("c", "i" * schema.SORT_KEY_BYTES_MAX))
    with pytest.raises(LimitExceeded, match="SORT_KEY_BYTES_MAX"):
        schema.payload_key(TurnKey("c", longest + "i"), REF)
    with pytest.raises(LimitExceeded, match="SORT_KEY_BYTES_MAX"):
        schema.status_key(TurnKey("c", "i" * (schema.SORT_KEY_BYTES_MAX + 1)))


@pytest.mark.parametrize("clear", [b"", b"\xff\xfe", b'"ab"', b"{}", b"[]", b"7", b"[" * 100_000])
def test_what_is_no_list_of_texts_is_unreadable(clear: bytes) -> None:
    with pytest.raises(PayloadUnreadable):
        schema.unpack(clear, 7, TURN, REF)


def test_data_keys_leave_at_their_age_and_are_zeroed() -> None:
    clock = HandClock()
    keys = DataKeys(clock)
    keys.keep(b"w", TURN, KEY)
    keys.hold(b"w", TURN)
    held = keys._keys[b"w", TURN][0]
    assert keys.find(b"w", TurnKey("other", "interaction")) is None
    clock.ms = DATA_KEY_AGE_MS_MAX - 1
    taken = keys.find(b"w", TURN)
    assert keys.held(TURN) == b"w"
    clock.ms = DATA_KEY_AGE_MS_MAX
    assert keys.held(TURN) is None
    assert keys.find(b"w", TURN) is None
    assert held == bytes(32)
    assert taken == KEY, "whoever is using it keeps it"


def test_data_keys_are_bounded_in_number() -> None:
    keys = DataKeys(HandClock())
    for number in range(DATA_KEYS_MAX):
        keys.keep(b"%d" % number, TURN, KEY)
    assert (len(keys), keys.find(b"0", TURN)) == (DATA_KEYS_MAX, KEY)
    keys.keep(b"one more", TURN, KEY)
    assert (len(keys), keys.find(b"0", TURN)) == (DATA_KEYS_MAX, None)
    assert keys.find(b"one more", TURN) == KEY


def test_data_keys_of_a_forgotten_customer_and_of_a_dropped_turn_are_zeroed() -> None:
    keys = DataKeys(HandClock())
    again, other = TurnKey(TURN.customer, "again"), TurnKey("customer-2", TURN.interaction)
    for turn in (TURN, again, other):
        keys.keep(b"w", turn, KEY)
        keys.hold(b"w", turn)
    keys.keep(b"lost the race", again, KEY)
    cached = {place: entry[0] for place, entry in keys._keys.items()}
    keys.drop(TURN)
    assert [place for place, key in cached.items() if key == bytes(32)] == [(b"w", TURN)]
    keys.drop_customer(TURN.customer)
    assert [place for place, key in cached.items() if key != bytes(32)] == [(b"w", other)]
    assert (len(keys), keys.held(again), keys.held(other)) == (1, None, b"w")
    assert keys.find(b"w", other) == KEY


def test_a_data_key_that_leaves_for_want_of_room_is_zeroed() -> None:
    keys = DataKeys(HandClock())
    keys.keep(b"first", TURN, KEY)
    first = keys._keys[b"first", TURN][0]
    for number in range(DATA_KEYS_MAX - 1):
        keys.keep(b"%d" % number, TURN, KEY)
    assert first == KEY
    keys.keep(b"one more", TURN, KEY)
    assert first == bytes(32)


def test_batches_at_their_edge() -> None:
    refs = [PayloadRef(PayloadKind.REPLY, str(number)) for number in range(201)]
    assert [len(batch) for batch in vault.batches(refs[:100] * 2, 100)] == [100]
    assert [len(batch) for batch in vault.batches(refs, 100)] == [100, 100, 1]


async def test_an_idle_process_zeroes_its_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody asks the vault anything any more; its timer alone has to do it."""
    timers: list[tuple[float, Callable[[], None]]] = []
    loop = asyncio.get_running_loop()

    def call_later(delay_s: float, wipe: Callable[[], None]) -> object:
        timers.append((delay_s, wipe))
        return timers

    monkeypatch.setattr(loop, "call_later", call_later)

    class Kms:
        async def generate_data_key(self, **_: object) -> dict[str, bytes]:
            return {"CiphertextBlob": b"wrapped", "Plaintext": b"k" * 32}

    clock = HandClock()
    vault = KmsVault(None, Kms(), Tables(), "key", clock)
    await vault.new_key(TURN)
    await vault.new_key(TURN)
    ((delay_s, wipe),) = timers
    assert delay_s == DATA_KEY_AGE_MS_MAX / 1_000
    (key, _) = next(iter(vault._keys._keys.values()))
    clock.ms += DATA_KEY_AGE_MS_MAX - WIPE_PAUSE_MS_MIN / 2
    wipe()  # too early, as by a clock that was set back
    assert key == b"k" * 32
    assert timers[-1][0] == WIPE_PAUSE_MS_MIN / 1_000, "a clock that stands makes no loop spin"
    clock.ms += WIPE_PAUSE_MS_MIN / 2
    timers[-1][1]()
    assert key == bytes(32)
    assert len(timers) == 2, "an empty cache needs no timer"
