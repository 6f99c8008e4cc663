"""Words to numbers: the same everywhere, and within their limits."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ctxasr.encoder import tokens
from ctxasr.encoder.tokens import (
    Segment,
    WordTable,
    pack_phrases,
    pack_turns,
    word_features,
    word_identity,
)
from ctxasr.events import Entity, TurnText
from ctxasr.hypotheses import Phrase


def test_buckets_are_the_same_on_every_machine_and_run() -> None:
    # from CRC-32 of meg, ^me, meg and eg$: a change here makes all weights useless
    assert word_features("meg") == [2681, 14998, 10873, 10601, *[0] * 12]


def test_identities_are_units_and_tell_words_apart() -> None:
    words = ["meg", "power", "bauer", "bower", "jones", "kitchen"]
    products = np.array(
        [[float(word_identity(a) @ word_identity(b)) for a in words] for b in words]
    )
    np.testing.assert_allclose(np.diag(products), 1.0, atol=1e-6)
    assert np.abs(products - np.eye(len(words))).max() < 0.3
    assert np.packbits(word_identity("meg")[:16] > 0).tolist() == [167, 241]


def test_a_long_word_keeps_its_first_trigrams() -> None:
    fits, longer = "a" * 14 + "b", "a" * 14 + "bc"
    assert 0 not in word_features(fits)
    assert len(word_features(longer)) == tokens.FEATURES_MAX
    assert max(word_features("z" * 500)) < tokens.BUCKETS


def test_importing_the_room_loads_no_torch() -> None:
    code = (
        "import sys, ctxasr.encoder, ctxasr.encoder.tokens, ctxasr.encoder.adapter;"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("field", "limit", "kept"),
    [
        ("reply", tokens.REPLY_WORDS_MAX, "last"),
        ("utterance", tokens.UTTERANCE_WORDS_MAX, "last"),
        ("slot", tokens.SLOT_WORDS_MAX, "first"),
    ],
)
def test_a_text_is_cut_at_its_limit(field: str, limit: int, kept: str) -> None:
    words = [f"w{n}" for n in range(limit + 1)]
    empty = TurnText("", "")

    def turn(*given: str) -> TurnText:
        texts: dict[str, Any] = {field: " ".join(given)}
        return replace(empty, **texts)

    whole = WordTable()
    batch = pack_turns([turn(*words[:limit])], whole)
    assert batch.words.shape == (1, limit)
    cut = WordTable()
    batch = pack_turns([turn(*words)], cut)
    assert batch.words.shape == (1, limit)
    wanted = words[1:] if kept == "last" else words[:-1]
    assert cut.words().features.tolist()[1:] == [word_features(word) for word in wanted]


def test_items_and_phrases_are_cut_at_their_limits() -> None:
    entities = tuple(Entity("contact", f"name{n}") for n in range(tokens.ITEMS_MAX))
    turn = TurnText("", "", entities, screen=("on screen",))
    batch = pack_turns([turn], WordTable())
    assert batch.items.shape == (1, tokens.ITEMS_MAX, tokens.PHRASE_WORDS_MAX)
    assert batch.item_segments[0, 0] == Segment.SCREEN
    long = " ".join("abcdefgh")
    table = WordTable()
    phrases = pack_phrases([[Phrase(long, "entities", "a_b_c_d")]], table)
    assert table.rows("abcdef") == phrases.words[0, 0].tolist()
    assert table.rows("abc") == phrases.kinds[0, 0].tolist()


def test_case_and_punctuation_do_not_count_and_padding_is_zero() -> None:
    table = WordTable()
    batch = pack_turns(
        [TurnText("Call Meg!", "Which one?"), TurnText("call meg", "which one, please")], table
    )
    assert np.array_equal(batch.words[0, :2], batch.words[1, :2])
    assert batch.words[0, -1] == 0
    assert len(table.words().features) == 1 + len({"call", "meg", "which", "one", "please"})


def test_an_unknown_signal_is_the_first() -> None:
    phrases = [Phrase("a", "reply"), Phrase("a", "no such signal")]
    signals = pack_phrases([phrases], WordTable()).signals[0].tolist()
    assert signals == [tokens.SIGNALS.index("reply"), 0]
