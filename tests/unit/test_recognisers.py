"""Recognisers by name, those of others among them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ctxasr import cli
from ctxasr.app import Settings
from ctxasr.cli.shared import settings_from
from ctxasr.errors import InputError, MissingPart
from ctxasr.gateway.http.problems import Problem
from ctxasr.gateway.http.recogniser import Recogniser
from ctxasr.hypotheses import Recognition
from ctxasr.ports import RATE_HZ, Samples
from ctxasr.speech import recognisers
from ctxasr.speech.pocketsphinx import PocketSphinxRecognizer
from ctxasr.speech.recognisers import checked_spec, make_recogniser, scorer_of
from ctxasr.speech.whisper import WhisperRecognizer

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "recognisers.md").read_text(encoding="utf-8")
BAUER = str(ROOT / "scenarios" / "audio" / "call_meg-2.flac")

Plug = Callable[[str, str], None]


@pytest.fixture
def plug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plug:
    """Installs a distribution with one module and its entry points, for this test."""

    def install(module: str, entries: str) -> None:
        name = entries.partition("=")[2].strip().partition(":")[0]
        (tmp_path / f"{name}.py").write_text(module)
        about = tmp_path / f"{name}-1.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (about / "entry_points.txt").write_text(f"[{recognisers.GROUP}]\n{entries}\n")
        monkeypatch.syspath_prepend(tmp_path)

    return install


def test_the_names_give_the_recognisers() -> None:
    sphinx, whisper = make_recogniser("pocketsphinx"), make_recogniser("whisper:small.en")
    assert isinstance(sphinx, PocketSphinxRecognizer)
    assert isinstance(whisper, WhisperRecognizer)
    assert (scorer_of(sphinx), scorer_of(whisper)) == (sphinx, whisper)
    sphinx.close()
    whisper.close()


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("whisper", ("whisper", "")),
        (" whisper:base.en ", ("whisper", "base.en")),
        ("whisper:/models/a:b", ("whisper", "/models/a:b")),
        ("pocketsphinx", ("pocketsphinx", "")),
    ],
)
def test_a_name_and_its_argument(spec: str, parts: tuple[str, str]) -> None:
    assert checked_spec(spec) == parts


@pytest.mark.parametrize("spec", ["wisper", "", ":base", "Whisper", "pocketsphinx5:x"])
def test_an_unknown_name_is_said_with_those_that_are_known(spec: str) -> None:
    with pytest.raises(
        InputError, match=r"is not known; pocketsphinx\[:LANGUAGE\], whisper\[:MODEL or FOLDER"
    ):
        make_recogniser(spec)


def test_an_argument_of_no_use_is_said() -> None:
    with pytest.raises(InputError, match="pocketsphinx:base is not known; assistant or stock is"):
        make_recogniser("pocketsphinx:base")


def test_whisper_without_a_model_takes_that_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CTXASR_WHISPER", raising=False)
    assert recognisers.whisper_model() == "base"
    monkeypatch.setenv("CTXASR_WHISPER", "/models/mine")
    assert recognisers.whisper_model() == "/models/mine"


# ---------------------------------------------------------------- plugged in


async def test_the_example_of_the_page_is_a_recogniser(plug: Plug) -> None:
    module = next(code for code in re.findall(r"```python\n(.*?)```", PAGE, re.S) if "def " in code)
    [entry] = re.findall(r'ctxasr.recognisers"\]\n(.*?)\n', PAGE)
    plug(module, entry.replace('"', ""))
    made = make_recogniser("parrot:call Meg")
    await made.load()
    heard = await made.recognize(np.zeros(RATE_HZ, np.int16))
    assert (heard.plain, heard.duration_s) == ("call Meg", 1.0)
    assert scorer_of(made) is None
    made.close()


def test_the_command_takes_the_one_that_is_plugged_in(plug: Plug) -> None:
    module = next(code for code in re.findall(r"```python\n(.*?)```", PAGE, re.S) if "def " in code)
    plug(module, "parrot = parrot:make")
    done = CliRunner().invoke(cli.app, ["recognise", BAUER, "--recogniser", "parrot:call Meg"])
    assert done.exit_code == 0
    assert "call Meg" in done.output


@pytest.mark.parametrize(
    ("name", "module", "message"),
    [
        ("gone", "import not_here", r"broken \(gone:make\) cannot be made: ModuleNotFoundError"),
        ("three", "make = 3", r"cannot be made: TypeError"),
        ("thread", "def make(argument): pass", r"cannot be made: TypeError.*process"),
        ("empty", "def make(argument, *, process): pass", "lacks load, recognize, close: it"),
        (
            "late",
            "class Made:\n    def load(self): ...\n    async def recognize(self, s): ...\n"
            "    def close(self): ...\ndef make(argument, *, process): return Made()",
            r"lacks load: it needs async load\(\)",
        ),
        (
            "polite",
            "from ctxasr.errors import InputError\n"
            "def make(argument, *, process): raise InputError('no such voice')",
            "^no such voice$",
        ),
    ],
)
def test_a_broken_plug_in_is_said(plug: Plug, name: str, module: str, message: str) -> None:
    plug(module, f"broken = {name}:make")
    with pytest.raises((MissingPart, InputError), match=message):
        make_recogniser("broken")


def test_a_plug_in_takes_no_name_of_ours(plug: Plug) -> None:
    plug("def make(argument, *, process): return None", "whisper = thief:make")
    made = make_recogniser("whisper")
    assert isinstance(made, WhisperRecognizer)
    made.close()


# ---------------------------------------------------------------- commands and settings


def test_the_option_goes_before_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CTXASR_RECOGNISER", raising=False)
    assert settings_from().recogniser == "pocketsphinx"
    monkeypatch.setenv("CTXASR_RECOGNISER", "whisper:base.en")
    assert Settings.from_environment().recogniser == "whisper:base.en"
    assert settings_from(recogniser="pocketsphinx").recogniser == "pocketsphinx"


@pytest.mark.parametrize("value", ["whisper base", "-", "whisper:"])
def test_a_variable_that_names_none_is_said(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("CTXASR_RECOGNISER", value)
    if value == "whisper:":
        assert settings_from().recogniser == value
        return
    with pytest.raises(InputError, match=r"CTXASR_RECOGNISER is|is not known"):
        settings_from()


@pytest.mark.parametrize(
    "command", [["replay"], ["recognise", BAUER], ["evaluate", "scenarios"], ["serve"]]
)
def test_every_command_refuses_an_unknown_recogniser(command: list[str]) -> None:
    done = CliRunner().invoke(cli.app, [*command, "--recogniser", "wisper"])
    assert isinstance(done.exception, InputError)
    assert "'wisper' is not known" in str(done.exception)


def test_the_command_hears_with_whisper(whisper_model: Path) -> None:
    given = ["recognise", BAUER, "--recogniser", f"whisper:{whisper_model}", "--nbest", "3"]
    done = CliRunner().invoke(cli.app, given)
    assert done.exit_code == 0
    assert "power" in done.output
    assert "Bauer" in done.output


# ---------------------------------------------------------------- the door


class Ear:
    """Dies with its first sound; the next one scores every text by its own number."""

    made = 0

    def __init__(self) -> None:
        Ear.made += 1
        self.number = Ear.made

    async def load(self) -> None: ...

    async def recognize(self, samples: Samples) -> Recognition:
        if self.number == 1:
            raise MissingPart("dead")
        return Recognition((), sound=self.number)

    async def log_likelihoods(self, recognition: Recognition, texts: Sequence[str]) -> list[float]:
        return [float(self.number)] * len(texts)

    def close(self) -> None: ...


class DeafEar(Ear):
    """Hears without scoring."""

    log_likelihoods = None  # type: ignore[assignment]


async def test_the_door_scores_with_the_recogniser_that_lives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Ear, "made", 0)
    shared = Recogniser(Ear)
    scorer = shared.scorer
    assert scorer is not None
    assert await scorer.log_likelihoods(Recognition(()), ["yes", "no"]) == [1.0, 1.0]
    with pytest.raises(Problem):
        await shared.recognise("meg", lambda: np.zeros(9, np.int16))
    assert shared._making is not None
    await shared._making
    assert await scorer.log_likelihoods(Recognition(()), ["yes"]) == [2.0]
    await shared.close()
    deaf = Recogniser(DeafEar)
    assert deaf.scorer is None
    await deaf.close()
