"""Costs of phones: the table that is shipped, and how it is learnt."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from ctxasr.errors import DataError
from ctxasr.evaluate.confusions import (
    LEAST_COST,
    SWALLOWED_PHONES,
    Pair,
    align,
    count,
    learn,
    make_costs,
    pairs_of,
)
from ctxasr.evaluate.corpora.utterance import Utterance
from ctxasr.evaluate.name_ranks import compare_ranks
from ctxasr.events import TurnText
from ctxasr.speech.articulation import PHONES, SKIP_COST, UNITS, PhoneCosts, articulatory_costs
from ctxasr.speech.phone_costs import (
    TABLE,
    TABLE_BYTES_MAX,
    read_costs,
    shipped_costs,
    write_costs,
)
from ctxasr.speech.phonetics import encode

PRIOR = articulatory_costs()


def phones(text: str) -> list[int]:
    row: list[int] = encode(text.split()).tolist()
    return row


def pair(said: str, heard: str, weight: float = 1.0) -> Pair:
    return Pair([phones(said)], [phones(heard)], weight)


def cost(costs: PhoneCosts, a: str, b: str) -> int:
    return int(costs.substitution[PHONES.index(a), PHONES.index(b)])


def turn(said: str, *heard: str, speaker: str = "s") -> Utterance:
    asked = TurnText("", "What is your name?")
    return Utterance("1", "evi-name", said, asked, speaker=speaker, heard=heard)


# ---------------------------------------------------------------- the table


def test_the_shipped_table_holds_costs() -> None:
    for costs in (shipped_costs(), PRIOR):
        assert costs.substitution.shape == (39, 39)
        assert costs.skip.shape == (39,)
        assert (np.diag(costs.substitution) == 0).all()
        assert (costs.substitution == costs.substitution.T).all()
        apart = costs.substitution[~np.eye(39, dtype=bool)]
        assert 0 < apart.min() <= apart.max() <= UNITS
        assert 0 < costs.skip.min() <= costs.skip.max() <= UNITS


def test_a_table_that_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / TABLE.name
    write_costs(PRIOR, path)
    read = read_costs(path)
    assert (read.substitution == PRIOR.substitution).all()
    assert (read.skip == PRIOR.skip).all()
    write_costs(shipped_costs(), path)
    assert path.read_bytes() == TABLE.read_bytes()


def test_a_broken_table_is_named(tmp_path: Path) -> None:
    path = tmp_path / TABLE.name
    with pytest.raises(DataError, match=r"phone_costs\.tsv: .*train --part confusions"):
        read_costs(path)
    path.write_bytes(b"\xff")
    with pytest.raises(DataError, match="train --part confusions"):
        read_costs(path)
    path.write_bytes(b"x" * (TABLE_BYTES_MAX + 1))
    with pytest.raises(DataError, match="larger than 100000 bytes"):
        read_costs(path)
    lines = TABLE.read_text().splitlines()
    for wrong in ([], lines[:-1], [*lines, lines[-1]], [lines[0].replace("B", "X"), *lines[1:]]):
        path.write_text("\n".join(wrong))
        with pytest.raises(DataError, match="must name the 39 phones"):
            read_costs(path)


@pytest.mark.parametrize("cell", ["257", "-1", "1.5", "", "x", "0", "1\t1"])
def test_a_broken_line_is_named(cell: str, tmp_path: Path) -> None:
    path, lines = tmp_path / TABLE.name, TABLE.read_text().splitlines()
    for place in (2, -1):
        cells = lines[1].split("\t")
        cells[place] = cell
        path.write_text("\n".join([lines[0], "\t".join(cells), *lines[2:]]))
        with pytest.raises(DataError, match=r"phone_costs\.tsv:2: must be B, 39 costs"):
            read_costs(path)
    path.write_text("\n".join([lines[0], lines[2], lines[1], *lines[3:]]))
    with pytest.raises(DataError, match=r"phone_costs\.tsv:2: must be B"):
        read_costs(path)


# ---------------------------------------------------------------- learning


def test_an_alignment_says_what_stands_opposite() -> None:
    substitution, skip = PRIOR.substitution.tolist(), PRIOR.skip.tolist()
    b, aw, er, p = phones("B AW ER P")
    least, steps = align([b, aw, er], [p, aw, er], substitution, skip)
    assert (least, steps) == (cost(PRIOR, "B", "P"), [(b, p), (aw, aw), (er, er)])
    least, steps = align([b, aw], [b], substitution, skip)
    assert (least, steps) == (round(SKIP_COST * UNITS), [(b, b), (aw, None)])
    assert align([], [b], substitution, skip)[1] == [(None, b)]
    assert align([], [], substitution, skip) == (0, [])


def test_what_is_often_confused_becomes_cheaper_and_what_never_is_dearer() -> None:
    pairs = [pair("M AA L IY", "M AA R IY")] + 40 * [pair("P AA L IY", "K AA L IY")]
    pairs += 40 * [pair("R AA L IY", "R AA L IY")]
    costs, counts = learn(pairs, PRIOR)
    assert counts.pairs == 81
    assert cost(costs, "P", "K") < cost(PRIOR, "P", "K")
    assert cost(costs, "K", "P") == cost(costs, "P", "K")
    assert cost(costs, "L", "R") > cost(PRIOR, "L", "R"), "both are frequent, and rarely confused"
    assert cost(costs, "ZH", "OY") == cost(PRIOR, "ZH", "OY"), "neither was met"
    assert (np.diag(costs.substitution) == 0).all()
    assert costs.substitution[costs.substitution > 0].min() > LEAST_COST * UNITS - 1
    assert costs.substitution.max() <= UNITS


def test_a_phone_that_is_swallowed_costs_less() -> None:
    pairs = 30 * [pair("B AA B S", "B AA B")] + [pair("M AA B", "N AA B")]
    costs, _ = learn(pairs, PRIOR)
    assert costs.skip[PHONES.index("S")] < PRIOR.skip[PHONES.index("S")]
    assert costs.skip[PHONES.index("B")] > PRIOR.skip[PHONES.index("B")]


def test_words_that_were_not_said_and_other_names_are_not_counted() -> None:
    long = "M EH G AE N IY AA N"
    missing = pair(f"{long} B AW ER", long)
    counts = count([missing], PRIOR)
    assert (counts.pairs, counts.alone.sum()) == (1, 0), "a word is missing"
    swallowed = pair(f"{long} {' '.join(['B', 'AW'][:SWALLOWED_PHONES])}", long)
    assert count([swallowed], PRIOR).alone.sum() == SWALLOWED_PHONES
    assert count([pair("M EH G", "S UW Z AH N")], PRIOR).pairs == 0, "another name"


def test_the_nearest_pronunciation_counts_and_weights_add_up() -> None:
    ways = Pair([phones("B AA B"), phones("K IY P")], [phones("K IY B")], 0.25)
    counts = count([ways, ways], PRIOR)
    assert counts.together[PHONES.index("P"), PHONES.index("B")] == 0.5
    assert counts.together.sum() == 1.5


def test_hypotheses_of_a_turn_share_its_weight() -> None:
    pairs = list(pairs_of([turn("Meg Bauer", "meg power", "meg bauer", "meg power", "?!")]))
    assert [one.weight for one in pairs] == [pytest.approx(1 / 3)] * 2
    wrong, right = pairs
    assert wrong.said == right.said == right.heard
    assert wrong.heard != wrong.said


def test_nothing_is_learnt_where_nothing_was_confused() -> None:
    with pytest.raises(DataError, match="nothing can be learnt"):
        learn([pair("B AA B", "B AA B")], PRIOR)


# ---------------------------------------------------------------- measuring, and the command


def test_a_name_ranks_by_what_its_phones_cost() -> None:
    people = ["Pat", "Cat", "Anna"]
    far = PhoneCosts(np.where(PRIOR.substitution > 0, UNITS, 0), PRIOR.skip)
    near = PhoneCosts(far.substitution.copy(), PRIOR.skip)
    p, b = PHONES.index("P"), PHONES.index("B")
    near.substitution[p, b] = near.substitution[b, p] = 10
    turns = [turn("Pat", "bat"), turn("Pat", "pat"), turn("Nobody", "bat"), turn("Pat", "?!")]
    ranks = compare_ranks(turns, people, far, near, seed=1)
    assert ranks["n"] == 1
    for kind in ("random", "nearest"):
        assert ranks[kind]["median"] == [1.5, 1.0], "Cat is as near as Pat, then farther"
        assert ranks[kind]["first"] == [0.0, 1.0]
        assert ranks[kind]["first_gained"][0] == 1.0
    assert compare_ranks([], people, far, near, seed=1) == {"n": 0, "random": {}, "nearest": {}}


def test_the_same_data_give_the_same_bytes(tmp_path: Path) -> None:
    folder = tmp_path / "evi_names"
    folder.mkdir()
    names = {"Rita Bates": ["Rita beats", "Rita Bates"], "Lisa Brooks": ["Lisa box", "Lisa rocks"]}
    for split in ("train", "dev"):
        lines = [
            json.dumps(
                {"id": name, "speaker": name, "item": "name", "attempt": 0, "expected": name}
                | {"nbest": heard}
            )
            for name, heard in names.items()
        ]
        (folder / f"{split}.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    (folder / "people.json.gz").write_bytes(gzip.compress(json.dumps(list(names)).encode()))
    figures = make_costs(tmp_path, tmp_path / "one.tsv")
    assert figures["turns"] == figures["ranks"]["n"] == 2
    assert figures["hypotheses"] == 4
    assert make_costs(tmp_path, tmp_path / "two.tsv") == figures
    assert (tmp_path / "one.tsv").read_bytes() == (tmp_path / "two.tsv").read_bytes()
    assert (read_costs(tmp_path / "one.tsv").substitution != PRIOR.substitution).any()
