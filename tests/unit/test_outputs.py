"""What other recognisers write: files as their documentation shows them, whole and broken."""

from __future__ import annotations

import doctest
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctxasr.errors import InputError, LimitExceeded, ScenarioError
from ctxasr.hypotheses import HYPOTHESIS_CHARS_MAX, N_BEST_MAX, ConfusionNetwork
from ctxasr.scenario import heard as reading
from ctxasr.speech.outputs import formats, kaldi, links, source
from ctxasr.speech.outputs.formats import READERS, guessed, read_file, reader_of
from ctxasr.speech.outputs.source import Utterance, number_of, source_of

WHISPER = """{
  "task": "transcribe", "language": "english", "duration": 4.1, "text": "Call Meg. Bauer, please.",
  "segments": [
    {"id": 0, "seek": 0, "start": 0.0, "end": 1.9, "text": " Call Meg.", "tokens": [50364, 5030],
     "temperature": 0.0, "avg_logprob": -0.29, "compression_ratio": 1.2, "no_speech_prob": 0.01,
     "words": [{"word": " Call", "start": 0.0, "end": 0.4, "probability": 0.93}]},
    {"id": 1, "seek": 0, "start": 2.0, "end": 4.0, "text": " Bauer, please.", "avg_logprob": -0.5}
  ],
  "words": [{"word": "Call", "start": 0.0, "end": 0.4}]
}
"""
VOSK = """{
  "alternatives" : [{
      "confidence" : 204.4, "result" : [{"end" : 0.81, "start" : 0.3, "word" : "power"}],
      "text" : "power"
    }, {
      "confidence" : 203.1, "text" : "bower"
    }]
}
{"partial" : "no"}
{
  "result" : [{"conf" : 0.5, "end" : 0.6, "start" : 0.1, "word" : "no"},
              {"conf" : 0.8, "end" : 1.1, "start" : 0.6, "word" : "thanks"}],
  "text" : "no thanks"
}
{"text" : ""}
"""
TRANSCRIBE = """{
  "jobName": "job", "accountId": "1", "status": "COMPLETED",
  "results": {
    "language_code": "en-US",
    "transcripts": [{"transcript": "Call Meg Power. Thanks."}],
    "items": [{"start_time": "0.1", "end_time": "0.4", "type": "pronunciation",
               "alternatives": [{"confidence": "1.0", "content": "Call"}]}],
    "segments": [
      {"start_time": "0.04", "end_time": "1.54", "alternatives": [
        {"transcript": "Call Meg Power.", "items": [
          {"start_time": "0.1", "end_time": "0.4", "confidence": "1.0", "content": "Call",
           "type": "pronunciation"},
          {"start_time": "0.4", "end_time": "0.7", "confidence": "0.8", "content": "Meg",
           "type": "pronunciation"},
          {"start_time": "0.7", "end_time": "1.1", "confidence": "0.5", "content": "Power",
           "type": "pronunciation"},
          {"confidence": "0.0", "content": ".", "type": "punctuation"}]},
        {"transcript": "Call Meg Bower.", "items": [
          {"start_time": "0.1", "end_time": "1.1", "confidence": "0.2", "content": "Call",
           "type": "pronunciation"}]}]},
      {"start_time": "2.0", "end_time": "2.5", "alternatives": [{"transcript": "Thanks."}]}
    ]
  }
}
"""
DEEPGRAM = """{
  "metadata": {"request_id": "r", "duration": 1.6, "channels": 2},
  "results": {"channels": [
    {"alternatives": [
      {"transcript": "call meg", "confidence": 0.98, "words": [
        {"word": "call", "start": 0.1, "end": 0.3, "confidence": 0.99}]},
      {"transcript": "call mag", "confidence": 0.02, "words": []}]},
    {"alternatives": [{"transcript": "", "confidence": 0.0, "words": []}]}
  ]}
}
"""
GOOGLE = """{
  "results": [
    {"alternatives": [{"transcript": "call Meg", "confidence": 0.98}, {"transcript": "call mag"}],
     "resultEndTime": "1.300s", "languageCode": "en-us"},
    {"alternatives": [{"transcript": " power", "confidence": 0.5},
                      {"transcript": " bower", "confidence": 0.25}], "resultEndTime": "2.100s"}
  ],
  "totalBilledTime": "15s"
}
"""
KALDI = """a1-1 CALL MEG POWER
a1-2 CALL MEG <UNK> BOWER
a2-2 no
a2-1 yes
a3-1
"""
SLF = """# a comment
VERSION=1.0
UTTERANCE=a1
lmscale=10.0 wdpenalty=-5.0
N=4 L=5
I=0 t=0.00
I=1 t=0.42
I=2 t=0.90
I=3 t=1.00
J=0 S=0 E=1 W=MEG a=-310.5 l=-4.0
J=1 S=1 E=2 W=power v=1 a=-201.0 l=-3.0
J=2 S=1 E=2 W="bauer(2)" a=-199.0 l=-6.0
J=3 S=1 E=2 W=!NULL a=-400.0 l=0.0
J=4 S=2 E=3 W=</s> a=0.0 l=-1.0
VERSION=1.0
UTTERANCE=a2
NODES=2 LINKS=1
J=0 START=0 END=1 WORD=yes acoustic=-3.0 language=-1.0
"""
KALDI_LATTICE = """a1\x20
0\t1\tMEG\t4.0,310.0,2_1_1
1\t2\tPOWER\t3.0,201.0,8_7
1\t2\tBAUER\t6.0,199.0,8_7
2\t3\t<eps>\t0,0,
2\t1.5,0,
3

a2\x20
0 1 yes 1,20,
1 0,0,

"""
CTM = """;; made by hand
a1 A 0.30 0.35 meg 0.9
a1 A * * <ALT_BEGIN>
a1 A 0.70 0.40 power 0.6
a1 A * * <ALT>
a1 A 0.70 0.20 bau 0.5
a1 A 0.90 0.20 er 0.6
a1 A * * <ALT>
a1 A 0.70 0.40 @ 0.1
a1 A * * <ALT_END>
a2 A 0.10 0.20 yes
"""
FILES = {
    "whisper": WHISPER,
    "vosk": VOSK,
    "transcribe": TRANSCRIBE,
    "deepgram": DEEPGRAM,
    "google": GOOGLE,
    "kaldi": KALDI,
    "slf": SLF,
    "kaldi-lattice": KALDI_LATTICE,
    "ctm": CTM,
}
"""Each holds several utterances."""

