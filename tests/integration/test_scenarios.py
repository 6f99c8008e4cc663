"""The committed scenarios: what each of them is for, all of them replayed, and their sound."""

from __future__ import annotations

import asyncio
import math
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ctxasr.app import Settings
from ctxasr.ports import RATE_HZ
from ctxasr.report.trace import TurnReport
from ctxasr.scenario.format import load_scenario
from ctxasr.scenario.inputs import load_checked
from ctxasr.scenario.model import Scenario, User
from ctxasr.scenario.replay import Options, replay_all, run_scenario
from ctxasr.scenario.schema import MODELINE
from ctxasr.scenario.speak import speak_scenario
from ctxasr.speech.tts import available_voices

FOLDER = Path(__file__).parents[2] / "scenarios"
SCENARIOS = {scenario.name: scenario for scenario in load_checked([FOLDER]).scenarios}

PATIENT = Options(settings=Settings(read_budget_ms=5_000))
"""A busy machine may take longer than 50 ms now and then; `make bench` holds the real budget."""

AUDIO_BYTES_MAX = 3_000_000
"""All sound files together."""

SPOKEN_WITH = {"flite": b"flite-2.2", "festival": b"2.5.0"}
"""What the programs that made the committed sound say of their version."""

AUDIO_S_MAX = 10.0
"""Longest utterance of a committed scenario."""

FOLLOW_UPS = {
    # scenario: what each turn after the first could use of the turn before it
    "call_meg": ["hit"],
    "call_meg_without_context": ["hit"],
    "contacts_message": ["hit", "hit"],
    "contacts_first_name": ["hit"],
    "contacts_surname": ["hit"],
    "smart_home_lights": ["hit"],
    "smart_home_vacuum": ["hit", "hit"],
    "smart_home_heater": ["hit"],
    "local_search_coffee": ["hit", "hit", "hit"],
    "screen_films": ["hit"],
    "screen_recipes": ["hit", "hit"],
    "confirm_alarm": ["hit", "hit"],
    "answer_in_no_list": ["hit"],
    "change_of_mind": ["hit", "hit", "none"],
    "no_follow_up": ["none"],
    "events_out_of_order": ["hit"],
    "duplicated_events": ["hit"],
    "late_expect_speech": ["missed"],
    "barge_in": ["hit"],
    "one_moment": ["hit"],
    "barge_in_too_early": ["missed"],
    "slow_model": ["missed"],
    "payloads_expired": ["missed"],
    "three_turns": ["hit", "hit"],
    "long_list": ["hit", "hit"],
    "context_decides_carrie": ["hit"],
    "context_decides_kerry": ["hit"],
    "context_decides_gym": ["hit"],
    "context_decides_jim": ["hit"],
    "music_artist": ["hit"],
    "bus_stop_noise": ["hit"],
    "written_forms": ["hit", "hit", "hit"],
    "numerals": ["hit", "hit", "hit", "hit"],
    "signs_in_names": ["hit", "hit", "hit", "hit", "hit", "hit"],
}

TYPED = {"written_forms", "numerals", "signs_in_names"}
"""Texts as other recognisers write them, which no sound would bring about."""

SPOKEN = {name: scenario for name, scenario in SCENARIOS.items() if name not in TYPED}


@pytest.fixture(scope="module")
def reports() -> dict[str, list[TurnReport]]:
    """All scenarios over one local DynamoDB, one after the other."""

    async def replay() -> dict[str, list[TurnReport]]:
        found: dict[str, list[TurnReport]] = {name: [] for name in SCENARIOS}
        async for turn in replay_all(SCENARIOS.values(), PATIENT):
            found[turn.report.scenario].append(turn.report)
        return found

    return asyncio.run(replay())


def users(scenario: Scenario) -> Iterator[User]:
    return (turn.user for turn in scenario.turns)


# ---------------------------------------------------------------- what comes out


