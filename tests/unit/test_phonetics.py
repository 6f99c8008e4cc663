"""The vectorised alignment against the textbook's recursion."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctxasr.speech.articulation import PHONES
from ctxasr.speech.phonetics import (
    HEARD_MAX,
    PAD,
    Ints,
    PhoneTree,
    distances,
    encode,
    in_bytes,
    pad,
    skip_costs,
    spans,
    substitution_costs,
)

sequences = st.lists(st.integers(0, len(PHONES) - 1), min_size=1, max_size=7).map(
    lambda phones: np.array(phones, np.int64)
)


def textbook(a: Ints, b: Ints) -> float:
    swap, skip = substitution_costs(), skip_costs()
    table = np.zeros((len(a) + 1, len(b) + 1))
    table[1:, 0] = np.cumsum(skip[a])
    table[0, 1:] = np.cumsum(skip[b])
    for i in range(len(a)):
        for j in range(len(b)):
            table[i + 1, j + 1] = min(
                table[i, j] + swap[a[i], b[j]],
                table[i, j + 1] + skip[a[i]],
                table[i + 1, j] + skip[b[j]],
            )
    return float(table[-1, -1])


@given(st.lists(sequences, min_size=1, max_size=4), sequences)
@settings(max_examples=60, deadline=None)
def test_distances_are_the_textbooks(rows: list[Ints], heard: Ints) -> None:
    table, lengths = pad(rows)
    expected = [textbook(row, heard) for row in rows]
    assert distances(table, lengths, heard) == pytest.approx(expected, abs=1e-4)


@given(st.lists(sequences, min_size=1, max_size=3), sequences, st.data())
@settings(max_examples=60, deadline=None)
def test_a_span_is_the_cheapest_stretch_and_begins_where_it_says(
    rows: list[Ints], heard: Ints, data: st.DataObject
) -> None:
    inner = st.sets(st.integers(0, len(heard) - 1))
    starts = np.array(sorted({0} | data.draw(inner)))
    stops = np.array(sorted({len(heard)} | {i + 1 for i in data.draw(inner)}))
    table, lengths = pad(rows)
    costs, begins = spans(table, lengths, heard, starts, stops)
    for i, row in enumerate(rows):
        for j, stop in enumerate(stops):
            reachable = [start for start in starts if start <= stop]
            best = min(textbook(row, heard[start:stop]) for start in reachable)
            assert costs[i, j] == pytest.approx(best, abs=1e-4)
            assert begins[i, j] in starts
            said = textbook(row, heard[begins[i, j] : stop])
            assert said == pytest.approx(best, abs=1e-4)


few = st.lists(st.integers(0, 2), max_size=5).map(lambda phones: np.array(phones, np.int64))


@given(st.lists(few, min_size=1, max_size=6), sequences, st.data())
@settings(max_examples=60, deadline=None)
def test_rows_of_a_tree_cost_what_each_costs_alone(
    rows: list[Ints], heard: Ints, data: st.DataObject
) -> None:
    starts, stops = np.array([0, len(heard) // 2]), np.array([len(heard)])
    tree = PhoneTree(list(map(in_bytes, rows)))
    costs, begins = tree.spans(heard, starts, stops)
    for i, row in enumerate(rows):
        alone = spans(*pad([row]), heard, starts, stops)
        assert (costs[i], begins[i]) == (alone[0][0], alone[1][0])
    some = np.array(data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1)))
    some_costs, some_begins = tree.spans(heard, starts, stops, some)
    assert (some_costs == costs[some]).all()
    assert (some_begins == begins[some]).all()


def test_what_ends_six_minutes_of_speech_is_found() -> None:
    heard = np.full(HEARD_MAX, PHONES.index("S"))
    heard[-2:] = encode(["M", "EH"])
    starts, stops = np.array([0, HEARD_MAX - 2]), np.array([1, HEARD_MAX])
    costs, begins = spans(*pad([encode(["M", "EH"])]), heard, starts, stops)
    assert costs[0, 1] == 0
    assert begins[0].tolist() == [0, HEARD_MAX - 2]


def test_costs_are_a_symmetric_dissimilarity() -> None:
    costs = substitution_costs()
    assert (costs == costs.T).all()
    assert (np.diag(costs) == 0).all()
    off = costs[~np.eye(len(PHONES), dtype=bool)]
    assert off.min() > 0
    assert off.max() <= 1


def test_sounds_alike_is_nearer_than_sounds_unlike() -> None:
    costs = substitution_costs()

    def cost(a: str, b: str) -> float:
        return float(costs[PHONES.index(a), PHONES.index(b)])

    assert cost("P", "B") < cost("P", "S") < 1.01
    assert cost("IY", "IH") < cost("IY", "AA")
    assert cost("M", "N") < cost("M", "K")


def test_padding_costs_nothing_and_unknown_phones_are_left_out() -> None:
    table, lengths = pad([encode(["B", "AW", "ER"]), encode(["B"])])
    assert table[1].tolist() == [PHONES.index("B"), PAD, PAD]
    assert distances(table, lengths, encode(["B"]))[1] == 0
    assert encode(["B", "SIL", "ER"]).tolist() == encode(["B", "ER"]).tolist()