JSON = ("whisper", "vosk", "transcribe", "deepgram", "google")
NETWORKS = ("slf", "kaldi-lattice", "ctm")
WHOLE_TEXT = ("power", "POWER", "Power", "bauer", "MEG", "Meg")
"""What no error may quote."""


def read(name: str, text: str | bytes, scale: float | None = None) -> list[Utterance]:
    data = text.encode() if isinstance(text, str) else text
    return list(reader_of(name)(source_of(data, "file", scale)))


def heard(found: Utterance) -> list[tuple[str, float]]:
    return [(one.text, round(one.score, 3)) for one in found.recognition.hypotheses]


def log(*probabilities: float) -> float:
    return round(sum(map(math.log, probabilities)), 3)


# ---------------------------------------------------------------- as their documentation shows


@pytest.mark.parametrize("documented", [source, formats, reading])
def test_examples_run(documented: ModuleType) -> None:
    found = doctest.testmod(documented)
    assert found.attempted > 0
    assert found.failed == 0


def test_there_is_a_file_of_every_format() -> None:
    assert list(FILES) == list(READERS)


def test_whisper_has_an_utterance_a_segment() -> None:
    first, second = read("whisper", WHISPER)
    assert heard(first) == [("Call Meg.", -0.29)]
    assert heard(second) == [("Bauer, please.", -0.5)]
    assert (first.id, first.recognition.duration_s) == ("0", 1.9)
    (whole,) = read("whisper", '{"text": " Call Meg.", "duration": 1.5, "words": []}')
    assert (heard(whole), whole.recognition.duration_s) == ([("Call Meg.", 0.0)], 1.5)
    faster = [{"start": 0.0, "end": 1.0, "text": " Yes.", "avg_logprob": None}]
    assert heard(*read("whisper", json.dumps(faster))) == [("Yes.", 0.0)]
    assert len(read("whisper", WHISPER + WHISPER)) == 4
    named = WHISPER.replace('"id": 0', '"id": "seg_001"')
    assert read("whisper", named)[0].id == "seg_001", "as OpenAI's API names them with speakers"


def test_vosk_has_an_utterance_a_document() -> None:
    first, second, third = read("vosk", VOSK)
    assert heard(first) == [("power", 204.4), ("bower", 203.1)]
    assert first.recognition.duration_s == 0.81
    assert heard(second) == [("no thanks", log(0.5, 0.8))]
    assert third.recognition.plain == ""
    assert third.recognition.hypotheses == ()
    shares = [{"text": "a", "confidence": 0.75}, {"text": "b", "confidence": 0.0}]
    (found,) = read("vosk", json.dumps({"alternatives": shares}))
    assert heard(found) == [("a", log(0.75)), ("b", log(source.PROBABILITY_MIN))]
    assert heard(*read("vosk", '{"alternatives": []}')) == []


def test_transcribe_has_an_utterance_a_segment_where_alternatives_were_asked_for() -> None:
    first, second = read("transcribe", TRANSCRIBE)
    assert heard(first) == [("Call Meg Power.", log(0.8, 0.5)), ("Call Meg Bower.", log(0.2))]
    assert first.recognition.duration_s == pytest.approx(1.5)
    assert heard(second) == [("Thanks.", 0.0)]


