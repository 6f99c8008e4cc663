"""The scenario format: what it reads, and what it says about files that are wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from ctxasr.errors import ScenarioError
from ctxasr.hypotheses import N_BEST_MAX
from ctxasr.scenario.example import EXAMPLE, new_scenario
from ctxasr.scenario.format import load_scenario, read_scenario
from ctxasr.scenario.schema import SCHEMA_FILE, scenario_schema, schema_text
from ctxasr.scenario.source import (
    NESTING_MAX,
    SCENARIO_BYTES_MAX,
    VALUES_MAX,
    parse_source,
    read_source,
)
from ctxasr.scenario.speak import speak_scenario, step_seed
from ctxasr.scenario.utterance import load_context
from ctxasr.scenario.values import DELIVERIES_MAX, TURNS_MAX, USUAL_ORDER
from ctxasr.timing import spoken_ms

SCENARIOS = Path(__file__).parents[2] / "scenarios"

FULL = """\
schema: 1
name: full
seed: 7
settings: {payload_ttl: 1h, read_budget: 50ms, encoder_delay: 3s}
turns:
  - user: {hypotheses: [call meg, call mac], says: call meg}
    entities:
      - {kind: contact, values: [Meg Jones, Meg Bauer]}
      - {kind: device, values: [lamp]}
    screen: [Meg Jones]
    elicit_slot: contact_name
    reply: {text: Do you mean Meg Jones or Meg Bauer?, duration: 2.1s}
    announce: 1
    deliver: [expect_speech, entities_2, reply, utterance, reply]
    duplicate: [expect_speech]
    barge_in: 300ms
    pause: 1.5s
  - user: {hypotheses: [power, no, 12:30]}
    expect:
      context: hit
      text: Bauer
"""

TURN = """\
schema: 1
turns:
  - user: {hypotheses: [call meg]}
    reply: Which one?
    %s
  - user: {hypotheses: [power]}