def test_every_expectation_holds(reports: dict[str, list[TurnReport]]) -> None:
    failed = [
        f"{Path(report.file).name}:{failure.line} {failure.field}"
        for turns in reports.values()
        for report in turns
        for failure in report.failures
    ]
    assert failed == []


def test_every_utterance_finds_the_context_that_its_scenario_is_about(
    reports: dict[str, list[TurnReport]],
) -> None:
    found = {name: [turn.context for turn in turns] for name, turns in reports.items()}
    assert found == {name: ["none", *contexts] for name, contexts in FOLLOW_UPS.items()}


def test_a_context_is_hit_only_where_the_turn_before_was_embedded(
    reports: dict[str, list[TurnReport]],
) -> None:
    for turns in reports.values():
        for before, after in pairwise(turns):
            if after.context == "hit":
                assert before.outcome == "embedded", f"{after!r} after {before.outcome}"


def test_without_a_context_nothing_is_changed_and_nothing_is_waited_for(
    reports: dict[str, list[TurnReport]],
) -> None:
    without = [turn for turns in reports.values() for turn in turns if turn.context != "hit"]
    assert len(without) > len(SCENARIOS)  # all first turns, and those that miss
    for turn in without:
        assert (turn.text, turn.changes, turn.added_ms) == (turn.plain_text, (), 0.0), repr(turn)


def test_each_turn_is_claimed_and_embedded_once(reports: dict[str, list[TurnReport]]) -> None:
    for turns in reports.values():
        for turn in turns:
            counts = Counter(point.name for point in turn.points)
            once = int(turn.outcome in ("embedded", "missed"))
            assert counts["window"] == once, f"{turn!r} has {counts['window']} windows"
            assert counts["embed"] == once, f"{turn!r} has {counts['embed']} embeddings"


def test_the_meg_dialogue_keeps_its_plain_text_without_context() -> None:
    _, answer = run_scenario(SCENARIOS["call_meg"].path, Options(context=False))
    assert (answer.context, answer.text) == ("none", answer.plain_text)


@pytest.mark.parametrize(("name", "window_ms"), [("barge_in", 3_000), ("barge_in_too_early", 800)])
def test_a_barge_in_ends_the_window_long_before_the_reply(
    reports: dict[str, list[TurnReport]], name: str, window_ms: float
) -> None:
    asking = SCENARIOS[name].turns[0]
    assert asking.barge_in_ms == window_ms < asking.reply_ms / 3
    found = reports[name][1].window_ms
    assert found is not None
    assert found == pytest.approx(window_ms, abs=10.0)


def test_the_slow_model_would_be_in_time_if_nobody_barged_in() -> None:
    scenario = SCENARIOS["barge_in_too_early"]
    assert 2 * scenario.settings.encoder_delay_ms < scenario.turns[0].reply_ms


def test_the_third_answer_names_what_only_the_first_turn_lists() -> None:
    first, second, third = SCENARIOS["three_turns"].turns
    name = third.expect.text
    assert name is not None
    assert name in [one.text.lower() for one in first.entities[0].values]
    assert not second.entities
    assert not second.screen
    assert second.reply is not None
    assert name not in second.reply.text.lower()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("context_decides_carrie", "context_decides_kerry"),
        ("context_decides_gym", "context_decides_jim"),
    ],
)
def test_one_sound_and_one_list_give_two_texts(
    reports: dict[str, list[TurnReport]], one: str, other: str
) -> None:
    mine, theirs = SCENARIOS[one], SCENARIOS[other]
    assert mine.audio_path(1) == theirs.audio_path(1)
    assert mine.turns[0].entities == theirs.turns[0].entities
    ours, others = reports[one][1], reports[other][1]
    assert ours.plain_text == others.plain_text
    assert ours.text != others.text
    assert [ours.text, others.text] == [ours.reference, others.reference]


# ---------------------------------------------------------------- the collection


