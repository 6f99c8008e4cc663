"""Pronunciations: the dictionary, the rules, and the grapheme-to-phoneme model."""

import json
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from ctxasr.dictionary import VARIANT, dictionary
from ctxasr.errors import DataError, InputError
from ctxasr.speech import lexicon
from ctxasr.speech.g2p import (
    G2P,
    LETTERS,
    SIZES_MAX,
    WEIGHTS,
    WEIGHTS_BYTES_MAX,
    WORD_LETTERS_MAX,
    G2PConfig,
    default_g2p,
    is_held_out,
    measure,
    phone_edits,
    shapes_of,
    train_g2p,
)
from ctxasr.speech.pronounce import PHRASE_VARIANTS_MAX, WORD_VARIANTS_MAX, Pronouncer


@pytest.fixture(scope="module")
def pronouncer() -> Pronouncer:
    return Pronouncer()


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("meg", "M EH G"),
        ("Bauer", "B AW ER"),
        ("read(2)", "R EH D"),
        ("meg's", "M EH G Z"),
        ("meg\u2019s", "M EH G Z"),
        ("roombas", "R UW M B AH Z"),
        ("rich's", "R IH CH IH Z"),
        ("kitts's", "K IH T S IH Z"),
        ("alexa'll", "AH L EH K S AH AH L"),
        ("bmw", "B IY EH M D AH B AH L Y UW"),
        ("21", "T W EH N T IY W AH N"),
        ("24th", "T W EH N T IY F AO R TH"),
        ("20th", "T W EH N T IY AH TH"),
        ("007", "Z IH R OW Z IH R OW S EH V AH N"),
        ("mp3", "EH M P IY TH R IY"),
        ("beyoncé", "B IH Y AO N S EY"),
        ("doordash", "D AO R D AE SH"),
    ],
)
def test_a_word_sounds_as_it_should(pronouncer: Pronouncer, word: str, phones: str) -> None:
    assert phones in [" ".join(found) for found in pronouncer.phones(word)]


def test_years_are_read_in_pairs_and_as_numbers(pronouncer: Pronouncer) -> None:
    assert [len(phones) for phones in pronouncer.phones("1984")][:2] == [12, 25]
    assert len(pronouncer.phones("1905")[0]) == len(pronouncer.phrase_phones("nineteen oh five")[0])


@pytest.mark.parametrize("text", ["", "🎉", "北京", "'", "...", "\u0301", "\udcff", "\u0430"])
def test_what_has_no_sound_gives_nothing(pronouncer: Pronouncer, text: str) -> None:
    assert pronouncer.phones(text) == ()
    assert pronouncer.phrase_phones(text) == ()
    assert pronouncer.phrase_phones(f"meg {text}") == pronouncer.phrase_phones("meg")


def test_variants_are_bounded_and_the_usual_comes_first(pronouncer: Pronouncer) -> None:
    text = "either the route or a data read"
    variants = pronouncer.phrase_phones(text)
    firsts = [pronouncer.phones(word)[0] for word in text.split()]
    assert variants[0] == tuple(phone for first in firsts for phone in first)
    assert len(variants) == len(set(variants)) == PHRASE_VARIANTS_MAX
    assert all(
        len(pronouncer.phones(w)) <= WORD_VARIANTS_MAX for w in islice(_words(), 0, None, 97)
    )


