"""Corpora: drawn from a seed in two halves, spoken into a folder, read again; the recorded ones."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from conftest import Command

from ctxasr.errors import DataError, InputError, LimitExceeded, MissingPart
from ctxasr.evaluate.corpora import making, utterance
from ctxasr.evaluate.corpora.everyday import COMMON, answers, draw_everyday
from ctxasr.evaluate.corpora.followups import SORTS, draw_followups
from ctxasr.evaluate.corpora.halves import HELD_OUT_SEEDS, TUNING_SEED, Half, half_of, seed_for
from ctxasr.evaluate.corpora.making import N_MAX, Plan, make
from ctxasr.evaluate.corpora.names import draw_names
from ctxasr.evaluate.corpora.neighbours import Neighbours, Sounds
from ctxasr.evaluate.corpora.people import people_of, read_people, single_names
from ctxasr.evaluate.corpora.reading import read_evi, read_human
from ctxasr.evaluate.corpora.utterance import read_folder
from ctxasr.evaluate.corpora.voices import BENDS, VOICES, Speech, say, speakers
from ctxasr.speech.audio import load_samples
from ctxasr.words import normalise

HALVES: tuple[Half, Half] = ("tuning", "held-out")
PEOPLE = [f"{given} {family}" for given in ("Ann", "Meg", "Noah", "Wes", "Esther", "Jo")
          for family in ("Bauer", "Jones", "Power", "Hall", "Marsh", "Stone", "Wolfe")]  # fmt: skip


# ---------------------------------------------------------------- drawing


def test_a_seed_draws_the_same_and_another_does_not() -> None:
    for seed in (1, 2):
        assert draw_names(20, seed, "tuning", PEOPLE) == draw_names(20, seed, "tuning", PEOPLE)
        assert draw_followups(20, seed, "tuning") == draw_followups(20, seed, "tuning")
        assert draw_everyday(9, seed, "tuning", PEOPLE) == draw_everyday(9, seed, "tuning", PEOPLE)
    assert draw_names(20, 1, "tuning", PEOPLE) != draw_names(20, 2, "tuning", PEOPLE)
    assert draw_followups(20, 1, "tuning") != draw_followups(20, 2, "tuning")
    assert draw_everyday(9, 1, "tuning", PEOPLE) != draw_everyday(9, 2, "tuning", PEOPLE)


def test_the_seeds_of_quoted_figures_are_frozen() -> None:
    """Figures in the README are of these; another seed would be another corpus."""
    assert HELD_OUT_SEEDS == {"names": 20_261_201, "followups": 20_261_202, "everyday": 20_261_203}
    assert seed_for("names", "tuning") == TUNING_SEED == 7
    assert [seed_for(kind, "held-out") for kind in HELD_OUT_SEEDS] == [*HELD_OUT_SEEDS.values()]


def test_the_halves_share_neither_voices_nor_names() -> None:
    assert not set(speakers("tuning")) & set(speakers("held-out"))
    assert min(len(VOICES[half]) for half in HALVES) >= 4
    families = [{name.split()[-1] for name in people_of(half, PEOPLE)} for half in HALVES]
    assert families[0]
    assert families[1]
    assert not families[0] & families[1]
    singles = [{name.lower() for name in single_names(half, PEOPLE)} for half in HALVES]
    assert singles[0]
    assert singles[1]
    assert not singles[0] & singles[1]
    assert {name.lower() for part in singles for name in [*part]} >= {"noah", "heather", "esther"}
    drawn = [{one.reference for one in draw_names(50, 1, half, PEOPLE)} for half in HALVES]
    assert not drawn[0] & drawn[1]
    offered = [{e.text for one in draw_followups(300, 1, half) for e in one.asked.entities
                if e.kind in ("contact", "place")} for half in HALVES]  # fmt: skip
    assert not offered[0] & offered[1]
    rarer = [set(answers(half)) - set(COMMON) for half in HALVES]
    assert rarer[0]
    assert rarer[1]
    assert not rarer[0] & rarer[1]
    assert min(len(answers(half)) for half in HALVES) >= 60


def test_a_half_does_not_depend_on_case_or_machine() -> None:
    assert half_of("Bauer") == half_of("bauer")
    assert [half_of(name) for name in ("meg", "noah", "esther")] == [
        "tuning", "held-out", "tuning",
    ]  # fmt: skip


def test_a_quiet_corpus_has_neither_noise_nor_bent_voices() -> None:
    for drawn in (
        draw_names(20, 1, "tuning", PEOPLE, quiet=True),
        draw_followups(20, 1, "tuning", quiet=True),
        draw_everyday(20, 1, "tuning", PEOPLE, quiet=True),
    ):
        assert {one.speech.noise for one in drawn} == {""}
        assert {one.speech.speaker for one in drawn} <= set(VOICES["tuning"])
    assert any(one.speech.noise for one in draw_followups(20, 1, "tuning"))
    assert Plan("names", 1, 2, "tuning", quiet=True).command == (
        "ctxasr corpus make names OUT --n 1 --seed 2 --half tuning --quiet --data DIR"
    )


def test_followups_are_answered_in_every_way() -> None:
    drawn = draw_followups(400, 5, "held-out")
    assert set(SORTS) == {one.sort for one in drawn}
    said = {one.reference for one in drawn}
    assert said >= {"both of them", "the other one", "the last one"}
    for wanted in (r"number \w+", r"the \w+ one", r"the (fir|second|thi)\w+ \w+", r"option \w+"):
        assert any(re.fullmatch(wanted, text) for text in said), wanted
    assert any(text.startswith("no ") for text in said)
    assert any(" or " in text for text in said)
    spelled = [one for one in drawn if one.sort == "spelled"]
    for one in spelled:
        assert one.reference.replace(" ", "") == one.also[0].replace("'", "")
        assert all(len(letter) == 1 for letter in one.reference.split())
    for one in drawn:
        names = [*(entity.text for entity in one.asked.entities), *one.asked.screen]
        assert len(names) >= 2
        heard = set(normalise(" ".join(names)).split())
        if one.sort in ("whole", "part"):
            assert heard & set(one.reference.split())
        if one.sort == "other":
            assert not any(one.reference in name.lower() for name in names)


def test_an_everyday_answer_stands_beside_three_names_that_sound_like_a_piece_of_it() -> None:
    drawn = draw_everyday(2 * len(answers("held-out")), 3, "held-out", PEOPLE)
    counts = Counter(one.reference for one in drawn)
    assert set(counts) == set(answers("held-out"))
    assert set(counts.values()) == {2}
    sounds = Sounds()
    for one in drawn:
        names = [entity.text for entity in one.asked.entities]
        assert len(set(names)) == 3
        assert all(name in one.asked.reply for name in names)
        for name in names:
            assert not any(sounds.same(name, word) for word in one.reference.split()), name
    beside = {one.reference: {e.text for e in one.asked.entities} for one in drawn}
    assert "Bauer" in beside["turn the power off"]
    assert {"Noah", "Moe"} & beside["no"]


# ---------------------------------------------------------------- sounds


def test_neighbours_are_sorted_by_sound_and_hold_no_twin() -> None:
    names = ["Jane Smith", "Jayne Smyth", "Joan Smith", "John Brown", "Ann Lee", "Jean Smith"]
    near = Neighbours(names, Sounds())
    found = near.nearest("Jane Smith", 3)
    assert "Jane Smith" not in found
    assert "Jayne Smyth" not in found  # the same sound, spelled otherwise
    assert set(found[:2]) == {"Joan Smith", "Jean Smith"}
    assert near.nearest("Jane Smith", 100)[:3] == found
    assert len(near.nearest("Jane Smith", 100)) == 4
    assert Neighbours([], Sounds()).nearest("Jane", 3) == []
    assert Neighbours(names, Sounds()).near_piece("", 3) == []


def test_any_pronunciation_counts_for_the_same_sound() -> None:
    sounds = Sounds()
    assert sounds.same("read", "red")
    assert sounds.same("read", "reed")
    assert not sounds.same("red", "reed")
    assert sounds.same("Meg Bauer", "meg bower") == sounds.same("bauer", "bower")


# ---------------------------------------------------------------- folders


def test_a_corpus_is_made_once_and_a_stopped_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def quick(text: str, speech: Speech) -> np.ndarray:
        calls.append(text)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return np.full(1_600, speech.seed % 100, np.int16)

    monkeypatch.setattr(making, "say", quick)
    monkeypatch.setattr(making, "check", lambda voices: None)
    plan = Plan("followups", 5, 1, "tuning")
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, plan, None)
    assert len(list((tmp_path / "audio").iterdir())) == 2
    assert not (tmp_path / "utterances.jsonl").exists()  # nobody takes a part for the whole
    assert make(tmp_path, plan, None) == 3
    assert make(tmp_path, plan, None) == 0
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".part")]
    found = read_folder(tmp_path)
    drawn = making.draw(plan, None)
    assert [one.reference for one in found] == [one.reference for one in drawn]
    assert [one.asked for one in found] == [one.asked for one in drawn]
    assert [one.also for one in found] == [one.also for one in drawn]
    for one in found:
        assert one.audio is not None
        assert load_samples(one.audio).duration_s == pytest.approx(0.1)
    card = (tmp_path / "CORPUS.md").read_text()
    assert plan.command in card
    assert "seed 1" in card
    with pytest.raises(InputError, match="of another corpus or version"):
        make(tmp_path, Plan("followups", 5, 2, "tuning"), None)


@pytest.mark.parametrize("n", [0, N_MAX + 1])
def test_a_corpus_has_bounds(n: int) -> None:
    assert Plan("names", N_MAX, 1, "tuning").n == N_MAX
    with pytest.raises(InputError, match="N_MAX"):
        Plan("names", n, 1, "tuning")


def test_a_missing_voice_is_said_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingPart, match=r"flite:\w+: install the Debian package flite"):
        make(tmp_path / "out", Plan("followups", 9, 1, "tuning"), None)
    assert not (tmp_path / "out").exists()


def test_people_are_needed_for_names(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--data"):
        make(tmp_path / "out", Plan("names", 5, 1, "tuning"), None)
    with pytest.raises(DataError, match=r"people\.json\.gz: no such file"):
        make(tmp_path / "out", Plan("names", 5, 1, "tuning"), tmp_path)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": "a"}', "corpus: Field required"),
        ('{"id": "a", "corpus": "c", "reference": "x"}', "needs 'audio' or 'heard'"),
        ('{"id": "a", "corpus": "c", "reference": "x", "heard": "x"}', "heard: must be a list"),
        ('{"id": "a", "corpus": "c", "reference": "x", "audio": "../x.flac"}', "leads out"),
        ('{"id": "a", "corpus": "c", "reference": "x", "audio": "/x.flac"}', "leads out"),
        ('{"id": "a", "corpus": "c", "reference": "x", "heard": ["x"], "says": 7}', "says"),
        ('{"id": "a", "corpus": "c", "reference": "x", "heard": ["x"], "k": 7}', "k: Extra"),
        ('{"id": "a/b", "corpus": "c", "reference": "x", "heard": ["x"]}', "id: "),
        ("nonsense", "is not JSON"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    good = '{"id": "g", "corpus": "c", "reference": "x", "heard": ["x"]}'
    (tmp_path / "utterances.jsonl").write_text(f"{good}\n{line}\n")
    with pytest.raises(DataError, match=r"utterances\.jsonl:2") as caught:
        read_folder(tmp_path)
    assert message in str(caught.value)


def test_a_corpus_has_no_utterance_twice_and_no_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = '{"id": "%s", "corpus": "c", "reference": "x", "heard": ["x"]}\n'
    file = tmp_path / "utterances.jsonl"
    file.write_text(good % "a" + good % "a")
    with pytest.raises(DataError, match="twice"):
        read_folder(tmp_path)
    monkeypatch.setattr(utterance, "UTTERANCES_MAX", 2)
    file.write_text(good % "a" + good % "b")
    assert len(read_folder(tmp_path)) == 2
    file.write_text(good % "a" + good % "b" + good % "c")
    with pytest.raises(LimitExceeded, match="UTTERANCES_MAX"):
        read_folder(tmp_path)
    monkeypatch.setattr(utterance, "LINE_BYTES_MAX", len(good % "a"))
    file.write_text(good % "a")
    assert len(read_folder(tmp_path)) == 1
    file.write_text(good % "aa")
    with pytest.raises(LimitExceeded, match="LINE_BYTES_MAX"):
        read_folder(tmp_path)
    with pytest.raises(DataError, match="corpus make"):
        read_folder(tmp_path / "nowhere")


def test_a_bent_voice_is_lower_and_longer_or_higher_and_shorter() -> None:
    try:
        plain = say("meg bauer", Speech("flite:awb", 1))
    except MissingPart as error:
        pytest.skip(str(error))
    for bend in BENDS[1:]:
        bent = say("meg bauer", Speech(f"flite:awb{bend}", 1))
        assert len(bent) == pytest.approx(len(plain) / float(bend[1:]), rel=0.01)
    noisy = Speech("flite:awb@1.07", 1, "pink", 10.0)
    assert np.array_equal(say("meg", noisy), say("meg", noisy))


def test_the_command_makes_a_corpus(command: Command, tmp_path: Path) -> None:
    try:
        say("meg", Speech("flite:slt", 1))
    except MissingPart as error:
        pytest.skip(str(error))
    done = command("corpus", "make", "followups", tmp_path, "--n", 2, "--half", "tuning")
    if "install" in done.err or "not installed" in done.err:
        pytest.skip(done.err)
    assert (done.code, done.out) == (0, f"2 utterances in {tmp_path}, 2 made now\n")
    lines = [json.loads(line) for line in (tmp_path / "utterances.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == ["followups-00001", "followups-00002"]
    assert command("corpus", "make", "names", tmp_path).code == 2


# ---------------------------------------------------------------- recorded ones


def test_evi_is_read(data: Path) -> None:
    found = read_evi(data)
    counts = Counter(one.corpus for one in found)
    assert counts["evi-name"] == 556
    assert counts["evi-postcode"] > 700
    assert counts["evi-dob"] > 700
    assert all(one.heard and one.audio is None and one.speaker for one in found)
    people = read_people(data)
    assert len(people) > 9_000
    assert {one.reference for one in found if one.corpus == "evi-name"} <= set(people)
    assert not {one.speaker for one in found} & {one.speaker for one in read_evi(data, "train")}
    with pytest.raises(DataError, match="--data"):
        read_evi(None)


def test_human_speech_is_read(data: Path) -> None:
    found = read_human(data)
    counts = Counter(one.corpus for one in found)
    assert counts == {"human-digits": 300, "human-names": 120, "human-orders": 110}
    assert all(one.audio is not None and one.audio.is_file() for one in found)
    options = {one.corpus: len(one.options) for one in found}
    assert (options["human-digits"], options["human-names"]) == (10, 6)
    for one in found:
        if one.corpus != "human-orders":
            assert one.reference in one.options
        else:
            assert one.scored == "slots"


def test_a_broken_line_of_data_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "human_speech"
    folder.mkdir()
    (folder / "clips.jsonl").write_text('{"kind": "digits"}\nnonsense\n')
    with pytest.raises(DataError, match=r"clips\.jsonl:2"):
        read_human(tmp_path)
    (folder / "clips.jsonl").write_text('{"kind": "digits"}\n')
    with pytest.raises(DataError, match="not as described"):
        read_human(tmp_path)