def item(*choices: tuple[str, str], at_s: float = 0.0, **more: Any) -> dict[str, Any]:
    alternatives = [{"content": text, "confidence": confidence} for text, confidence in choices]
    if choices[0][0] == ".":
        return {"type": "punctuation", "alternatives": alternatives} | more
    times = {"start_time": str(at_s), "end_time": str(at_s + 0.5)}
    return {"type": "pronunciation", "alternatives": alternatives} | times | more


def test_transcribe_keeps_alternatives_of_words_as_a_confusion_network() -> None:
    items = [
        item(("Meg", "1.0"), at_s=1.0, id=0),
        item(("Power", "0.6"), ("Bauer", "0.4"), at_s=1.5, id=1),
        item((".", "0.0"), id=2),
    ]
    results: dict[str, Any] = {"transcripts": [{"transcript": "Meg Power."}], "items": items}
    (found,) = read("transcribe", json.dumps({"jobName": "job", "results": results}))
    assert heard(found) == [("Meg Power.", log(0.6)), ("Meg Bauer", log(0.4))]
    assert (found.id, found.recognition.duration_s) == ("job", 1.0)
    slots = ((("Meg", 1.0),), (("Power", 0.6), ("Bauer", 0.4)))
    assert found.recognition.confusions == ConfusionNetwork(slots)

    stretches = [
        {"id": 0, "transcript": "Meg.", "start_time": "1.0", "end_time": "1.5", "items": [0, 2]},
        {"id": 1, "transcript": "Power.", "start_time": "1.5", "end_time": "2.0", "items": [1]},
    ]
    first, second = read(
        "transcribe", json.dumps({"results": results | {"audio_segments": stretches}})
    )
    assert (first.id, heard(first), len(heard(second))) == ("0", [("Meg.", 0.0)], 2)

    channels = [{"channel_label": "ch_0", "items": items}, {"channel_label": "ch_1", "items": []}]
    labels = {"channel_labels": {"channels": channels, "number_of_channels": 2}}
    first, second = read("transcribe", json.dumps({"results": results | labels}))
    assert (first.id, heard(first)[0][0]) == ("ch_0", "Meg Power.")
    assert (second.id, heard(second)) == ("ch_1", [])


def test_deepgram_has_an_utterance_a_channel() -> None:
    first, second = read("deepgram", DEEPGRAM)
    assert heard(first) == [("call meg", log(0.98)), ("call mag", log(0.02))]
    assert (first.id, first.recognition.duration_s) == ("channel-0", 1.6)
    assert (second.id, heard(second)) == ("channel-1", [])


def test_deepgram_has_the_utterances_that_were_asked_for() -> None:
    one = {"transcript": "yes thanks", "confidence": 0.5}
    stretches = [
        {"id": "u1", "start": 0.5, "end": 1.0, "transcript": "yes", "confidence": 0.9},
        {"id": "u2", "start": 1.0, "end": 2.0, "transcript": "thanks", "confidence": 0.8},
    ]
    results = {"channels": [{"alternatives": [one]}], "utterances": stretches}
    first, second = read("deepgram", json.dumps({"results": results}))
    assert (first.id, heard(first), heard(second)) == (
        "u1", [("yes", log(0.9))], [("thanks", log(0.8))],
    )  # fmt: skip
    results["channels"] = [{"alternatives": [one, one | {"transcript": "yes banks"}]}]
    (found,) = read("deepgram", json.dumps({"results": results}))
    assert [text for text, _ in heard(found)] == ["yes thanks", "yes banks"]


def test_deepgram_streams_what_is_final() -> None:
    alternative = {"transcript": "yes", "confidence": 0.5}
    message = {"type": "Results", "duration": 1.5, "channel": {"alternatives": [alternative]}}
    lines = [message | {"is_final": False}, message | {"is_final": True}, {"type": "Metadata"}]
    text = "\n".join(map(json.dumps, lines))
    (found,) = read("deepgram", text)
    assert (heard(found), found.recognition.duration_s) == ([("yes", log(0.5))], 1.5)
    assert guessed(source_of(text.encode(), "file")) == "deepgram"


def test_google_has_an_utterance_a_result() -> None:
    first, second = read("google", GOOGLE)
    assert heard(first) == [("call Meg", 0.0), ("call mag", 0.0)], "one has no confidence"
    assert heard(second) == [("power", log(0.5)), ("bower", log(0.25))]
    assert second.recognition.duration_s == pytest.approx(0.8)
    operation = {"name": "7", "done": True, "response": json.loads(GOOGLE)}
    assert [*map(heard, read("google", json.dumps(operation)))] == [heard(first), heard(second)]
    assert read("google", '{"totalBilledTime": "15s"}') == read("google", "{}") == []
    interim = {"alternatives": [{"transcript": "po"}], "stability": 0.9}
    final = {"alternatives": [{"transcript": "power", "confidence": 0.5}], "isFinal": True}
    (found,) = read("google", json.dumps({"results": [interim, final]}))
    assert heard(found) == [("power", log(0.5))]