def test_a_long_word_and_a_long_text_end(pronouncer: Pronouncer) -> None:
    model = default_g2p()
    edge = "ba" * (WORD_LETTERS_MAX // 2)
    assert model.pronounce(edge + "zzz") == model.pronounce(edge)
    assert model.pronounce(edge[:-1]) != model.pronounce(edge)
    assert pronouncer.phrase_phones("9" * 100_000)


def test_the_own_lexicon_wins_and_is_checked() -> None:
    own = Pronouncer({"Meg": "M EY1 G", "qi": ["CH IY", "K IY"]})
    assert own.phones("meg") == (("M", "EY", "G"),)
    assert own.phones("Meg's") == (("M", "EY", "G", "Z"),)
    assert own.phrase_phones("qi") == (("CH", "IY"), ("K", "IY"))
    wrongs: list[str | list[str]] = ["M E G", "", []]
    for wrong in wrongs:
        with pytest.raises(InputError, match="ARPAbet") as caught:
            Pronouncer({"secret": wrong})
        assert "secret" not in str(caught.value)


def test_every_word_of_the_recogniser_has_a_sound() -> None:
    import pocketsphinx

    path = Path(pocketsphinx.get_model_path()) / "en-us" / "cmudict-en-us.dict"
    heard = {line.split(" ", 1)[0] for line in path.read_text().splitlines()}
    heard = {VARIANT.sub("", word) for word in heard}
    assert len(heard) > 120_000
    assert heard <= dictionary().keys()
    assert all(lexicon.look_up(word) for word in islice(sorted(heard), 0, None, 101))
    assert lexicon.look_up("aalborg") == (
        ("AO", "L", "B", "AO", "R", "G"),
        ("AA", "L", "B", "AO", "R", "G"),
    )


def test_the_packaged_model_keeps_its_promise_on_words_it_never_saw() -> None:
    held = [word for word in _words() if is_held_out(word, 2.0) and set(word) <= set(LETTERS)]
    figures = measure(default_g2p(), {word: lexicon.look_up(word) for word in held[::5]})
    assert figures["words"] > 400
    assert figures["phone_error_rate"] < 0.085  # the model card says 0.07
    scores = [score for _, score in default_g2p().pronounce("panera", 5)]
    assert scores == sorted(scores, reverse=True)
    assert all(score < 0 for score in scores)


def test_training_learns_repeats_itself_and_agrees_with_numpy(tmp_path: Path) -> None:
    sounds = dict(
        zip("abdegiklmnopstuz", "AA B D EH G IH K L M N OW P S T UH Z".split(), strict=True)
    )
    toy = {
        a + b + c + d: [(sounds[a], sounds[b], sounds[c], sounds[d])]
        for a in "bdgklmnpst"
        for b in "aeiou"
        for c in "bdgklmnpst"
        for d in "ao"
    }
    config = G2PConfig(hidden=24, letter_dim=12, epochs=5, batch=16, learning_rate=2e-2)
    config_args = {"lexicon": toy, "config": config}
    one = train_g2p(3, tmp_path / "one.safetensors", **config_args)  # type: ignore[arg-type]
    train_g2p(3, tmp_path / "two.safetensors", **config_args)  # type: ignore[arg-type]
    assert (tmp_path / "one.safetensors").read_bytes() == (
        tmp_path / "two.safetensors"
    ).read_bytes()
    assert one["words"] >= 5
    assert one["phone_error_rate"] < 0.05  # inference is numpy's: a slip in the GRU would show here


def test_wrong_weights_are_named(tmp_path: Path) -> None:
    broken = tmp_path / "g2p.safetensors"
    for make in (
        lambda: None,
        lambda: broken.write_bytes(b""),
        lambda: broken.write_bytes(b"x" * 99),
    ):
        make()
        with pytest.raises(DataError, match="train --part g2p"):
            G2P.load(broken)
    broken.write_bytes(b"x" * (WEIGHTS_BYTES_MAX + 1))
    with pytest.raises(DataError, match="larger than"):
        G2P.load(broken)
    with pytest.raises(DataError, match="too few"):
        train_g2p(0, tmp_path / "out", lexicon={"a": [("AH",)]})


def test_a_files_sizes_are_bounded_and_fit_its_tensors(tmp_path: Path) -> None:
    path, tensors = tmp_path / "g2p.safetensors", load_file(WEIGHTS)
    right = {"layers": 2, "hidden": 144, "letter_dim": 48}

    def refusal(changed: dict[str, Any], given: dict[str, Any] = tensors) -> str:
        save_file(given, path, metadata={"config": json.dumps(right | changed)})
        with pytest.raises(DataError) as error:
            G2P.load(path)
        return str(error.value)

    for name, most in SIZES_MAX.items():
        wrong: list[object] = [most + 1, 0, -1, 10**12, True, 2.0, "2", None]
        for size in wrong:
            assert f"config.{name} is no whole number from 1 to {most}" in refusal({name: size})
        assert refusal({name: most}).endswith("configuration and tensors do not fit each other")
    missing = {name: value for name, value in tensors.items() if name != "out.bias"}
    assert "do not fit each other" in refusal({}, missing)
    assert "do not fit each other" in refusal({}, tensors | {"more": tensors["out.bias"]})
    assert "not finite" in refusal({}, tensors | {"out.bias": tensors["out.bias"] * np.nan})
    assert shapes_of(2, 144, 48) == {name: value.shape for name, value in tensors.items()}


def test_phone_edits_counts_substitutions_insertions_deletions() -> None:
    assert phone_edits("abcd", "abcd") == 0
    assert phone_edits("abcd", "axcde") == 2
    assert phone_edits("", "abc") == phone_edits("abc", "") == 3
    assert phone_edits("kitten", "sitting") == 3


def test_imports_are_slim() -> None:
    code = (
        "import sys, ctxasr.speech, ctxasr.speech.pocketsphinx, ctxasr.speech.audio;"
        "import ctxasr.speech.tts, ctxasr.speech.pronounce;"
        "heavy = {'torch', 'pocketsphinx', 'soundfile', 'soxr', 'scipy'};"
        "heavy &= set(sys.modules);"
        "assert not heavy, heavy;"
        "assert ctxasr.speech.pronounce.Pronouncer().phones('panera');"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def _words() -> list[str]:
    return [word for word in dictionary() if not VARIANT.search(word)]
