"""The front door: another recogniser's n-best list, with what was asked as plain strings."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Command

import ctxasr
from ctxasr import Rescorer
from ctxasr.errors import AudioError, ContextUnavailable, InputError, ScenarioError
from ctxasr.hypotheses import N_BEST_MAX, Hypothesis, Recognition
from ctxasr.ports import Samples
from ctxasr.scenario.nbest import LINE_BYTES_MAX, read_nbest
from ctxasr.speech.audio import load_samples

ROOT = Path(__file__).parents[2]
README, SOUND = ROOT / "README.md", ROOT / "scenarios" / "audio" / "call_meg-2.flac"
REPLY = "Do you mean Meg Jones or Meg Bauer?"
HEARD = ["meg power", "meg bower"]


@pytest.fixture(scope="module")
def rescorer() -> Rescorer:
    return Rescorer()


# ---------------------------------------------------------------- as a library


def test_what_is_exported_is_this_and_loads_when_it_is_asked_for() -> None:
    assert ctxasr.__all__ == ["Rescored", "Rescorer", "__version__"]
    assert all(hasattr(ctxasr, name) for name in ctxasr.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Rescore'"):
        _ = ctxasr.Rescore
    code = "import sys, ctxasr; assert not {'torch', 'numpy', 'pydantic'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("text", [README.read_text(), f"```python\n{ctxasr.__doc__}```\n"])
def test_five_lines_do_what_they_say(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = re.search(r"```python\n(.*?from ctxasr import Rescorer.*?)```", text, re.DOTALL)
    assert found is not None
    lines = found[1].partition("from ctxasr")[2].replace("\n    ", "\n").splitlines()
    code = [line for line in ["from ctxasr" + lines[0], *lines[1:]] if line.strip()]
    program = code[: 1 + next(i for i, line in enumerate(code) if line.startswith("print"))]
    assert len(program) <= 5
    exec("\n".join(program), {})  # noqa: S102  # the README's own program
    assert capsys.readouterr().out == "meg bauer\n"


async def test_in_an_event_loop_it_is_awaited(rescorer: Rescorer) -> None:
    found = await rescorer.arescore(HEARD, reply=REPLY)
    assert (found.text, found.plain_text) == ("meg bauer", "meg power")
    assert [(one.phrase, one.signal) for one in found.changes] == [("Meg Bauer", "reply")]
    with pytest.raises(RuntimeError, match="await arescore"):
        rescorer.rescore(HEARD, reply=REPLY)


@pytest.mark.parametrize(
    "heard", [["Yes,  please.", "no thanks"], ["yes", "no thanks"], [" Power! "], [""], []]
)
def test_where_nothing_was_asked_the_text_stays_to_the_letter(
    rescorer: Rescorer, heard: list[str]
) -> None:
    nothing: list[dict[str, Any]] = [{}, {"entities": {"contact": []}}, {"reply": "", "screen": []}]
    for asked in nothing:
        found = rescorer.rescore(heard, **asked)
        assert found.text == found.plain_text == (heard or [""])[0]
        assert found.changes == ()


def test_names_come_alone_or_by_kind_with_scores_or_without(rescorer: Rescorer) -> None:
    names = ["Meg Jones", "Meg Bauer"]
    for entities in (names, {"contact": names[:1], "person": names[1:]}):
        heard = [("meg power", -1.0), ("meg bower", -1.5)]
        found = rescorer.rescore(heard, entities=entities, reply=REPLY)
        assert (found.text, found.changes[0].signal) == ("meg bauer", "entities")
    many = [f"Name{number:03}" for number in range(310)]
    assert rescorer.rescore(HEARD, entities={"a": many[:200], "b": many[200:]}).left_out >= 10
    assert rescorer.rescore(HEARD, entities=["北京", "Meg"]).unpronounceable == 1


@pytest.mark.parametrize(
    ("heard", "asked", "said"),
    [
        (["x" * 2_001], {}, "hypotheses.0.text: has more than 2000 characters"),
        (["canary"] * (N_BEST_MAX + 1), {}, f"hypotheses: has {N_BEST_MAX + 1} entries"),
        ([("canary", "canary")], {}, "hypotheses.0.score: must be a number"),
        (["canary"], {"reply": 7}, "reply: is a number, and a text is wanted"),
        (["canary"], {"entities": {"contact": ["Meg", None]}}, "entities.0.values.1: "),
        (["canary"], {"slot": "no slot"}, "slot: "),
    ],
)
def test_what_is_wrong_is_named_and_not_quoted(
    rescorer: Rescorer, heard: list[Any], asked: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError) as raised:
        rescorer.rescore(heard, **asked)
    assert str(raised.value).startswith(said)
    assert "canary" not in str(raised.value)


# ---------------------------------------------------------------- with the sound


@pytest.fixture(scope="module")
def listener(whisper_model: Path) -> Rescorer:
    return Rescorer(recogniser=f"whisper:{whisper_model}")


def test_the_program_with_sound_does_what_it_says(
    whisper_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
    (program,) = (block for block in blocks if 'recogniser="whisper"' in block)
    (name,) = re.findall(r'audio="([\w./-]+)"', program)
    (tmp_path / Path(name).name).write_bytes(SOUND.read_bytes())
    monkeypatch.setenv("CTXASR_WHISPER", str(whisper_model))
    monkeypatch.chdir(tmp_path)
    exec(program, {})  # noqa: S102  # the README's own program
    assert capsys.readouterr().out.startswith("Bauer")


def test_a_sound_is_heard_and_scored(listener: Rescorer) -> None:
    for audio in (SOUND, str(SOUND), load_samples(SOUND).samples):
        found = listener.rescore(audio=audio, reply=REPLY)
        assert found.text == "Bauer" != found.plain_text
        assert [(one.signal, one.evidence) for one in found.changes] == [("reply", "sound")]
    nothing_asked = listener.rescore(audio=SOUND)
    assert nothing_asked.text == nothing_asked.plain_text == found.plain_text


def test_ones_own_hypotheses_are_scored_against_the_sound(listener: Rescorer) -> None:
    found = listener.rescore(["tower", "hour"], audio=SOUND, reply=REPLY)
    assert (found.text, found.plain_text) == ("bauer", "tower")
    assert [one.evidence for one in found.changes] == ["sound"]
    assert listener.rescore(["an hour"], audio=SOUND).text == "an hour", "nothing was asked"
    own = listener.rescore([], audio=SOUND, reply=REPLY)
    assert own.text == "Bauer", "an empty list says nothing"


async def test_sound_keeps_what_text_would_change(listener: Rescorer) -> None:
    jones: dict[str, Any] = {"reply": "Do you mean Jones?", "entities": ["Jones"]}
    assert (await listener.arescore(["zwixle", "jones"], **jones)).text == "jones"
    found = await listener.arescore(["bauer", "jones"], audio=SOUND, **jones)
    assert found.text == "bauer"


def test_pocketsphinx_hears_a_sound_as_well() -> None:
    found = Rescorer().rescore(audio=SOUND, reply=REPLY)
    assert found.plain_text
    assert found.text.lower() == "bauer"


class Forgetful:
    """A recogniser that has let go of each sound before its texts are scored."""

    async def recognize(self, samples: Samples) -> Recognition:
        return Recognition((Hypothesis("zwixle"), Hypothesis("bauer")), sound=object())

    async def log_likelihoods(self, recognition: Recognition, texts: Sequence[str]) -> list[float]:
        raise ContextUnavailable("nothing is kept of this sound")


def test_a_sound_that_is_kept_no_more_leaves_what_text_decides(
    rescorer: Rescorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it is where more than SOUNDS_MAX utterances come at once."""
    monkeypatch.setattr("ctxasr.rescorer.default_recognizer", lambda name: Forgetful())
    found = rescorer.rescore(audio=np.zeros(16_000, np.int16), entities=["Bauer"])
    assert [(one.phrase, one.evidence) for one in found.changes] == [("Bauer", "text")]