def test_kaldi_lists_go_by_rank() -> None:
    first, second, third = read("kaldi", KALDI)
    assert heard(first) == [("CALL MEG POWER", 0.0), ("CALL MEG BOWER", 0.0)]
    assert (second.id, heard(second)) == ("a2", [("yes", 0.0), ("no", 0.0)])
    assert (third.id, heard(third)) == ("a3", [])


def test_kaldi_costs_are_scores() -> None:
    lm = source_of(b"a-1 7.5\na-2 5\n", "lm_cost")
    acoustic = source_of(b"a-1 100\n\na-2 130.0\n", "ac_cost")
    given = source_of(b"a-1 yes\na-2 no\n", "file")
    (found,) = kaldi.read(given, lm_costs=lm, acoustic_costs=acoustic)
    assert heard(found) == [("yes", -17.5), ("no", -18.0)]
    given = source_of(b"a-1 yes\na-2 no\n", "file", 1.0)
    (found,) = kaldi.read(given, lm_costs=lm, acoustic_costs=acoustic)
    assert heard(found) == [("yes", -107.5), ("no", -135.0)]
    with pytest.raises(ScenarioError, match=r"^file:2: has no cost in lm_cost"):
        list(kaldi.read(source_of(b"a-1 yes\na-3 no\n", "file"), lm_costs=lm))
    for broken in (b"a-1\n", b"a-1 nan\n", b"a-1 1 2\n", b"a-1 power\n"):
        with pytest.raises(ScenarioError, match=r"^lm_cost:1: must be an utterance"):
            list(kaldi.read(given, lm_costs=source_of(broken, "lm_cost")))


def test_slf_has_the_scores_of_htk_over_its_scale() -> None:
    first, second = read("slf", SLF)
    assert heard(first) == [
        ("MEG power", round(-(310.5 + 201.0) / 10 - 8.0 - 1.0, 3)),
        ("MEG bauer", round(-(310.5 + 199.0) / 10 - 11.0 - 1.0, 3)),
        ("MEG", round(-(310.5 + 400.0) / 10 - 5.0 - 0.5, 3)),
    ]
    assert (first.id, first.recognition.duration_s) == ("a1", 1.0)
    lattice = first.recognition.lattice
    assert lattice is not None
    assert lattice.times_s == (0.0, 0.42, 0.9, 1.0)
    assert sum(arc.posterior for arc in lattice.arcs if arc.source == 1) == pytest.approx(1.0)
    assert (second.id, heard(second)) == ("a2", [("yes", -4.0)])
    (scaled, _) = read("slf", SLF, 5.0)
    assert heard(scaled)[0][0] == "MEG bauer", "acoustics count fifty times as much"


@pytest.mark.parametrize(
    ("head", "texts"),
    [("", ["meg power", "meg bauer"]), ("dir=b", ["meg power", "meg bauer"])],
)
def test_slf_has_words_at_nodes(head: str, texts: list[str]) -> None:
    """Both ends have words: a node is added for the one that no link carries."""
    nodes = ["I=0 t=0 W=meg", "I=1 t=0.5 W=power", "I=2 t=0.5 W=bauer", "I=3 t=1 W=!NULL"]
    arcs = ["J=0 S=0 E=1 a=-1", "J=1 S=0 E=2 a=-2", "J=2 S=1 E=3 a=-1", "J=3 S=2 E=3 a=-1"]
    (found,) = read("slf", "\n".join(["VERSION=1.0", head, "N=4 L=4", *nodes, *arcs]))
    assert heard(found) == [(texts[0], -2.0), (texts[1], -3.0)]
    end = "\n".join(["VERSION=1.0", head, *nodes, *arcs]).replace("!NULL", "now")
    assert [text for text, _ in heard(*read("slf", end))] == [f"{text} now" for text in texts]


def test_slf_reads_logarithms_of_any_base() -> None:
    text = "VERSION=1.0\nbase={}\nJ=0 S=0 E=1 W=yes a={}\nI=0\nI=1"
    for base, value in ((10, -2.0), (0, 0.01)):
        assert heard(*read("slf", text.format(base, value))) == [("yes", log(0.01))]
    for base, value, said in ((1, 0, ":1: base"), (-1, 0, ":1: base"), (0, 0, ":3: a is no prob")):
        with pytest.raises(ScenarioError, match=said):
            read("slf", text.format(base, value))


def test_kaldi_lattices_have_costs() -> None:
    first, second = read("kaldi-lattice", KALDI_LATTICE)
    assert heard(first) == [("MEG POWER", -58.1), ("MEG BAUER", -60.9)]
    lattice = first.recognition.lattice
    assert lattice is not None
    assert (lattice.arcs[0].acoustic, lattice.arcs[0].language) == (-31.0, -4.0)
    assert len(lattice.times_s) == 5, "two final nodes lead to a last one"
    assert (second.id, heard(second)) == ("a2", [("yes", -3.0)])
    (scaled, _) = read("kaldi-lattice", KALDI_LATTICE, 5.0)
    assert heard(scaled)[0][0] == "MEG BAUER"
    states = "a1\n0 1 17 MEG 4,10\n1 2 18 0 0,5\n2 3 0 <eps>\n3\n"
    assert heard(*read("kaldi-lattice", states)) == [("MEG", -5.5)]


