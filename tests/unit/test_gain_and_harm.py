"""Trials, figures, curves and what is kept of a run: counted by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from conftest import Command, Encoder, ExactAligner, recognition
from rich.console import Console

from ctxasr.errors import DataError, InputError
from ctxasr.evaluate.corpora.conditions import (
    ANOTHER,
    EMPTIED,
    FOREIGN,
    OWN,
    Condition,
    conditions_of,
)
from ctxasr.evaluate.corpora.neighbours import Neighbours, Sounds
from ctxasr.evaluate.corpora.utterance import Utterance
from ctxasr.evaluate.frontier import panels
from ctxasr.evaluate.gain_and_harm import THRESHOLDS_MAX, Figures, curve_of, render, subsets
from ctxasr.evaluate.study import Study, is_corpus, names_to_draw, read_corpora, sampled, study
from ctxasr.evaluate.trial_file import TrialFile, run_of
from ctxasr.evaluate.trials import Listener, Trial, trials_of
from ctxasr.events import Entity, TurnText
from ctxasr.hypotheses import Recognition
from ctxasr.ports import Samples
from ctxasr.report.frontier import Axes, check, draw_frontier

BASE = Trial(
    utterance="a", group="anna", sort="", condition="c", words=2, oracle=0, plain=2,
    plain_sounding=2, proposed=0, proposed_sounding=0, changes=True, margin=3.0,
)  # fmt: skip
HARM = replace(
    BASE, utterance="b", group="bob", plain=0, plain_sounding=0, proposed=1, proposed_sounding=1,
    margin=1.0,
)  # fmt: skip
TWIN = replace(HARM, utterance="c", group="cleo", proposed_sounding=0, margin=-2.0)
KEPT = replace(BASE, utterance="d", group="dan", proposed=2, proposed_sounding=2, changes=False)
TRIALS = (BASE, HARM, TWIN, KEPT)


def test_figures_count_gain_and_harm_at_a_threshold() -> None:
    figures = Figures(TRIALS, 0.0, seed=1)
    assert figures.plain.value == pytest.approx(4 / 8)
    assert figures.context.value == pytest.approx(3 / 8)
    assert figures.oracle.value == 0
    assert figures.change is not None
    assert figures.change.value == pytest.approx(-1 / 4)
    assert (figures.worse, figures.wrong, figures.right, figures.changed) == (1, 1, 2, 2)
    assert figures.wrong_share is not None
    assert figures.wrong_share.value == pytest.approx(1 / 2)
    bold = Figures(TRIALS, -3.0, seed=1)
    assert (bold.worse, bold.wrong, bold.wrong_sounding, bold.changed) == (2, 2, 1, 3)
    shy = Figures(TRIALS, 3.0, seed=1)  # log odds must pass the threshold, not reach it
    assert (shy.worse, shy.changed, shy.context.value) == (0, 0, shy.plain.value)


def test_figures_without_an_error_or_a_right_text_have_no_share() -> None:
    assert Figures((HARM,), 0.0, 1).change is None
    assert Figures((BASE,), 0.0, 1).wrong_share is None
    shown = json.loads(json.dumps(Figures((HARM,), 0.0, 1).to_json()))
    assert shown["change"] is None
    assert shown["wrong"] == 1


def test_the_ends_of_the_curve_are_plain_and_always_change() -> None:
    curve = curve_of({"c": TRIALS}, 0.0)
    assert list(curve.thresholds) == sorted(curve.thresholds)
    assert 0.0 in curve.thresholds
    assert curve.change["c"][-1] == 0.0
    assert curve.wrong["c"][-1] == 0.0
    always = sum(trial.proposed for trial in TRIALS) / sum(trial.plain for trial in TRIALS) - 1
    assert curve.change["c"][0] == pytest.approx(always)
    assert curve.wrong["c"][0] == pytest.approx(2 / 2)


def test_every_point_of_the_curve_is_what_figures_say() -> None:
    curve = curve_of({"c": TRIALS}, 0.5)
    for place, threshold in enumerate(curve.thresholds):
        figures = Figures(TRIALS, float(threshold), 1)
        assert figures.change is not None
        assert curve.change["c"][place] == pytest.approx(figures.change.value)
        assert curve.wrong["c"][place] == pytest.approx(figures.wrong / figures.right)


def test_a_curve_has_no_more_thresholds_than_its_limit() -> None:
    def points(count: int) -> int:
        trials = [replace(BASE, margin=float(n)) for n in range(count)]
        return len(curve_of({"c": trials}, -0.5).thresholds)

    assert points(THRESHOLDS_MAX - 2) == points(5 * THRESHOLDS_MAX) == THRESHOLDS_MAX


def test_a_curve_of_nothing_changed_is_one_point() -> None:
    curve = curve_of({"c": [KEPT]}, 0.0)
    assert (list(curve.thresholds), list(curve.change["c"])) == ([0.0], [0.0])
    assert np.isnan(curve.wrong["c"]).all()
    assert curve.to_json()["conditions"]["c"] == {"change": [0.0], "wrong_share": [None]}


def test_answers_are_parted_where_some_are_not_on_the_list() -> None:
    assert subsets(TRIALS) == {}
    mixed = [replace(BASE, sort="part"), replace(HARM, sort="outside")]
    assert subsets(mixed) == {"on the list": mixed[:1], "not on the list": mixed[1:]}
    assert subsets([replace(BASE, sort="part")]) == {}


# ---------------------------------------------------------------- trials

ASKED = TurnText("", "Which Meg?", (Entity("contact", "Meg Jones"), Entity("contact", "Bauer")))
SPOKEN = Utterance("a", "mine", "bauer", ASKED, "anna", heard=("power", "bauer", "power."))


class Deaf:
    """A recogniser that hears the same in every sound."""

    def __init__(self) -> None:
        self.calls = 0

    async def recognize(self, samples: Samples) -> Recognition:
        self.calls += 1
        return recognition("power", "bauer")


def listener() -> Listener:
    return Listener(None, Encoder(), ExactAligner())


def neighbours() -> Neighbours:
    return Neighbours(["Ann Lee", "Joe Hall", "Wes Stone"], Sounds())


async def test_an_utterance_is_met_with_every_condition() -> None:
    (one,) = await study({"mine": [SPOKEN]}, listener(), neighbours(), recogniser="deaf", seed=1)
    found = one.by_condition()
    assert set(found) >= {EMPTIED, OWN}
    (empty,), (own,) = found[EMPTIED], found[OWN]
    assert (empty.plain, empty.proposed, empty.changes, empty.oracle) == (1, 1, False, 0)
    assert (own.plain, own.proposed, own.changes, own.words) == (1, 0, True, 1)
    assert own.margin > 0
    assert one.recogniser == "n-best list"
    shown = json.loads(json.dumps(one.to_json()))
    assert set(shown) == {"recogniser", "utterances", "seed", "threshold", "conditions", "curve"}
    assert set(shown["conditions"][OWN]) == {
        "answer_on_offer", "n", "words", "groups", "wer", "change", "worse", "changed", "right",
        "wrong", "wrong_share", "sounding", "parts",
    }  # fmt: skip
    text = StringIO()
    one.render(Console(file=text, width=80))
    assert "mine by n-best list: 1 utterances" in text.getvalue()
    assert max(map(len, text.getvalue().splitlines())) <= 80
    assert "\N{HORIZONTAL ELLIPSIS}" not in text.getvalue()


def test_the_widest_row_has_room_on_a_terminal() -> None:
    each = replace(BASE, proposed=5)
    trials = tuple(replace(each, utterance=f"{n}", group=f"{n % 9}") for n in range(900))
    text = StringIO()
    names = [FOREIGN, ANOTHER, "name among its 99 nearest", "own and 100 names"]
    rows = [(name, Figures(trials, 0.0, 1)) for name in names]
    render("a", rows, Console(file=text, width=80))
    assert "\N{HORIZONTAL ELLIPSIS}" not in text.getvalue()
    for name in names:
        assert name in text.getvalue(), text.getvalue()


async def test_a_sound_is_recognised_once_for_all_conditions(tmp_path: Path) -> None:
    from ctxasr.speech.audio import save_flac

    save_flac(tmp_path / "a.flac", np.zeros(1_600, np.int16))
    deaf = Deaf()
    heard = Listener(deaf, Encoder(), ExactAligner())
    sound = replace(SPOKEN, heard=(), audio=tmp_path / "a.flac")
    (one,) = await study({"mine": [sound]}, heard, neighbours(), recogniser="deaf", seed=1)
    assert deaf.calls == 1
    assert one.recogniser == "deaf"
    with pytest.raises(InputError, match="no recogniser"):
        await listener().hear(sound)


async def test_errors_are_counted_to_the_nearest_right_text_and_by_sound() -> None:
    spelled = replace(SPOKEN, reference="b a u e r", also=("bauer",), heard=("bower",))
    (trial,) = await trials_of(spelled, [_nothing()], listener(), 1)
    assert (trial.plain, trial.plain_sounding, trial.words) == (1, 0, 5)
    order = replace(
        SPOKEN, reference="medium roast oat milk", scored="slots",
        heard=("a medium latte with milk",),
    )  # fmt: skip
    (trial,) = await trials_of(order, [_nothing()], listener(), 1)
    assert (trial.plain, trial.words) == (2, 4)
    silent = replace(SPOKEN, heard=())
    (trial,) = await trials_of(silent, [_nothing()], listener(), 1)
    assert (trial.plain, trial.oracle, trial.changes) == (1, 1, False)


def _nothing() -> Condition:
    return conditions_of("mine", [SPOKEN], neighbours())[0]


async def test_a_list_past_a_context_is_still_on_offer() -> None:
    """The context keeps three hundred phrases; a thousand names are weighed alike."""
    names = [f"Name{chr(97 + n % 26)}{chr(97 + n // 26)} Person" for n in range(600)]
    turn = TurnText("", "Which?", tuple(Entity("name", name) for name in names))
    bias = await listener().bias_after(turn)
    texts = {one.phrase.text for one in bias.phrases}
    assert {name.lower() for name in names} <= texts
    whole = [one.phrase.text for one in bias.phrases if one.phrase.whole == ""]
    shares = dict.fromkeys(whole, 0.0)
    for one in bias.phrases:
        shares[one.phrase.whole or one.phrase.text] += math.exp(one.log_prior)
    weights = [shares[name.lower()] for name in names]
    assert max(weights) == pytest.approx(min(weights)), "parts among what a name has"


# ---------------------------------------------------------------- what is kept of a run


async def test_a_stopped_run_goes_on_and_another_run_begins_anew(tmp_path: Path) -> None:
    utterances = {"mine": [replace(SPOKEN, id=f"{n}") for n in range(4)]}
    file = tmp_path / "kept.jsonl"

    class Stopped(Exception):
        pass

    def stop(done: int, total: int) -> None:
        assert total == 4
        if done == 2:
            raise Stopped

    async def go(seed: int = 1, **more: object) -> Study:
        (one,) = await study(
            utterances, listener(), neighbours(), recogniser="deaf", seed=seed, resume=file,
            **more,  # type: ignore[arg-type]
        )  # fmt: skip
        return one

    with pytest.raises(Stopped):
        await go(progress=stop)
    with file.open("ab") as torn:
        torn.write(b'{"run": "half')
    run = run_of(utterances["mine"], "n-best list", 1, neighbours().names)
    assert len(TrialFile.load(file, run)) == 2
    whole = await go()
    assert len(TrialFile.load(file, run)) == 4
    (fresh,) = await study(utterances, listener(), neighbours(), recogniser="deaf", seed=1)
    assert whole.trials == fresh.trials
    size = file.stat().st_size
    assert (await go()).trials == whole.trials
    assert file.stat().st_size == size  # nothing was computed again
    await go(seed=2)
    assert file.stat().st_size > size
    assert "bauer" not in file.read_text()  # no text is kept


def test_a_file_of_something_else_is_not_written_to(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    for text in ("my notes\n", "my notes", "[]\n", "{}", '{"run": "x"}\nmine\n'):
        file.write_text(text)
        with pytest.raises(InputError, match="choose another file"):
            TrialFile.load(file, "r")
        assert file.read_text() == text
    file.write_text('{"run": "r", "utterance": 0, "trials": [["a"]]}\n')
    with pytest.raises(InputError, match=r"notes\.txt:1"):
        TrialFile.load(file, "r")


# ---------------------------------------------------------------- plots


def spoken_study(harm: bool) -> Study:
    conditions = conditions_of("names", [SPOKEN], neighbours())
    trials = [
        replace(one, condition=condition.name)
        for condition in conditions
        for one in (TRIALS if condition.right or harm else (KEPT, replace(HARM, changes=False)))
    ]
    return Study("names", "deaf", tuple(conditions), tuple(trials), 1)


def test_a_panel_for_each_kind_of_list_without_the_answer() -> None:
    found = {panel.harm: panel for panel in panels([spoken_study(harm=True)])}
    assert set(found) == {"random lists", "nearest neighbours"}
    line = found["random lists"].lines["names: name among 2"]
    assert line[0] == (0.0, 0.0)
    assert line[-1] == (0.0, 0.0)
    assert found["random lists"].at["names: name among 2"] == (-0.25, -0.25)


def test_a_plot_is_a_file_of_its_own_and_the_same_for_the_same_figures(tmp_path: Path) -> None:
    axes = [
        Axes(panel.harm, "harm", panel.lines, panel.at)
        for panel in panels([spoken_study(harm=True)])
    ]
    for name in ("a.svg", "b.svg", "c.png"):
        draw_frontier(tmp_path / name, axes)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert "nearest neighbours" in (tmp_path / "a.svg").read_text()
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    assert not [one for one in tmp_path.iterdir() if one.name.startswith(".part")]


@pytest.mark.parametrize("name", ["a.pdf", "a", "nowhere/a.svg"])
def test_where_a_plot_cannot_be_written_is_said_first(tmp_path: Path, name: str) -> None:
    check(tmp_path / "a.svg")
    with pytest.raises(InputError, match=r"\.svg or \.png|no such folder"):
        check(tmp_path / name)


# ---------------------------------------------------------------- the command


def corpus(folder: Path, *lines: Mapping[str, object]) -> Path:
    folder.mkdir()
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "utterances.jsonl").write_text(text)
    return folder


ASKED_IN_FILE = {
    "reply": "Do you mean Meg Jones or Meg Bauer?",
    "entities": [{"kind": "contact", "values": ["Meg Jones", "Meg Bauer"]}],
}
OTHER = {"screen": ["Elm Street", "Oak Street"]}


def test_the_command_evaluates_a_folder(command: Command, tmp_path: Path) -> None:
    line = {"corpus": "mine", "speaker": "anna", "asked": ASKED_IN_FILE}
    folder = corpus(
        tmp_path / "mine",
        {"id": "a", "reference": "bauer", "heard": ["power", "bauer"], **line},
        {"id": "b", "reference": "yes", "heard": ["yes", "no thanks"], **line},
        {"id": "c", "reference": "jones", "heard": ["bones", "jones"], **line},
        {"id": "d", "corpus": "mine", "reference": "elm", "heard": ["elm"], "asked": OTHER},
    )
    plot, kept = tmp_path / "plot.svg", tmp_path / "kept.jsonl"
    options = ["--json", "--resume", kept, "--plot", plot]
    done = command("evaluate", folder, *options)
    assert done.code == 0, done.err
    found = json.loads(done.out)["corpora"]["mine"]
    assert found["conditions"][OWN]["changed"] >= 1
    assert found["conditions"][EMPTIED]["n"] == 4
    assert found["utterances"] == 4
    assert plot.is_file()
    assert command("evaluate", folder, *options).out == done.out
    limited = json.loads(command("evaluate", folder, "--json", "--limit", 2).out)
    assert limited["corpora"]["mine"]["utterances"] == 2
    table = command("evaluate", folder)
    assert "own options" in table.out
    assert table.code == 0
    lone = corpus(
        tmp_path / "lone", {"id": "a", "reference": "x", "heard": ["x"], "corpus": "lone"}
    )
    assert "not drawn" in command("evaluate", lone, "--plot", plot).err


def test_the_command_says_what_is_wrong(command: Command, tmp_path: Path) -> None:
    assert "--data" in command("evaluate", "evi").err
    done = command("evaluate", tmp_path, "--limit", 3)
    assert (done.code, "--limit: is for corpora" in done.err) == (2, True)
    folder = corpus(tmp_path / "mine", {"id": "a", "corpus": "c", "reference": "x", "heard": []})
    assert "utterances.jsonl:1" in command("evaluate", folder).err
    line = {"id": "a", "corpus": "c", "reference": "x", "heard": ["x"]}
    folder = corpus(tmp_path / "yours", line)
    assert command("evaluate", folder, "--plot", tmp_path / "a.pdf").code == 2
    twice = corpus(tmp_path / "again", line)
    assert "same id" in command("evaluate", folder, twice).err


def test_corpora_are_told_from_scenarios(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_corpus("evi")
    assert is_corpus("human")
    assert not is_corpus("scenarios")
    (tmp_path / "evi").mkdir()
    assert not is_corpus("evi")  # a folder of that name goes first
    folder = corpus(tmp_path / "mine", {"id": "a", "corpus": "c", "reference": "x", "heard": ["x"]})
    assert is_corpus(str(folder))


def test_a_limit_draws_by_the_seed_and_names_are_found(data: Path) -> None:
    corpora = read_corpora(["evi", "human"], data)
    assert {"evi-name", "human-digits"} <= set(corpora)
    few = sampled(corpora, 5, 1)
    assert {len(one) for one in few.values()} == {5}
    assert few == sampled(corpora, 5, 1) != sampled(corpora, 5, 2)
    assert sampled(corpora, None, 1) is corpora
    assert len(names_to_draw(corpora, data)) > 9_000
    assert len(names_to_draw({"followups": []}, None)) > 1_000
    with pytest.raises(DataError, match="--data"):
        names_to_draw({"names": []}, None)