"""


def wrong(text: str) -> ScenarioError:
    with pytest.raises(ScenarioError) as caught:
        read_scenario(text, "some.scenario.yaml")
    return caught.value


def test_everything_that_a_file_says_is_read_and_has_a_line() -> None:
    scenario = read_scenario(FULL, "x/full.scenario.yaml")
    first, second = scenario.turns
    assert (scenario.seed, scenario.settings.payload_ttl_ms) == (7, 3_600_000)
    assert (scenario.settings.read_budget_ms, scenario.settings.encoder_delay_ms) == (50, 3000)
    assert (first.reply_ms, first.barge_in_ms, first.pause_ms) == (2100, 300, 1500)
    assert (first.announced, first.service_payloads) == (1, 4)
    assert second.user.hypotheses == ("power", "no", "12:30"), "YAML 1.2: these are texts"
    assert scenario.line_of("turns.1.expect.text") == 21
    assert scenario.line_of("turns.0.user.hypotheses.1") == 6
    assert scenario.line_of("turns.0.deliver.2.nothing") == 14, "the nearest field around it"
    arrivals = scenario.deliveries(0)
    assert [(d.event, d.number) for d in arrivals] == [
        ("expect_speech", 1), ("expect_speech", 1), ("entities", 2), ("reply", 1),
        ("utterance", 1), ("reply", 1), ("recognize", 1), ("entities", 1), ("screen", 1),
        ("slot", 1), ("speak", 1), ("speech_started", 1), ("completed", 1),
    ]  # fmt: skip
    assert [d.event for d in arrivals if d.again] == ["expect_speech", "reply"]
    rest = read_scenario(FULL.replace("[expect_speech, entities_2,", "[entities_2, entities,"))
    numbers = [d.number for d in rest.deliveries(0) if d.event == "entities"]
    assert numbers == [2, 1], "`entities` stands for those that are not named one by one"
    assert [d.event for d in scenario.deliveries(1)] == ["recognize", "utterance", "completed"]


def test_defaults_follow_from_the_file_and_the_words() -> None:
    scenario = read_scenario(TURN % "screen: [a, b]", "some/a b.scenario.yaml")
    assert scenario.name == "a_b"
    assert scenario.expects_speech(0)
    assert not scenario.expects_speech(1), "no reply, no next turn"
    assert scenario.turns[0].announced == 1
    assert scenario.turns[0].reply_ms == spoken_ms("Which one?")
    quiet = read_scenario(TURN % "expect_speech: false")
    assert "expect_speech" not in [d.event for d in quiet.deliveries(0)]
    order = [d.event for d in scenario.deliveries(0)]
    assert order == sorted(order, key=USUAL_ORDER.index)


@pytest.mark.parametrize(
    ("text", "line", "field", "says"),
    [
        ("", 1, "", "empty"),
        ("# only this\n", 1, "", "nothing but comments"),
        ("- 1\n", 1, "", "must be a mapping"),
        ("schema: 2\nturnz: 3\n", 1, "schema", "schema: 1"),
        ("turns: [{user: {hypotheses: [a]}}]\n", 1, "schema", "begin the file"),
        ("schema: 1\n", 1, "turns", "missing; a file has 'turns', a spoken dialogue, or 'plan'"),
        ("schema: 1\nturns: []\n", 2, "turns", "at least 1"),
        ("schema: 1\nturns: {a: 1}\n", 2, "turns", "must be a list"),
        ("schema: 1\nturns:\n", 2, "turns", "has no value"),
        ("schema: 1\nturns:\n  - user: {}\n", 3, "turns.0.user", "neither"),
        ("schema: 1\nturns:\n\t- user: {}\n", 3, "", "spaces"),
        ("schema: 1\nturns: [\n", 3, "", "not YAML"),
        ("schema: 1\n---\nschema: 1\n", 2, "", "second document"),
        ("schema: 1\nabout: \x07\n", 2, "", "control character"),
        (TURN % "expct: {}", 5, "turns.0.expct", "did you mean 'expect'"),
        (TURN % "foo bar: 1", 5, "turns.0.foo bar", "known here: user, entities"),
        (TURN % "expect: {outcom: missed}", 5, "turns.0.expect.outcom", "'outcome'"),
        (TURN % "expect: {outcome: mised}", 5, "turns.0.expect.outcome", "did you mean missed"),
        (TURN % "expect: [hit]", 5, "turns.0.expect", "mapping"),
        (TURN % "reply: Again?", 5, "turns.0", "'reply' stands twice (first on line 4)"),
        (TURN % "barge_in: 300", 5, "turns.0.barge_in", '"300ms"'),
        (TURN % "barge_in: -300ms", 5, "turns.0.barge_in", "cannot be negative"),
        (TURN % "barge_in: 300 msec", 5, "turns.0.barge_in", '"120ms"'),
        (TURN % "barge_in: 241s", 5, "turns.0.barge_in", "at most 240s"),
        (TURN % "pause: 24.1h", 5, "turns.0.pause", "at most 86400s"),
        (TURN % "screen: hello", 5, "turns.0.screen", "must be a list"),
        (TURN % "screen: [a, 7]", 5, "turns.0.screen.1", "quotes"),
        (TURN % "screen: ['']", 5, "turns.0.screen.0", "must not be empty"),
        (TURN % 'screen: ["\\ud800"]', 5, "turns.0.screen.0", "half a character"),
        (TURN % "screen: [a]\n    entities: *x", 6, "", "aliases"),
        (TURN % "screen:\n      - *NSYNC", 6, "", "in quotes a text that begins with *"),
        (TURN % "screen:\n      - &Juliet", 6, "", "in quotes a text that begins with &"),
        (TURN % "screen:\n      - !wow", 6, "", "in quotes a text that begins with !"),
        (TURN % "screen:\n      - @home", 6, "", "quotes around a text that begins with @"),
        (TURN % "screen: ['it's']", 5, "", "write '' for an apostrophe"),
        (TURN % "screen:\n      - 'it's'", 6, "", "write '' for an apostrophe"),
        (TURN % "screen: !!python/name:os.system [a]", 5, "", "tags"),
        (TURN % "? [a]\n    : b", 5, "turns.0", "a key must be a word"),
        (TURN % "about: a: b", 5, "", "put quotes"),
        (TURN % "announce: 17", 5, "turns.0.announce", "at most 16"),
        (TURN % "announce: '1'", 5, "turns.0.announce", "whole number"),
        (TURN % "expect_speech: 'no'", 5, "turns.0.expect_speech", "true or false"),
        (TURN % "deliver: [reply, rply]", 5, "turns.0.deliver.1", "must be one of"),
        (TURN % "deliver: [screen]", 5, "turns.0.deliver.0", "no screen"),
        (TURN % "duplicate: [entities_2]", 5, "turns.0.duplicate.0", "no entities_2"),
        (TURN % "barge_in: 1s\n    expect_speech: false", 5, "turns.0.barge_in", "expect_speech"),
        ("schema: 1\nplan: [{crash: x}]\n" + FULL[10:], 2, "plan", "not both"),
        ("schema: 1\nplan: {seed: 1}\n" + FULL[10:], 2, "plan", "not both"),
        (FULL.replace("1h,", "1500ms,"), 4, "settings.payload_ttl", "whole seconds"),
        (FULL.replace("1h,", "0s,"), 4, "settings.payload_ttl", "at least 1s"),
        (FULL.replace("says: call", "audio: a.flac, says: call"), 6, "turns.0.user", "both"),
        (FULL.replace("says: call meg", "snr: 3"), 6, "turns.0.user.snr", "needs 'noise'"),
        (FULL.replace("says: call meg", "voice: a:b"), 6, "turns.0.user.voice", "needs 'audio'"),
        ("schema: 1\nturns: [{user: {audio: a.flac}}]\n", 2, "turns.0.user", "'says'"),
        ("schema: 1\nturns: [{user: {audio: /a, says: a}}]\n", 2, "turns.0.user.audio", "relative"),
    ],
)
def test_a_wrong_file_is_named_with_line_field_and_what_is_right(
    text: str, line: int, field: str, says: str
) -> None:
    error = wrong(text)
    assert (error.line, error.field) == (line, field), str(error)
    assert says in str(error)
    assert str(error).startswith(f"some.scenario.yaml:{line}: ")


NO_TEXTS = [
    ("7", "is a number"), ("1e3", "is a number"), ("007", "is a number"), ("-.5", "is a number"),
    ("true", "bare word true"), ("False", "bare word false"), ("[Which one?]", "is a list"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "says"), [*NO_TEXTS, ("{Which: one}", "is a mapping")])
def test_what_is_no_text_is_said_with_the_remedy(value: str, says: str, tmp_path: Path) -> None:
    """In scenarios and in context files alike; no message speaks of Python's types."""
    path = tmp_path / "asked.yaml"
    for field, line in (
        ("reply", f"reply: {value}"),
        ("utterance", f"utterance: {value}"),
        ("slot", f"slot: {value}"),
        ("screen.0", f"screen: [{value}]"),
        ("entities.0.values.0", f"entities: [{{kind: a, values: [{value}]}}]"),
    ):
        path.write_text(f"{line}\n")
        with pytest.raises(ScenarioError) as caught:
            load_context(path)
        assert caught.value.field == field
        assert says in str(caught.value)
        assert "quotes" in str(caught.value)
        assert not re.search("tuple|str |dict|NoneType|instance|valid", str(caught.value))
    if not value.startswith("{"):  # a reply may be a mapping
        assert says in str(wrong(TURN.replace("Which one?", value) % "pause: 1s"))