def test_ctm_is_a_confusion_network() -> None:
    first, second = read("ctm", CTM)
    assert heard(first) == [
        ("meg power", log(0.9, 0.6)), ("meg bau er", log(0.9, 0.3)), ("meg", log(0.9, 0.1)),
    ]  # fmt: skip
    slots = ((("meg", 0.9),), (("power", 0.6), ("bau er", 0.3), ("", 0.1)))
    assert first.recognition.confusions == ConfusionNetwork(slots)
    assert first.id == "a1"
    assert first.recognition.duration_s == pytest.approx(1.1)
    assert (second.id, heard(second)) == ("a2", [("yes", 0.0)])
    two = read("ctm", "a 1 0 1 yes\na 2 0 1 no 0.5\na 1 1 1 now NA lex\n")
    assert [(one.id, heard(one)) for one in two] == [
        ("a-1", [("yes now", 0.0)]), ("a-2", [("no", log(0.5))]),
    ]  # fmt: skip
    equal = "a 1 * * <ALT_BEGIN>\na 1 0 1 x\na 1 * * <ALT>\na 1 * * <ALT_END>\n"
    assert heard(*read("ctm", equal)) == [("x", log(0.5)), ("", log(0.5))]


# ---------------------------------------------------------------- whichever recogniser it was


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_read_as_what_it_is(name: str, tmp_path: Path) -> None:
    path = tmp_path / "heard"
    expected = read(name, FILES[name])
    for text in (FILES[name], "\n\n" + FILES[name], FILES[name].replace("\n", "\r\n")):
        for encoding in ("utf-8", "utf-8-sig", "utf-16"):
            path.write_bytes(text.encode(encoding))
            assert list(read_file(path)) == list(read_file(path, format=name)) == expected
    for one in expected:
        assert one.recognition.hypotheses == tuple(
            sorted(one.recognition.hypotheses, key=lambda heard: -heard.score)
        )
        assert not any(word in f"{one!r} {one}" for word in WHOLE_TEXT)
        network = one.recognition.lattice or one.recognition.confusions
        assert (network is not None) == (name in NETWORKS)


@pytest.mark.parametrize("text", ["", "\n", "yes\n", "7", '{"wombat": 1}', "a b c d\n"])
def test_a_file_that_tells_nothing_needs_its_format(text: str, tmp_path: Path) -> None:
    path = tmp_path / "heard"
    path.write_text(text)
    with pytest.raises(InputError, match="its format cannot be guessed; say which"):
        list(read_file(path))
    with pytest.raises(InputError, match="the format is not known; one of whisper, vosk"):
        list(read_file(path, format="wombat"))


def test_no_more_than_n_best_are_kept() -> None:
    many = [{"text": f"word {number}", "confidence": -number} for number in range(N_BEST_MAX + 5)]
    (found,) = read("vosk", json.dumps({"alternatives": [*many[:1], *many]}))
    assert len(found.recognition.hypotheses) == N_BEST_MAX


# ---------------------------------------------------------------- broken ones


def refused(name: str, text: str | bytes, said: str) -> None:
    with pytest.raises((ScenarioError, LimitExceeded)) as raised:
        read(name, text)
    message = str(raised.value)
    assert message.startswith(f"file:{said}"), message
    assert "\n" not in message
    assert not any(word in message for word in WHOLE_TEXT), message


def changed(name: str, change: Callable[[Any], Any]) -> str:
    """A document of an engine, with something wrong in it."""
    document = (
        json.loads(FILES[name]) if name != "vosk" else json.loads(VOSK.partition("}\n{")[0] + "}")
    )
    change(document)
    return json.dumps(document)


@pytest.mark.parametrize("name", JSON)
def test_a_json_file_that_is_cut_off_is_refused(name: str) -> None:
    text = FILES[name].rstrip()[:-1] if name != "vosk" else VOSK.partition("}\n{")[0]
    last = text.rstrip().count("\n") + 1
    with pytest.raises(ScenarioError) as raised:
        read(name, text)
    assert "is not JSON" in str(raised.value)
    assert raised.value.line is not None
    assert last - 1 <= raised.value.line <= last + 1
    middle = text[
        : text.index("power" if name == "vosk" else "ranscript" if name != "whisper" else "egments")
    ]
    with pytest.raises(ScenarioError, match="is not JSON"):
        read(name, middle)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\n\xff\xfe", "2: is not UTF-8 (byte 1); UTF-8 is right"),
        ("{}\n".encode("utf-16-le"), "1: is UTF-16 without a byte order mark; text in UTF-8"),
        (b"a\n\n\0", "3: is no text but binary"),
    ],
)
def test_a_file_in_another_encoding_is_refused(name: str, data: bytes, said: str) -> None:
    refused(name, data, said)


