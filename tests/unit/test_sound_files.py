"""Sound files of all sorts (tests/sounds.py): one reader, so that no two ways in can differ."""

from __future__ import annotations

import asyncio
import json
import shlex
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Command, World, recognition, recognize
from hypothesis import given, settings
from hypothesis import strategies as st
from protocols import utterance
from sounds import ALL, BAD, FMT, GOOD, HZ, ODD, PCM, Sound, adts, chunk, voice, wav
from test_door import Door, Ear

from ctxasr.errors import AudioError, InputError
from ctxasr.gateway.protocols.wyoming_frames import read_message, to_bytes
from ctxasr.hypotheses import Recognition
from ctxasr.ports import Samples
from ctxasr.scenario.replay import recognise_file
from ctxasr.speech.audio import read_sound
from ctxasr.speech.containers import UNREAD_BYTES_MIN
from ctxasr.speech.foreign import FRAMES_MIN, TEXT_BYTES_MIN

ROOT = Path(__file__).parents[2]


def named(files: dict[str, Sound]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("file", [pytest.param(s, id=n) for n, s in files.items()])


# ---------------------------------------------------------------- each file


@named(GOOD | ODD)
def test_what_can_be_heard_is_read_and_what_is_odd_is_said(file: Sound) -> None:
    found = read_sound(file.data, "sound")
    assert found.duration_s == pytest.approx(file.seconds, abs=0.04)
    for note, part in zip(found.notes, file.said, strict=True):
        assert part in note
    assert found.cut_off == any("cut off" in note for note in found.notes)
    ours = voice()[: len(found.samples)]
    if file.exact:
        assert np.array_equal(found.samples, ours)


@named(BAD)
def test_what_cannot_be_heard_is_refused_by_name(file: Sound) -> None:
    with pytest.raises(InputError, match=r"^sound: ") as caught:
        read_sound(file.data, "sound")
    assert file.error in str(caught.value)
    assert file.error


NO_FILES = ("a text", "zeros", "no header")


@named({name: file for name, file in BAD.items() if name not in NO_FILES})
def test_a_file_of_a_known_kind_is_never_taken_for_samples(file: Sound) -> None:
    """What cannot be read would be noise."""
    with pytest.raises(InputError) as caught:
        read_sound(file.data, "sound", raw_hz=HZ)
    assert file.error in str(caught.value)


def test_samples_are_never_taken_for_a_file() -> None:
    """Also where they begin as frames and texts do: quiet noise, held levels, tones."""
    random = np.random.default_rng(1)
    steps = [random.integers(-2, 2, 800), random.integers(-32_768, 32_768, 800)]
    held = [np.full(800, level) for level in range(-32_768, 32_768, 37)]
    tones = [8_000 * np.sin(np.arange(800) * 2 * np.pi / period) for period in range(2, 200)]
    for begins in (b"", b"\xff\xfb", b"\xff\xf3\x84\xc4", b"\xff\xf1\x60\x40\x0c\x9f"):
        for one in (*steps, *held, *tones):
            samples = begins + one.astype("<i2").tobytes()
            assert read_sound(samples, "sound", raw_hz=HZ).duration_s > 0


def test_what_is_just_enough_to_tell() -> None:
    text = b"It's Meg Bower, please. " * 9
    for least, data in ((FRAMES_MIN, adts(FRAMES_MIN)), (TEXT_BYTES_MIN, text[:TEXT_BYTES_MIN])):
        with pytest.raises(AudioError, match=r"AAC|text"):
            read_sound(data, "sound", raw_hz=HZ)
        fewer = data[: len(data) * (least - 1) // least // 2 * 2]
        assert read_sound(fewer, "sound", raw_hz=HZ).duration_s > 0
    whole = GOOD["plain"].data
    assert read_sound(whole + b"?" * (UNREAD_BYTES_MIN - 1), "sound").notes == ()
    assert len(read_sound(whole + b"?" * UNREAD_BYTES_MIN, "sound").notes) == 1


def test_lossy_files_sound_as_they_should() -> None:
    for name in ("8 bit", "A-law", "mu-law", "IMA ADPCM", "MS ADPCM", "Vorbis", "telephone"):
        found = read_sound(GOOD[name].data, name).samples.astype(np.float64)
        ours = voice()[: len(found)].astype(np.float64)
        likeness = np.corrcoef(found[: len(ours)], ours)[0, 1]
        assert likeness > 0.98, name


# ---------------------------------------------------------------- every way in


class Listening(Ear):
    """Hears nothing, and keeps what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[Samples] = []

    async def recognize(self, samples: Samples) -> Recognition:
        self.given.append(samples)
        return recognition()


@named(ALL)
async def test_the_command_line_and_the_door_agree(
    file: Sound,
    tmp_path: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    door = Door(World())
    door.service.recogniser._hearing = ear = Listening()
    async with door.client() as client:
        header = {"Content-Type": "audio/wav"}
        url = "/v1/recognise?interaction=a&record=false"
        answer = await client.post(url, content=file.data, headers=header)
        raw = {"Content-Type": "application/octet-stream"}
        as_raw = await client.post(url, content=file.data, headers=raw)

    by_door, ear.given = ear.given, []
    monkeypatch.setattr("ctxasr.app.default_recognizer", lambda name: ear)
    (tmp_path / "sound").write_bytes(file.data)
    capsys.readouterr()  # what the door logs, wherever an earlier test has sent its log
    done = await in_thread(command, "recognise", tmp_path / "sound", "--json")
    if file.error:
        assert (done.code, done.out, answer.status_code // 100) == (2, "", 4)
        said = done.err.removeprefix("ctxasr: sound: ").strip()
        assert answer.json()["detail"] == f"audio: {said}"
    else:
        assert (done.code, answer.status_code) == (0, 200), done.err + answer.text
        found = json.loads(done.out)
        assert found["notes"] == answer.json()["notes"]
        assert any("no speech" in note for note in found["notes"]), "nothing was recognised"
        assert np.array_equal(ear.given[0], by_door[0])
        assert "given as raw sound" in as_raw.json()["notes"][0]
        assert as_raw.json()["notes"][1:] == found["notes"]


@pytest.mark.parametrize("name", ["plain", "clipped", "opposite phase", "cut", "zeros", "MP3"])
async def test_protocols_tell_what_is_odd_as_well(name: str) -> None:
    """Wyoming in the transcript, AVS in a header; a second of samples or a file, as it comes."""
    door, file = Door(World()), ALL[name].data
    file += b"\0" * (len(file) % 2)
    door.service.recogniser._hearing = Listening()
    raw = {"Content-Type": "application/octet-stream"}
    messages = b"".join(to_bytes(one) for one in utterance(file[:-2], file[-2:]))
    async with door.client() as client:
        ours = await client.post("/v1/recognise?interaction=a", content=file, headers=raw)
        theirs = await client.post("/v1/wyoming", content=messages)
        event = recognize().message.to_json()
        form: Any = {"metadata": ("m", event), "audio": ("audio", file)}
        avs = await client.post("/v20160207/events", files=form)
    assert ours.status_code == theirs.status_code == avs.status_code
    if name == "MP3":
        assert ours.status_code == 422
        assert ours.json()["detail"] == theirs.json()["detail"] == avs.json()["detail"]
        return
    transcript = read_message(theirs.content)
    assert transcript is not None
    notes = transcript.message.data["context"]["notes"]
    assert notes == ours.json()["notes"]
    assert "; ".join(notes) == avs.headers["Ctxasr-Note"]
    assert any(note.startswith("no speech") for note in notes)


async def in_thread(command: Command, *arguments: object) -> Any:
    """A command runs an event loop of its own."""
    return await asyncio.to_thread(command, *arguments)


def test_standard_input_and_pipes_are_read(command: Command, tmp_path: Path) -> None:
    base = [sys.executable, "-m", "ctxasr", "recognise", "--json"]
    data = (ROOT / "scenarios" / "audio" / "call_meg-2.flac").read_bytes()
    heard = subprocess.run([*base, "-"], input=data, capture_output=True, check=True, cwd=ROOT)
    assert json.loads(heard.stdout)["plain_text"] == "an hour"
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as pipe:
        assert pipe.stdin is not None
        assert pipe.stdout is not None
        pipe.stdin.write(PCM)
        pipe.stdin.close()
        name = f"/dev/fd/{pipe.stdout.fileno()}"
        done = command("recognise", name, "--raw-hz", HZ, "--json")
    assert json.loads(done.out)["duration_s"] == 1.0
    recording = "scenarios/audio/call_meg-2.flac"
    for closed, status, told in (
        ("- <&-", 2, "ctxasr: standard input: is empty (0 bytes); give a FLAC, WAV or OGG file\n"),
        (f"{recording} >&-", 0, ""),
    ):
        shell = f"exec {shlex.join(base)} {closed}"
        shut = subprocess.run(["sh", "-c", shell], cwd=ROOT, capture_output=True, check=False)
        assert (shut.returncode, shut.stdout, shut.stderr.decode()) == (status, b"", told)
    broken = subprocess.run(
        [*base, "-"], cwd=ROOT, input=b"call meg", capture_output=True, check=False
    )
    assert (broken.returncode, broken.stdout) == (2, b"")
    assert broken.stderr.startswith(b"ctxasr: standard input: no sound file")


def test_silence_is_said_in_the_terminal(command: Command, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(ODD["digital silence"].data)
    done = command("recognise", tmp_path / "a.wav")
    assert "(nothing heard)" in done.out
    assert "no speech: every sample is the same" in done.out


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("audio/l16; rate=16000; channels=1", 200), ("audio/L16;rate=8000", 200),
        ("audio/l16;rate=96001", 422), ("audio/l16;rate=fast", 415),
        ("audio/l16; rate=16000; channels=2", 415), ("audio/mpeg", 415), ("text/plain", 415),
        ("audio/wav", 422), ("", 415),
    ],
)  # fmt: skip
async def test_raw_sound_names_its_rate(kind: str, status: int) -> None:
    door = Door(World())
    door.service.recogniser._hearing = ear = Listening()
    url = "/v1/recognise?interaction=a&record=false"
    async with door.client() as client:
        answer = await client.post(url, content=PCM, headers={"Content-Type": kind})
    assert answer.status_code == status, answer.text
    if status == 200:
        assert len(ear.given[0]) == (2 * HZ if "8000" in kind else HZ)


def test_a_scenario_takes_no_half_of_a_file(command: Command, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(ODD["cut"].data)
    path = tmp_path / "a.scenario.yaml"
    path.write_text("schema: 1\nturns:\n- user:\n    audio: a.wav\n    says: lights\n")
    done = command("scenario", "check", path)
    assert done.code == 2
    assert "turns.0.user.audio: a.wav: cut off: 0.50 s of 1.00 s" in done.err
    with pytest.raises(AudioError, match="cut off"):  # pytest itself runs scenarios in this way
        asyncio.run(recognise_file(tmp_path / "a.wav", Listening()))


# ---------------------------------------------------------------- whatever comes

SHORT = [sound.data for sound in ALL.values() if 0 < len(sound.data) < 70_000]


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_any_bytes_give_sound_or_an_input_error(data: st.DataObject) -> None:
    draw = data.draw
    kept = bytearray(draw(st.sampled_from(SHORT)))
    for _ in range(draw(st.integers(0, 4))):  # lengths and counts stand near the beginning
        at = draw(st.integers(0, min(len(kept), 160)))
        new = draw(st.sampled_from([b"\xff" * 4, bytes(4)]) | st.binary(max_size=8))
        kept[at : at + draw(st.integers(0, 8))] = new
    cut = bytes(kept[: draw(st.integers(0, len(kept)))]) if draw(st.booleans()) else bytes(kept)
    raw_hz = draw(st.sampled_from([None, 16_000, 8_000]))
    with suppress(InputError):
        found = read_sound(cut, "sound", raw_hz=raw_hz)
        assert found.samples.dtype == np.int16
        assert found.duration_s <= 60.1


def test_every_truncation_of_a_wav_is_noticed() -> None:
    whole = wav(chunk(b"LIST", b"INFO" + bytes(90)), chunk(b"fmt ", FMT), chunk(b"data", PCM[:200]))
    for length in range(len(whole)):
        try:
            assert read_sound(whole[:length], "sound").cut_off, length
        except InputError:
            assert length < len(whole) - 198, "a sample that is there is read"


def test_a_header_that_claims_a_terabyte_takes_no_memory() -> None:
    """Under a limit of the whole process; numpy alone has 300 MB of address space."""
    code = """
import resource, sys
sys.path[:0] = ["tests", "tests/unit"]
from sounds import *
from ctxasr.errors import AudioError, InputError
from ctxasr.scenario.replay import recognise_file
from ctxasr.speech.audio import read_sound
import soundfile, soxr
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
huge = 2**62
wide = struct.pack("<HHIIHH", 1, 65_535, 96_000, 2**31, 65_535, 16)
flac = bytearray(made("FLAC"))
flac[8:18] = b"\\xff" * 10
claims = [
    rf64(huge), wav(chunk(b"fmt ", wide), chunk(b"data", PCM)), bytes(flac),
    wav(chunk(b"fmt ", FMT, 2**31), chunk(b"data", PCM)), AU[:4] + b"\\xff" * 12 + AU[16:],
    AIFF[:20] + b"\\xff" * 18 + AIFF[38:], CAF[:-HALF],
]
for data in claims:
    try:
        read_sound(data, "sound")
    except InputError:
        pass
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