def test_neither_hypotheses_nor_sound_is_an_error(rescorer: Rescorer) -> None:
    with pytest.raises(InputError, match=r"^neither hypotheses nor audio"):
        rescorer.rescore(reply=REPLY)
    assert rescorer.rescore([], reply=REPLY).text == "", "nothing was heard"


def test_a_sound_that_is_not_there_is_named(rescorer: Rescorer, tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.flac", tmp_path):
        with pytest.raises(AudioError, match=re.escape(path.name)):
            rescorer.rescore(HEARD, audio=path, reply=REPLY)


@pytest.mark.parametrize(
    "samples",
    [np.zeros(16_000, np.float32), np.zeros((2, 16_000), np.int16), [0] * 16_000, b"x", 7],
    ids=["floats", "two channels", "a list", "bytes", "a number"],
)
def test_what_is_no_sound_is_refused(rescorer: Rescorer, samples: Any) -> None:
    with pytest.raises(InputError, match="audio"):
        rescorer.rescore(HEARD, audio=samples, reply=REPLY)


def test_a_recogniser_that_nobody_knows_is_refused() -> None:
    with pytest.raises(InputError, match="'wombat' is not known"):
        Rescorer(recogniser="wombat")


# ---------------------------------------------------------------- as a command


def test_lines_of_a_file_with_contexts_of_their_own(tmp_path: Path, command: Command) -> None:
    asked = tmp_path / "asked.yaml"
    asked.write_text(f"reply: {REPLY}\n")
    file = tmp_path / "nbest.jsonl"
    own = {"id": "b", "hypotheses": [{"text": "Power!", "score": -1}], "context": {"utterance": ""}}
    file.write_text(f"{json.dumps(HEARD)}\n\n{json.dumps(own)}\n")
    assert command("rescore", file, "--context", asked) == (0, "meg bauer\nPower!\n", "")
    first, second = command("rescore", file, "--context", asked, "--json").turns
    assert (first["text"], first["plain_text"], first["left_out"]) == ("meg bauer", "meg power", 0)
    assert (second["id"], second["text"], second["changes"]) == ("b", "Power!", [])
    assert command("rescore", file) == (0, "meg power\nPower!\n", "")


def test_a_pipe_is_answered_line_by_line(tmp_path: Path) -> None:
    asked = tmp_path / "asked.yaml"
    asked.write_text(f"reply: {REPLY}\n")
    arguments = [sys.executable, "-m", "ctxasr", "rescore", "-", "--context", str(asked)]
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        for _ in range(2):
            running.stdin.write(json.dumps(HEARD) + "\n")
            running.stdin.flush()
            assert running.stdout.readline() == "meg bauer\n", "before the pipe is at its end"
        running.stdin.close()
        assert running.wait() == 0


def test_lines_of_sounds(whisper_model: Path, tmp_path: Path, command: Command) -> None:
    file, asked = tmp_path / "sounds.jsonl", {"reply": REPLY}
    lines: list[dict[str, Any]] = [
        {"id": "a", "audio": str(SOUND), "context": asked},
        {"audio": str(SOUND), "hypotheses": ["tower"], "context": asked},
        {"audio": str(SOUND), "hypotheses": [" Tower! "]},
    ]
    file.write_text("\n".join(map(json.dumps, lines)))
    chosen = ("--recogniser", f"whisper:{whisper_model}")
    assert command("rescore", file, *chosen) == (0, "Bauer\nbauer\n Tower! \n", "")
    first, second, third = command("rescore", file, *chosen, "--json").turns
    assert (first["id"], first["changes"][0]["evidence"]) == ("a", "sound")
    assert (second["plain_text"], third["changes"]) == ("tower", [])


def test_a_line_whose_sound_is_not_there_names_it(tmp_path: Path, command: Command) -> None:
    file, gone = tmp_path / "sounds.jsonl", tmp_path / "gone.flac"
    file.write_text(f'["right"]\n{json.dumps({"audio": str(gone)})}\n["never reached"]\n')
    code, out, err = command("rescore", file)
    assert (code, out) == (2, "right\n")
    assert f"{gone.name}: no such file" in err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('["canary"', "2: the line is not JSON"),
        ("{}", "2: neither hypotheses nor audio"),
        ('{"hypotheses": [7]}', "2: hypotheses.0: "),
        ('{"hypotheses": ["canary"], "contxt": {}}', "2: contxt: "),
        ('{"hypotheses": [], "context": {"reply": ["canary"]}}', "2: context.reply: is a list"),
        ("7", "2: must be a mapping"),
    ],
)
def test_a_wrong_line_is_named(line: str, said: str, tmp_path: Path, command: Command) -> None:
    file = tmp_path / "nbest.jsonl"
    file.write_text(f'["right"]\n{line}\n["never reached"]\n')
    code, out, err = command("rescore", file)
    assert (code, out) == (2, "right\n"), "what came before is answered"
    assert f"{file}:{said}" in err
    assert "canary" not in err


def test_lines_are_bounded() -> None:
    frame = len(json.dumps({"hypotheses": []})) + 1
    full = b'{"hypotheses": []}' + b" " * (LINE_BYTES_MAX - frame) + b"\n"
    assert len(full) == LINE_BYTES_MAX
    (one,) = read_nbest(BytesIO(full), "file")
    assert one.hypotheses == ()
    with pytest.raises(ScenarioError, match=r"file:1: .*LINE_BYTES_MAX"):
        list(read_nbest(BytesIO(b" " + full), "file"))