@pytest.mark.parametrize("name", JSON)
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\n7", "2: must be an object"),
        ('"power"', "1: must be an object"),
        ("[" * 100_000, "1: is nested too deeply"),
        ("9" * 5_000, "1: has a number that is too long"),
        ("power", "1: is not JSON"),
        ('{"a": "power', "1: is not JSON"),
    ],
)
def test_what_is_no_document_is_refused(name: str, text: str, said: str) -> None:
    refused(name, text, said)


def put(*path: str | int, value: Any) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        for step in path[:-1]:
            document = document[step]
        document[path[-1]] = value

    return change


def drop(*path: str | int) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        for step in path[:-1]:
            document = document[step]
        del document[path[-1]]

    return change


ODD = (
    "",
    " ",
    "\n",
    "\n\n",
    "0",
    "-1",
    "7",
    "1e999",
    "NaN",
    "null",
    "{",
    "]",
    '"',
    ",",
    "=",
    "*",
    "@",
)
NAN, HUGE = math.nan, math.inf
SEGMENT, CHANNEL = ("results", "segments", 0), ("results", "channels", 0, "alternatives", 0)
RESULT = ("results", 0, "alternatives", 0)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("whisper", put("segments", 1, "text", value=7), "segments.1.text: must be a text"),
        ("whisper", put("segments", value="power"), "segments: must be a list"),
        ("whisper", put("segments", 0, "start", value=-0.5), "segments.0.start: "),
        ("whisper", put("segments", 0, "end", value="power"), "segments.0.end: "),
        ("whisper", put("segments", 0, "avg_logprob", value=NAN), "segments.0.avg_logprob: "),
        ("whisper", put("words", 0, "end", value=HUGE), "words.0.end: "),
        ("whisper", put("segments", 0, "words", 0, "start", value=-1), "segments.0.words.0.start"),
        ("whisper", drop("segments", 0, "text"), "segments.0.text: Field required"),
        ("vosk", put("alternatives", 0, "text", value=None), "alternatives.0.text: must be"),
        ("vosk", put("alternatives", 1, "confidence", value=NAN), "alternatives.1.confidence: "),
        ("vosk", drop("alternatives", 1, "confidence"), "alternatives.1.confidence: Field"),
        ("vosk", put("alternatives", 0, "result", 0, "start", value=-1), "alternatives.0.result.0"),
        ("vosk", put("alternatives", value={}), "alternatives: must be a list"),
        ("transcribe", put(*SEGMENT, "start_time", value="-1"), "results.segments.0.start_time: "),
        ("transcribe", put(*SEGMENT, "end_time", value="soon"), "results.segments.0.end_time: "),
        ("transcribe", drop(*SEGMENT, "alternatives"), "results.segments.0.alternatives: Field"),
        (
            "transcribe",
            put(*SEGMENT, "alternatives", 0, "items", 0, "confidence", value="nan"),
            "results.segments.0.alternatives.0.items.0.confidence: ",
        ),
        ("transcribe", put("results", "transcripts", value=[]), "results.transcripts: "),
        ("transcribe", drop("results"), "results: Field required"),
        ("deepgram", put(*CHANNEL, "transcript", value=["Meg"]), "results.channels.0.alternatives"),
        ("deepgram", put(*CHANNEL, "confidence", value=1.5), "results.channels.0.alternatives"),
        ("deepgram", put(*CHANNEL, "words", 0, "start", value=-0.1), "results.channels.0"),
        ("deepgram", put("metadata", "duration", value=NAN), "metadata.duration: "),
        ("deepgram", drop("results", "channels"), "results.channels: Field required"),
        ("google", put(*RESULT, "transcript", value=7), "results.0.alternatives.0.transcript: "),
        ("google", put(*RESULT, "confidence", value=NAN), "results.0.alternatives.0.confidence"),
        ("google", put("results", 1, "resultEndTime", value="-1s"), "results.1.resultEndTime: "),
        ("google", drop(*RESULT, "transcript"), "results.0.alternatives.0.transcript: Field"),
        ("google", put("wombat", value=1), ""),
    ],
)
def test_a_wrong_field_is_named(name: str, change: Callable[[Any], None], said: str) -> None:
    if not said:
        assert read(name, changed(name, change)), "what is not read may be anything"
        return
    refused(name, "\n" + changed(name, change), f"2: {said}")