@pytest.mark.parametrize("word", ["yes", "no", "On", "off", "0x10", "12:30", "2024-01-01", "1_000"])
def test_what_only_older_yaml_takes_for_something_else_is_text(word: str) -> None:
    assert parse_source(f"reply: {word}\n").value == {"reply": word}


@pytest.mark.parametrize("word", ["null", "Null", "~", ""])
def test_an_empty_value_where_a_text_is_wanted_is_said(word: str, tmp_path: Path) -> None:
    path = tmp_path / "asked.yaml"
    path.write_text(f"screen:\n  - Meg\n  - {word}\n")
    with pytest.raises(
        ScenarioError, match=r"3: screen\.1: is an empty value or the word null.*quotes"
    ):
        load_context(path)
    path.write_text(f"reply: {word}\n")
    with pytest.raises(
        ScenarioError, match=r"1: reply: has no value; write one .the word null in quotes"
    ):
        load_context(path)


@pytest.mark.parametrize("kind", ["screen", "entities"])
def test_a_text_where_a_list_is_wanted_says_how_to_write_it(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "asked.yaml"
    path.write_text(f"{kind}: Meg Jones\n")
    with pytest.raises(ScenarioError, match=r"must be a list; write \[a, b\]"):
        load_context(path)


@pytest.mark.parametrize(
    ("block", "text"),
    [
        (">\n  Which\n  Meg?\n", "Which Meg?\n"),
        (">-\n  Which\n  Meg?\n", "Which Meg?"),
        (">+\n  Which\n  Meg?\n\n", "Which Meg?\n\n"),
        (">-\n  One.\n\n  Two\n  three.\n", "One.\nTwo three."),
        (">-\n  One\n    two\n  three\n", "One\n  two\nthree"),
        ("|\n  Which\n  Meg?\n", "Which\nMeg?\n"),
        ("Which\n  Meg?\n", "Which Meg?"),
        ('"Which\n  Meg?"\n', "Which Meg?"),
    ],
)
def test_a_folded_text_holds_no_marks_of_its_folds(block: str, text: str) -> None:
    assert parse_source(f"reply: {block}").value == {"reply": text}


def test_escaped_surrogate_pairs_are_one_character() -> None:
    value = parse_source('{"a\\ud83d\\ude00": ["\\ud83d\\ude00!", "\\u00e9"]}').value
    assert value == {"a\U0001f600": ["\U0001f600!", "\u00e9"]}
    for half in ('["\\ud83d"]', '["\\ude00\\ud83d"]', '{"\\ud83d": 1}'):
        with pytest.raises(ScenarioError, match="half a character"):
            parse_source(half)


def test_the_first_of_several_errors_is_named_and_the_others_counted() -> None:
    error = wrong(FULL.replace("1h,", "x,").replace("300ms", "-1s").replace("hit", "hot"))
    assert error.line == 4
    assert str(error).endswith("(and 2 more)")


def test_no_message_carries_a_text() -> None:
    error = wrong(TURN % "entities: [{kind: contact, value: [canary jones]}]")
    assert "canary" not in str(error)
    assert "canary" not in str(wrong(TURN % f"screen: [{'canary ' * 100}]"))
    scenario = read_scenario(TURN % "screen: [canary]")
    assert "canary" not in f"{scenario!r} {scenario} {scenario.turns[0]!r}"


def test_files_that_cannot_be_a_scenario(tmp_path: Path) -> None:
    def load(data: bytes) -> str:
        path = tmp_path / "a.scenario.yaml"
        path.write_bytes(data)
        with pytest.raises(ScenarioError) as caught:
            load_scenario(path)
        return str(caught.value)

    assert "a.scenario.yaml:2: byte 12 is not UTF-8" in load(b"schema: 1\na:\xff\n")
    assert "SCENARIO_BYTES_MAX" in load(b"#" * 10_000_000)
    audio = b"schema: 1\nturns:\n- user:\n    audio: no.flac\n    says: hi\n"
    assert "a.scenario.yaml:4: turns.0.user.audio: there is no such audio file" in load(audio)
    spoken = f"`ctxasr scenario speak {tmp_path / 'a.scenario.yaml'}`"  # as it can be typed
    assert spoken in load(audio + b"    voice: flite:slt\n")
    for path, says in ((tmp_path, "is a folder"), (tmp_path / "none", "does not exist")):
        with pytest.raises(ScenarioError, match=says):
            load_scenario(path)


def test_every_limit_holds_at_its_edge(tmp_path: Path) -> None:
    path = tmp_path / "a.scenario.yaml"
    path.write_bytes((b"a: 1\n#").ljust(SCENARIO_BYTES_MAX, b"x"))
    assert read_source(path).value == {"a": 1}
    path.write_bytes(b"a: 1\n#".ljust(SCENARIO_BYTES_MAX + 1, b"x"))
    with pytest.raises(ScenarioError, match="SCENARIO_BYTES_MAX"):
        read_source(path)
    deep = NESTING_MAX
    assert parse_source("[" * deep + "]" * deep).value
    with pytest.raises(ScenarioError, match="NESTING_MAX"):
        parse_source("[" * (deep + 1) + "]" * (deep + 1))
    many = "[" + "1," * (VALUES_MAX - 1)
    assert len(parse_source(many + "]").value) == VALUES_MAX - 1
    with pytest.raises(ScenarioError, match="VALUES_MAX"):
        parse_source(many + "1]")

    turns = "schema: 1\nturns:\n" + "- user: {hypotheses: [a]}\n" * TURNS_MAX
    assert len(read_scenario(turns).turns) == TURNS_MAX
    assert "at most 50" in str(wrong(turns + "- user: {hypotheses: [a]}\n"))
    heard = "schema: 1\nturns: [{user: {hypotheses: [%s]}}]"
    assert read_scenario(heard % ("a," * N_BEST_MAX))
    assert "at most 50" in str(wrong(heard % ("a," * (N_BEST_MAX + 1))))
    assert read_scenario(TURN % f"deliver: [{'reply,' * DELIVERIES_MAX}]")
    assert "at most 64" in str(wrong(TURN % f"deliver: [{'reply,' * (DELIVERIES_MAX + 1)}]"))
    lists = "{kind: a, values: [b]},"
    assert read_scenario(TURN % f"entities: [{lists * 16}]")
    assert "SERVICE_PAYLOADS_MAX" in str(wrong(TURN % f"entities: [{lists * 17}]"))


def test_the_schema_is_the_one_checked_in_and_agrees_with_the_models() -> None:
    assert (SCENARIOS / SCHEMA_FILE).read_text(encoding="utf-8") == schema_text(), (
        "the format changed: python -m ctxasr.scenario.schema > scenarios/scenario.schema.json"
    )
    validator = Draft202012Validator(scenario_schema())
    for text in (EXAMPLE, FULL, *(p.read_text() for p in SCENARIOS.rglob("*.scenario.yaml"))):
        assert not list(validator.iter_errors(parse_source(text).value))
    for bad in ("barge_in: 3", "expct: {}", "deliver: [rply]", "screen:", "expect: {text: 1}"):
        assert list(validator.iter_errors(parse_source(TURN % bad).value)), bad
    described = json.dumps(scenario_schema()).count('"description"')
    fields = sum(len(d.get("properties", {})) for d in scenario_schema()["$defs"].values())
    assert described > fields, "every field says what it is"


def test_new_writes_an_example_that_loads_and_overwrites_nothing(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "mine.scenario.yaml"
    assert new_scenario(path) == (path, path.parent / SCHEMA_FILE)
    scenario = load_scenario(path)
    assert (scenario.name, len(scenario.turns)) == ("mine", 2)
    path.write_text("mine")
    with pytest.raises(ScenarioError, match="not overwritten"):
        new_scenario(path)
    assert path.read_text() == "mine"
    assert new_scenario(path.with_name("b.scenario.yaml")) == (path.with_name("b.scenario.yaml"),)
    with pytest.raises(ScenarioError, match=r"ends in \.scenario\.yaml"):
        new_scenario(tmp_path / "mine.yaml")


SPOKEN = """\
schema: 1
turns:
- user: {audio: %s, says: call meg, voice: flite:slt}
  reply: Which?
- user: {audio: audio/b.flac, says: bauer, voice: flite:slt, noise: kitchen, snr: 10}
"""


def test_speak_refuses_to_write_where_it_should_not(tmp_path: Path) -> None:
    path = tmp_path / "in" / "a.scenario.yaml"
    path.parent.mkdir()
    for audio, says in (
        ("../a.flac", "leads out"),
        ("audio/b.flac", "turn 1"),
        ("a.sh", "ends in .flac"),
    ):
        path.write_text(SPOKEN % audio)
        with pytest.raises(ScenarioError, match=says):
            speak_scenario(path)
    assert [p.name for p in path.parent.iterdir()] == [path.name], "nothing was written"
    seeds = {step_seed(seed, index) for seed in range(5) for index in range(5)}
    assert len(seeds) == 25


def test_speak_makes_equal_files_and_keeps_those_that_are_there(tmp_path: Path) -> None:
    from ctxasr.speech.tts import available_voices

    if "flite:slt" not in available_voices():
        pytest.skip("flite is not installed")
    path = tmp_path / "a.scenario.yaml"
    path.write_text(SPOKEN % "audio/a.flac")
    assert [step.made for step in speak_scenario(path)] == [True, True]
    files = sorted((tmp_path / "audio").iterdir())
    assert [file.name for file in files] == ["a.flac", "b.flac"], "no parts are left"
    before = [file.read_bytes() for file in files]
    files[0].write_bytes(b"mine")
    assert [step.made for step in speak_scenario(path)] == [False, False]
    assert files[0].read_bytes() == b"mine"
    speak_scenario(path, force=True)
    assert [file.read_bytes() for file in files] == before
    assert load_scenario(path).turns[1].user.snr_db == 10