def test_outcomes_and_contexts_are_expected_everywhere() -> None:
    """A scenario that expects nothing of a turn would pass whatever happens."""
    for scenario in SCENARIOS.values():
        for index, turn in enumerate(scenario.turns):
            where = f"{scenario.name}, turn {index + 1}"
            assert turn.expect.context is not None, where
            last = index + 1 == len(scenario.turns)
            assert last or turn.expect.outcome is not None, where


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_says_what_it_is_about_and_has_a_line_in_the_readme(name: str) -> None:
    scenario = SCENARIOS[name]
    assert scenario.path.read_text().startswith(MODELINE + "\n")
    assert scenario.about.endswith(".")
    assert f"| {name} |" in (FOLDER / "README.md").read_text()


def test_the_readme_lists_no_scenario_that_is_gone() -> None:
    listed = re.findall(r"^\| (\w+) \|", (FOLDER / "README.md").read_text(), re.MULTILINE)
    assert sorted(set(listed) - {"scenario"}) == sorted(SCENARIOS)


def test_voices_and_noises_are_of_several_kinds() -> None:
    spoken = [user for scenario in SCENARIOS.values() for user in users(scenario)]
    voices = {user.voice for user in spoken if user.voice}
    assert len(voices) >= 7
    assert {voice.partition(":")[0] for voice in voices} == {"flite", "festival"}
    assert {"pink", "kitchen", "babble", None} == {user.noise for user in spoken}
    levels = [user.snr_db for user in spoken if user.snr_db is not None]
    assert (min(levels), max(levels)) == (15, 25)


# ---------------------------------------------------------------- the sound


@pytest.mark.parametrize("name", SPOKEN)
def test_every_utterance_is_real_sound(name: str) -> None:
    scenario = SCENARIOS[name]
    for index, user in enumerate(users(scenario)):
        path = scenario.audio_path(index)
        assert path is not None, f"turn {index + 1} has no audio"
        assert user.voice is not None, f"turn {index + 1} names no voice"
        found = soundfile.info(path)
        kind = (found.format, found.subtype, found.samplerate, found.channels)
        assert kind == ("FLAC", "PCM_16", RATE_HZ, 1), path.name
        assert 0.5 < found.duration < AUDIO_S_MAX, path.name
        samples, _ = soundfile.read(path)
        assert math.sqrt(np.mean(samples**2)) > 0.005, f"{path.name} is silent"


def test_no_sound_is_left_over_and_all_of_it_is_small() -> None:
    wanted = {
        scenario.audio_path(index)
        for scenario in SPOKEN.values()
        for index in range(len(scenario.turns))
    }
    files = set((FOLDER / "audio").iterdir())
    assert files == wanted
    assert sum(file.stat().st_size for file in files) < AUDIO_BYTES_MAX


@pytest.mark.parametrize("name", ["call_meg", "contacts_first_name"])
def test_speaking_again_gives_the_same_samples(name: str, tmp_path: Path) -> None:
    scenario = SCENARIOS[name]
    voices = {user.voice for user in users(scenario) if user.voice}
    missing = voices - set(available_voices())
    if missing:
        pytest.skip(f"not installed: {', '.join(sorted(missing))}")
    for program in sorted({voice.partition(":")[0] for voice in voices}):
        told = subprocess.run([program, "--version"], capture_output=True, check=False).stdout
        if SPOKEN_WITH[program] not in told:
            pytest.skip(f"another version of {program} than the one that spoke the scenarios")
    copy = load_scenario(shutil.copy(scenario.path, tmp_path), need_audio=False)
    assert all(spoken.made for spoken in speak_scenario(copy.path))
    for index in range(len(scenario.turns)):
        mine, ours = copy.audio_path(index), scenario.audio_path(index)
        assert mine is not None
        assert ours is not None
        assert np.array_equal(soundfile.read(mine)[0], soundfile.read(ours)[0]), ours.name