def test_an_item_that_is_not_there_is_named() -> None:
    stretch = {"transcript": "Meg", "start_time": "0", "end_time": "1", "items": [0]}
    results = {"transcripts": [{"transcript": "Meg"}], "items": [], "audio_segments": [stretch]}
    refused("transcribe", json.dumps({"results": results}), "1: results.audio_segments.0.items: ")


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("kaldi", "a2-2 no", "power", "3: must begin with the utterance and a rank"),
        ("kaldi", "a2-2 no", "a2-0 power", "3: must begin with"),
        ("kaldi", "a2-2 no", "a2-1 power", "4: rank 1 of this utterance stands there twice"),
        ("slf", "a=-310.5", "a=nan", "10: a must be a number up to 1e9"),
        ("slf", "a=-310.5", "a=", "10: a must be a number up to 1e9"),
        ("slf", "t=0.42", "t=-0.42", "7: t must be a number up to 1e9, at least 0"),
        ("slf", "S=0 E=1", "S=0", "10: E must be a whole number"),
        ("slf", "S=0 E=1", "S=0 E=9", "10: node 9 is unknown; a line I=9 is right"),
        ("slf", "S=2 E=3", "S=2 E=1", "14: the lattice has a cycle through this link"),
        ("slf", "S=0 E=1", "S=0 E=0", "10: the lattice has a cycle through this link"),
        ("slf", "I=3 t=1.00", "I=2 t=1.00", "9: node 2 stands there twice"),
        ("slf", "I=3 t=1.00", "I=3 L=power", "9: names a sub-lattice"),
        ("slf", "UTTERANCE=a1", "SUBLAT=power", "3: begins a sub-lattice"),
        ("slf", "W=MEG", 'W="MEG power', "10: is no row of fields"),
        ("slf", "W=MEG", "power MEG", "10: is no row of fields"),
        ("slf", "L=5", "L=6", "14: the lattice ends with 5 of 6 links; it may be cut off"),
        ("slf", "N=4", "N=5", "14: the lattice ends with 4 of 5 nodes; it may be cut off"),
        ("slf", "N=4", "N=many", "2: N must be a whole number"),
        ("slf", "S=1 E=2 W=!NULL", "S=1 E=3 W=!NULL", ""),
        ("slf", "lmscale=10.0", "lmscale=-1", "2: lmscale must be a number up to 1e9, at least 0"),
        ("slf", "lmscale=10.0", "lmscale=10.0 end=7", "2: end: node 7 is unknown"),
        ("slf", "lmscale=10.0", "start=2 end=2", "2: the lattice starts and ends at one node"),
        ("slf", "lmscale=10.0", "start=3 end=0", "10: no path leads from the first node"),
        ("kaldi-lattice", "a1 \n", "a1 power\n", "1: must be the utterance alone"),
        ("kaldi-lattice", "4.0,310.0,2_1_1", "4.0,nan,2_1_1", "2: a cost is no number up to 1e9"),
        ("kaldi-lattice", "4.0,310.0,2_1_1", "4.0,loud,2_1_1", "2: a cost is no number up to 1e9"),
        ("kaldi-lattice", "4.0,310.0,2_1_1", "4.0", ""),
        ("kaldi-lattice", "0\t1\tMEG", "0\tMEG", "2: is no line of a lattice; 'from to word"),
        ("kaldi-lattice", "0\t1\tMEG", "-1\t1\tMEG", "2: is no line of a lattice"),
        ("kaldi-lattice", "2\t1.5,0,", "3\t1\t<eps>\t0,0,", "6: the lattice has a cycle"),
        ("kaldi-lattice", "2\t1.5,0,\n3", "4", "6: node 4 is unknown; no arc leads there"),
        ("kaldi-lattice", "2\t1.5,0,\n3\n", "", "5: the lattice has no final node; it may be cut"),
        ("kaldi-lattice", "0 1 yes 1,20,\n1 0,0,\n", "", "9: has no lattice; the file may be cut"),
        ("ctm", "0.30", "-0.30", "2: begin and duration must be seconds, at least 0"),
        ("ctm", "0.35", "nan", "2: begin and duration must be seconds"),
        ("ctm", "0.30 0.35", "* *", "2: begin and duration must be seconds"),
        ("ctm", "meg 0.9", "meg 1.9", "2: the confidence must be a number from 0 to 1"),
        ("ctm", "meg 0.9", "meg power", "2: the confidence must be a number from 0 to 1"),
        ("ctm", "0.35 meg 0.9", "meg", "2: has 4 fields; 'file channel begin"),
        ("ctm", "a1 A * * <ALT_END>\n", "", "3: no <ALT_END> follows; the file may be cut off"),
        ("ctm", "a1 A * * <ALT_BEGIN>\n", "", "4: a place with alternatives has no <ALT_BEGIN>"),
        ("ctm", "a1 A * * <ALT>", "a1 A * * <ALT_BEGIN>", "5: a place with alternatives begins"),
    ],
)
def test_a_wrong_line_is_named(name: str, old: str, new: str, said: str) -> None:
    assert old in FILES[name]
    if not said:
        read(name, FILES[name].replace(old, new, 1))
        return
    refused(name, FILES[name].replace(old, new, 1), said)


def test_two_first_nodes_are_one_too_many() -> None:
    text = "VERSION=1.0\nI=0\nI=1\nI=2\nJ=0 S=0 E=2 W=MEG\nJ=1 S=1 E=2 W=power\n"
    refused("slf", text, "1: the lattice has 2 nodes to start at; start=NODE says which")
    assert [one for one, _ in heard(*read("slf", text + "start=1\n"))] == ["power"]
    refused("slf", "VERSION=1.0\nN=1\nI=0\n", "1: the lattice has no links; it may be cut off")
    refused("slf", "\n# power\n", "1: has no lattice")


