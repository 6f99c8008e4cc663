"""`ctxasr rescore FILE`: JSON lines, or what another recogniser wrote."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from conftest import Command

from ctxasr import Rescorer
from ctxasr.cli.rescore import Format
from ctxasr.errors import InputError, LimitExceeded, ScenarioError
from ctxasr.hypotheses import Lattice
from ctxasr.scenario import heard as module
from ctxasr.scenario.heard import JSONL, read_heard
from ctxasr.scenario.nbest import LINE_BYTES_MAX
from ctxasr.speech.outputs.formats import READERS, read_file

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "outputs.md"
REPLY = "Do you mean Meg Jones or Meg Bauer?"
LATTICE = """a1
0 1 meg 1.0,10,
1 2 power 1.0,10,
1 2 bower 1.5,10,
2

a2
0 1 yes 1.0,10,
1

"""
LINES = '["power", "hour"]\n{"id": "b", "hypotheses": ["no"], "context": {"reply": "Now?"}}\n'


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    path = tmp_path / "asked.yaml"
    path.write_text(f"reply: {REPLY}\n")
    return path


def texts(data: bytes | str, name: str = "") -> list[str]:
    stream = BytesIO(data.encode() if isinstance(data, str) else data)
    return [one.recognition.plain for one in read_heard(stream, "file", name)]


def test_the_command_knows_the_formats_of_the_readers() -> None:
    assert {one.value for one in Format} == {JSONL, *READERS}


def test_a_lattice_is_rescored_like_a_list(tmp_path: Path, asked: Path, command: Command) -> None:
    file = tmp_path / "lattice.txt"
    file.write_text(LATTICE)
    for options in ((), ("--format", "kaldi-lattice"), ("--acoustic-scale", "0.2")):
        assert command("rescore", file, "--context", asked, *options) == (0, "meg bauer\nyes\n", "")
    first, second = command("rescore", file, "--context", asked, "--json").turns
    assert (first["id"], first["plain_text"], first["text"]) == ("a1", "meg power", "meg bauer")
    assert (second["id"], second["changes"]) == ("a2", [])
    assert command("rescore", file) == (0, "meg power\nyes\n", ""), "nothing was asked"


def test_a_library_takes_what_was_read(tmp_path: Path) -> None:
    path = tmp_path / "lattice.txt"
    path.write_text(LATTICE)
    rescorer = Rescorer()
    first, second = read_file(path)
    assert isinstance(first.recognition.lattice, Lattice)
    assert rescorer.rescore(first.recognition, reply=REPLY).text == "meg bauer"
    assert rescorer.rescore(second.recognition, reply=REPLY).text == "yes"


def test_the_program_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (program,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    alternatives = [{"transcript": "meg power", "confidence": 0.6}, {"transcript": "meg bower"}]
    results = {"channels": [{"alternatives": alternatives}]}
    (tmp_path / "deepgram.json").write_text(json.dumps({"results": results}))
    monkeypatch.chdir(tmp_path)
    exec(program, {})  # noqa: S102  # the page's own program
    assert capsys.readouterr().out == "meg bauer\n"


def test_the_page_names_every_format() -> None:
    named = re.findall(r"^\| `(\w[\w-]*)` \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(named) == sorted({JSONL, *READERS})


def test_json_lines_are_read_as_before() -> None:
    for name in ("", "jsonl"):
        for begin in ("", "\n\n", "\ufeff"):
            data = (begin + LINES).encode()
            first, second = read_heard(BytesIO(data), "file", name)
            assert [one.text for one in first.recognition.hypotheses] == ["power", "hour"]
            assert second.id == "b"
            assert second.context is not None
        assert texts("", name) == texts("\n \n", name) == []
        assert texts('["a"]\n["b"]', name) == ["a", "b"], "the last line has no end"
    assert texts(LINES.encode("utf-16")) == ["power", "no"], "as PowerShell writes it"


def test_a_line_before_the_pipes_end_is_enough_to_guess() -> None:
    arguments = [sys.executable, "-m", "ctxasr", "rescore", "-"]
    for line, answer in (('["power"]', "power\n"), ('{"hypotheses": ["hour"]}', "hour\n")):
        with subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as running:
            assert running.stdin is not None
            assert running.stdout is not None
            running.stdin.write(f"\n{line}\n")
            running.stdin.flush()
            assert running.stdout.readline() == answer
            running.stdin.close()
            assert running.wait() == 0


@pytest.mark.parametrize(
    "text", ["power\n", "{\n", '["power\n', "7\n", '{"wombat": "power"}\n', "a b c d e\n"]
)
def test_what_tells_nothing_is_no_line_and_the_error_names_the_option(
    text: str, tmp_path: Path, command: Command
) -> None:
    file = tmp_path / "heard"
    file.write_text(text)
    code, out, err = command("rescore", file)
    assert (code, out) == (2, "")
    assert f"{file}:1: " in err
    assert "--format says which: jsonl, whisper, vosk" in err
    assert "power" not in err
    code, out, err = command("rescore", file, "--format", "jsonl")
    assert (code, out) == (2, "")
    assert "--format" not in err


def test_errors_name_file_and_line(tmp_path: Path, command: Command) -> None:
    file = tmp_path / "lattice.txt"
    file.write_text(LATTICE.replace("0 1 yes", "0 wombat"))
    code, out, err = command("rescore", file)
    assert (code, out) == (2, "meg power\n"), "what came before is answered"
    assert f"{file}:8: is no line of a lattice" in err
    assert "wombat" not in err
    code, _, err = command("rescore", file, "--format", "deepgram")
    assert code == 2
    assert f"{file}:1: is not JSON" in err
    with pytest.raises(InputError, match="the format is not known; one of jsonl, whisper"):
        texts(LATTICE, "wombat")


def test_a_wrong_first_line_keeps_its_place() -> None:
    with pytest.raises(ScenarioError, match="--format") as raised:
        texts("\npower\n")
    assert (raised.value.file, raised.value.line) == ("file", 2)
    with pytest.raises(ScenarioError) as raised:
        texts('["right"]\n{"hypotheses": [7]}\n')
    assert raised.value.line == 2
    assert "--format" not in str(raised.value)


def test_one_long_line_is_a_file_like_others() -> None:
    alternative = {
        "transcript": "yes",
        "words": [{"start": 0.0, "end": 1.0, "word": "yes"}] * 25_000,
    }
    document = json.dumps({"results": {"channels": [{"alternatives": [alternative]}]}})
    assert len(document) > LINE_BYTES_MAX
    assert texts(document) == ["yes"]
    with pytest.raises(ScenarioError, match=r"file:1: .*LINE_BYTES_MAX"):
        texts('["' + "x" * LINE_BYTES_MAX + '"]')


def test_the_whole_of_a_stream_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OUTPUT_BYTES_MAX", len(LATTICE))
    monkeypatch.setattr("ctxasr.speech.outputs.source.OUTPUT_BYTES_MAX", len(LATTICE))
    for name in ("", "kaldi-lattice"):
        assert texts(LATTICE, name) == ["meg power", "yes"]
        with pytest.raises(LimitExceeded, match="file: OUTPUT_BYTES_MAX"):
            texts(LATTICE + "\n", name)
    assert len(texts('["yes"]\n' * 100)) == 100, "lines come one by one"


def test_nothing_said_is_shown() -> None:
    shown: Iterator[object] = read_heard(BytesIO(b'["wombat"]\n'), "file")
    assert "wombat" not in repr(next(shown))