def test_words_as_numbers_are_refused() -> None:
    refused("kaldi-lattice", "a1\n0 1 17 1,2,\n1 2 18 1,2,\n2\n", "2: the words are numbers of")


def test_a_text_is_one_line() -> None:
    assert heard(*read("vosk", '{"text": "call\\nmeg  power"}')) == [("call meg  power", 0.0)]


def test_half_a_character_is_refused() -> None:
    refused("vosk", '{"text": "power \\ud800"}', "1: has half of a character")
    broken = DEEPGRAM.replace("call meg", "\\udc00", 1)
    refused("deepgram", broken, "1: results.channels.0: has half of a character")
    assert heard(*read("vosk", '{"text": "\\ud83d\\ude00 power"}')) == [("\U0001f600 power", 0.0)]


def test_words_of_networks_are_not_shown() -> None:
    assert "wombat" not in repr(links.Link(0, 1, "wombat", 0.0, 0.0, 1))


# ---------------------------------------------------------------- bounds


def test_files_are_bounded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "heard"
    for name, text in FILES.items():
        path.write_text(text)
        size = path.stat().st_size
        for module in (source, formats):
            monkeypatch.setattr(module, "OUTPUT_BYTES_MAX", size)
        assert list(read_file(path, format=name))
        path.write_text(text + " ")
        with pytest.raises(LimitExceeded, match=rf"heard: OUTPUT_BYTES_MAX is {size}"):
            list(read_file(path, format=name))


def test_texts_are_bounded() -> None:
    for length in (HYPOTHESIS_CHARS_MAX, HYPOTHESIS_CHARS_MAX + 1):
        text = json.dumps({"segments": [{"text": "x" * length}]})
        if length <= HYPOTHESIS_CHARS_MAX:
            assert len(read("whisper", text)) == 1
        else:
            refused("whisper", text, "1: segments.0: HYPOTHESIS_CHARS_MAX is 2000, got 2001")
    words = "".join(f"a 1 {number} 1 MEG\n" for number in range(201))
    refused("ctm", words, "1: WORDS_MAX is 200, got 201")


def test_lattices_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "LATTICE_ARCS_MAX", 5)
    for name in ("slf", "kaldi-lattice"):
        assert len(read(name, FILES[name])) == 2
    monkeypatch.setattr(links, "LATTICE_ARCS_MAX", 3)
    refused("slf", SLF, "13: LATTICE_ARCS_MAX is 3, got 4")
    refused("kaldi-lattice", KALDI_LATTICE, "5: LATTICE_ARCS_MAX is 3, got 4")


def test_the_acoustic_scale_is_bounded() -> None:
    assert read("slf", SLF, source.ACOUSTIC_SCALE_MAX)
    with pytest.raises(LimitExceeded, match="ACOUSTIC_SCALE_MAX"):
        read("slf", SLF, source.ACOUSTIC_SCALE_MAX * 1.01)
    for wrong in (0.0, -1.0, math.nan):
        with pytest.raises(ScenarioError, match="the acoustic scale must be above 0"):
            read("slf", SLF, wrong)


def test_numbers_are_bounded() -> None:
    for number, said in (("1e9", ""), ("1.1e9", ":10: a must be a number up to 1e9")):
        text = SLF.replace("a=-310.5", f"a=-{number}")
        if said:
            refused("slf", text, said[1:])
        else:
            assert math.isfinite(read("slf", text)[0].recognition.hypotheses[0].score)
    refused("slf", SLF.replace("lmscale=10.0", "lmscale=0.001"), "2: lmscale must be 0 or at least")
    assert number_of(f"{source.NUMBER_MAX}") == source.NUMBER_MAX
    assert [number_of(one) for one in ("1_0", "inf", "nan", "-1.1e9", "", "power")] == [None] * 6


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_is_wrong_is_refused_in_words(data: st.DataObject) -> None:
    """Pieces of a file taken out, doubled, or exchanged for numbers and signs."""
    name = data.draw(st.sampled_from(list(FILES)))
    text = FILES[name]
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        length = data.draw(st.integers(0, 12))
        put_in = data.draw(st.sampled_from(ODD) | st.just(text[at : at + length] * 2))
        text = text[:at] + put_in + text[at + length :]
    found: list[Utterance] = []
    said = "file:1: "
    try:
        found = list(reader_of(name)(source_of(text.encode(), "file")))
    except InputError as error:
        said = str(error)
    assert re.match(r"file:\d+: ", said)
    assert not any(word in said for word in WHOLE_TEXT)
    assert all(math.isfinite(one.score) for u in found for one in u.recognition.hypotheses)


def test_a_guess_looks_at_the_first_lines_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "GUESS_LINES_MAX", 2)
    assert guessed(source_of(b"a-1 yes\na-2 no\npower\n", "file")) == "kaldi"
    assert guessed(source_of(b"a-1 yes\npower\n", "file")) == ""
