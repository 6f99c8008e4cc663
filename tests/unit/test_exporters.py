"""Every exporter keeps its target's limits, whatever the phrases are, and loses none in silence."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from ctxasr.bias import GENERIC_ANSWERS, Bias, BiasingPhrase, emptied
from ctxasr.envelopes import UpdateDynamicEntities
from ctxasr.errors import InputError
from ctxasr.events import short_hash
from ctxasr.gateway.export import ask, assemblyai, nemo, sherpa, transcribe, whisper
from ctxasr.gateway.export.choose import Exported, Left
from ctxasr.gateway.export.targets import TARGETS, export
from ctxasr.hypotheses import PHRASES_MAX, Phrase


def phrase(text: str, log_prior: float = -1.0, kind: str = "contact") -> BiasingPhrase:
    return BiasingPhrase(Phrase(text, "entities", kind), log_prior)


def lists(longest: int = 12) -> st.SearchStrategy[list[BiasingPhrase]]:
    """Any text at all, lone surrogates and control characters included, and words as they are."""
    words = st.text("abyz'019 ", min_size=1, max_size=300)
    texts = st.one_of(st.text(st.characters(exclude_categories=()), max_size=300), words)
    return st.lists(st.builds(phrase, texts, st.floats(), st.sampled_from(["", "contact", "a b"])),
                    max_size=longest)  # fmt: skip


def written(exported: Exported) -> list[str]:
    """The phrases in an exporter's content, read back as its target would read them."""
    content: Any = exported.content
    match exported.target:
        case "sherpa-onnx":
            return [line.rpartition(" :")[0] for line in content.split("\n")[:-1]]
        case "nemo":
            return list(content["biasing_request"]["boosting_model_cfg"]["key_phrases_list"])
        case "ask":
            values = [value for kind in content["types"] for value in kind["values"]]
            return [value["name"]["value"] for value in values]
        case "transcribe-table":
            return [row.split("\t")[0] for row in content.split("\n")[1:-1]]
        case "transcribe-phrases":
            return list(content["Phrases"])
    text = content if isinstance(content, str) else content["agent_context"]
    return text.split(", ") if text else []


MANY = [phrase(f"name number {number:04}", -float(number)) for number in range(PHRASES_MAX + 5)]


# ---------------------------------------------------------------- of all targets


@pytest.mark.parametrize("target", TARGETS)
@given(phrases=lists())
@settings(max_examples=100, deadline=None)
def test_nothing_is_lost_in_silence_and_all_can_be_sent(
    target: str, phrases: list[BiasingPhrase]
) -> None:
    exported = export(Bias(tuple(phrases)), target)
    assert exported.kept + sum(exported.left_out.values()) == len(phrases)
    exported.text.encode("utf-8")  # raises what cannot be written
    assert json.loads(json.dumps(exported.to_json()))["kept"] == exported.kept
    if "," not in "".join(one.phrase.text for one in phrases):  # else read back as two
        assert len(written(exported)) == exported.kept


@pytest.mark.parametrize("target", TARGETS)
@given(order=st.permutations(["meg bauer", "jones", "kitchen light", "o'neill", "south street"]))
@settings(max_examples=20, deadline=None)
def test_the_heaviest_comes_first_whatever_the_order(target: str, order: list[str]) -> None:
    weights = {text: -float(len(text)) for text in order}  # all different
    exported = export(Bias(tuple(phrase(text, weights[text]) for text in order)), target)
    heaviest_first = sorted(order, key=len)
    assert [text.replace("-", " ") for text in written(exported)] == heaviest_first
    assert exported.left_out == {}


@pytest.mark.parametrize("target", TARGETS)
def test_equal_weights_keep_the_order_of_the_bias(target: str) -> None:
    exported = export(Bias((phrase("zoe"), phrase("abe"), phrase("mia"))), target)
    assert written(exported) == ["zoe", "abe", "mia"]


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_left_out_has_a_reason(target: str) -> None:
    phrases = [
        phrase("meg bauer"), phrase(" meg\n bauer\u2028", -2.0), phrase("\t "),
        phrase("a\x00b"), phrase("\ud800"), phrase("nan", math.nan),
    ]  # fmt: skip
    exported = export(Bias((*phrases, *emptied().phrases)), target)
    assert [text.replace("-", " ") for text in written(exported)] == ["meg bauer"]
    assert exported.left_out == {
        Left.GENERIC: len(GENERIC_ANSWERS), Left.UNWEIGHTED: 1, Left.EMPTY: 1, Left.CHARACTERS: 2,
        Left.DUPLICATE: 1,
    }  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
def test_a_bias_that_names_nothing_can_be_sent(target: str) -> None:
    assert export(emptied(), target).kept == 0


@pytest.mark.parametrize("target", ["sherpa-onnx", "nemo"])
def test_a_target_without_a_limit_gets_ours(target: str) -> None:
    exported = export(Bias(tuple(MANY)), target)
    assert (exported.kept, exported.left_out) == (PHRASES_MAX, {Left.NO_ROOM: 5})


def test_an_unknown_target_is_named_wrong() -> None:
    with pytest.raises(InputError, match="known are sherpa-onnx, nemo"):
        export(emptied(), "dragon")


def test_neither_result_nor_content_shows_in_a_repr() -> None:
    for target in TARGETS:
        assert "canary" not in repr(export(Bias((phrase("canary"),)), target))


# ---------------------------------------------------------------- sherpa-onnx


def read_hotwords(text: str) -> list[tuple[str, float]]:
    """As the tool reads its file: words by blanks, a word that begins with a colon is the score."""
    found = []
    for line in text.split("\n")[:-1]:
        words = line.split()
        assert not any(word.startswith((":", "#", "@")) for word in words[:-1])
        found.append((" ".join(words[:-1]), float(words[-1].removeprefix(":"))))
    return found


def test_hotwords_have_scores_by_probability() -> None:
    phrases = [phrase("meg bauer", math.log(0.6)), phrase("jones", math.log(0.3))]
    assert sherpa.hotwords(phrases).content == "meg bauer :2.00\njones :1.50\n"
    assert sherpa.hotwords(phrases, upper=True).text == "MEG BAUER :2.00\nJONES :1.50\n"


@given(phrases=lists())
@settings(max_examples=200, deadline=None)
def test_hotwords_are_read_as_they_were_meant(phrases: list[BiasingPhrase]) -> None:
    exported = sherpa.hotwords(phrases)
    read = read_hotwords(exported.text)
    assert len(read) == exported.kept
    assert all(1.0 <= score <= 2.0 for _, score in read)
    assert [score for _, score in read] == sorted((score for _, score in read), reverse=True)


@pytest.mark.parametrize("text", [":2.0 meg", "meg :9", "#0.5 meg", "@meg"])
def test_words_that_mean_something_else_in_a_hotwords_file_are_left_out(text: str) -> None:
    exported = sherpa.hotwords([phrase(text), phrase("at 5:30")])
    assert (written(exported), exported.left_out) == (["at 5:30"], {Left.CHARACTERS: 1})


# ---------------------------------------------------------------- NeMo


def test_a_biasing_request_is_one_line_of_ascii() -> None:
    exported = nemo.biasing_request([phrase('é "x" \\ 中')], "a.wav")
    assert exported.text.isascii()
    assert exported.text.count("\n") == 1
    assert json.loads(exported.text) == {
        "audio_filepath": "a.wav",
        "biasing_request": {"boosting_model_cfg": {"key_phrases_list": ['é "x" \\ 中']}},
    }


# ---------------------------------------------------------------- Whisper


def test_a_prompt_fills_its_tokens_to_the_edge() -> None:
    """'x' and 222 letters after one blank are 223 tokens at most; one letter more is too many."""
    exact, longer = phrase("q" * whisper.TOKENS_MAX), phrase("q" * (whisper.TOKENS_MAX + 1))
    assert whisper.prompt([exact]).kept == 1
    assert whisper.prompt([longer]).left_out == {Left.NO_ROOM: 1}
    two = [phrase("q" * 200), phrase("q" * 22, -2.0), phrase("q" * 23, -1.5)]  # 200 + "," + 22
    exported = whisper.prompt(two)
    assert (exported.kept, exported.left_out) == (2, {Left.NO_ROOM: 1})
    assert whisper.tokens_at_most(f" {exported.text}") == whisper.TOKENS_MAX


@given(phrases=lists())
@settings(max_examples=200, deadline=None)
def test_a_prompt_never_has_more_tokens_than_are_used(phrases: list[BiasingPhrase]) -> None:
    exported = whisper.prompt(phrases)
    assert whisper.tokens_at_most(f" {exported.text}") <= whisper.TOKENS_MAX
    assert exported.text == exported.text.strip()


def test_a_special_token_is_left_out_of_a_prompt() -> None:
    assert whisper.prompt([phrase("<|endoftext|>")]).left_out == {Left.CHARACTERS: 1}


# ---------------------------------------------------------------- AssemblyAI

LIMIT = assemblyai.AGENT_CONTEXT_CHARS_MAX


def agent_context(phrases: Sequence[BiasingPhrase], reply: str = "") -> str:
    content = assemblyai.agent_context(phrases, reply).content
    assert isinstance(content, dict)
    return str(content["agent_context"])


def test_the_agent_context_begins_with_the_reply() -> None:
    text = agent_context([phrase("meg bauer"), phrase("jones")], "Meg Jones\nor Meg Bauer?")
    assert text == "Meg Jones or Meg Bauer? meg bauer, jones"
    assert agent_context([], "Which Meg?") == "Which Meg?"


def test_the_agent_context_is_full_to_the_edge() -> None:
    assert len(agent_context([phrase("x" * LIMIT)])) == LIMIT
    assert agent_context([phrase("x" * (LIMIT + 1))]) == ""
    assert (
        len(agent_context([phrase("\U0001f600" * (LIMIT // 2))]).encode("utf-16-le")) == 2 * LIMIT
    )
    assert agent_context([phrase("\U0001f600" * (LIMIT // 2 + 1))]) == ""
    reply = "x" * (LIMIT - 5)
    assert agent_context([phrase("jone"), phrase("jones", -2.0)], reply) == f"{reply} jone"
    assert agent_context([phrase("jones")], "x" * LIMIT) == "x" * LIMIT
    assert agent_context([phrase("jones")], "x" * (LIMIT + 1)) == "jones", "nor is a reply cut"


@given(phrases=lists(30), reply=st.text(st.characters(exclude_categories=()), max_size=2_000))
@settings(max_examples=200, deadline=None)
def test_the_agent_context_never_cancels_the_session(
    phrases: list[BiasingPhrase], reply: str
) -> None:
    assert len(agent_context(phrases, reply).encode("utf-16-le")) <= 2 * LIMIT


# ---------------------------------------------------------------- Alexa Skills Kit


def test_dynamic_entities_stand_under_their_slot_types() -> None:
    phrases = [
        phrase("meg bauer", -1.0, "contact"), phrase("kitchen", -2.0, ""),
        phrase("jones", -3.0, "contact"), phrase("hall", -4.0, "a room"),
    ]  # fmt: skip
    exported = ask.dynamic_entities(phrases)
    assert isinstance(exported.content, dict)
    assert [kind["name"] for kind in exported.content["types"]] == ["contact", ask.DEFAULT_TYPE]
    assert written(exported) == ["meg bauer", "jones", "kitchen", "hall"]
    body = UpdateDynamicEntities.model_validate(exported.content)
    assert body.by_kind == (
        ("contact", {"meg bauer": short_hash("meg bauer"), "jones": short_hash("jones")}),
        (ask.DEFAULT_TYPE, {"kitchen": short_hash("kitchen"), "hall": short_hash("hall")}),
    )


def test_dynamic_entities_are_a_hundred_at_most() -> None:
    assert ask.dynamic_entities(MANY[: ask.VALUES_MAX]).kept == ask.VALUES_MAX
    exported = ask.dynamic_entities(MANY)
    assert written(exported) == [one.phrase.text for one in MANY[: ask.VALUES_MAX]]
    assert exported.left_out == {Left.NO_ROOM: len(MANY) - ask.VALUES_MAX}
    edge = [phrase("x" * ask.VALUE_CHARS_MAX), phrase("y" * (ask.VALUE_CHARS_MAX + 1))]
    assert ask.dynamic_entities(edge).left_out == {Left.TOO_LONG: 1}


def test_without_names_the_directive_clears() -> None:
    content = ask.dynamic_entities([]).content
    assert isinstance(content, dict)
    assert (content["updateBehavior"], content["types"]) == ("CLEAR", [])


# ---------------------------------------------------------------- Amazon Transcribe

VOCABULARIES: list[Callable[[Sequence[BiasingPhrase]], Exported]] = [
    transcribe.table,
    transcribe.phrase_list,
]


def test_a_table_shows_the_text_and_spells_its_numbers() -> None:
    phrases = [phrase("Meg Bauer"), phrase("2nd street"), phrase("7up"), phrase("o'neill st.")]
    assert transcribe.table(phrases).content == (
        "Phrase\tSoundsLike\tIPA\tDisplayAs\n"
        "Meg-Bauer\t\t\tMeg Bauer\n"
        "second-street\t\t\t2nd street\n"
        "seven-up\t\t\t7up\n"
        "o'neill-st.\t\t\to'neill st.\n"
    )
    for vocabulary in VOCABULARIES:
        exported = vocabulary([*phrases, phrase("second street", -2.0)])
        assert written(exported) == ["Meg-Bauer", "second-street", "seven-up", "o'neill-st."]
        assert exported.left_out == {Left.DUPLICATE: 1}


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
@pytest.mark.parametrize("text", ["beyoncé", "a & b", "a,b", "x - y", "...", "Ⅷ", "٣", "c++"])
def test_other_characters_are_left_out_of_a_vocabulary(
    vocabulary: Callable[[Sequence[BiasingPhrase]], Exported], text: str
) -> None:
    assert vocabulary([phrase(text)]).left_out == {Left.CHARACTERS: 1}


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_a_vocabulary_is_full_to_the_edge(
    vocabulary: Callable[[Sequence[BiasingPhrase]], Exported],
) -> None:
    longest = transcribe.ENTRY_CHARS_MAX
    edge = vocabulary([phrase("x" * longest), phrase("y" * (longest + 1)), phrase("12345 " * 20)])
    assert (edge.kept, edge.left_out) == (1, {Left.TOO_LONG: 2}), "the last one when it is spelled"
    header, fixed, twice = (len(transcribe.HEADER), 4, 2) if "\t" in edge.text else (0, 1, 1)
    digits = [f"{number:0250}" for number in range(300)]
    names = [phrase("".join("abcdefghij"[int(digit)] for digit in text)) for text in digits]
    kept, left = divmod(transcribe.VOCABULARY_BYTES_MAX - header, 250 * twice + fixed)
    last = (left - fixed) // twice
    for length, fits in ((last, True), (last + 1, False)):
        exported = vocabulary([*names[:kept], phrase("z" * length, -2.0)])
        assert exported.kept == kept + fits
        assert exported.left_out == ({} if fits else {Left.NO_ROOM: 1})
    assert vocabulary(names).left_out == {Left.NO_ROOM: len(names) - kept}


@given(phrases=lists())
@settings(max_examples=200, deadline=None)
def test_a_table_has_four_columns_and_allowed_characters(phrases: list[BiasingPhrase]) -> None:
    header, *rows, end = transcribe.table(phrases).text.split("\n")
    assert (header.split("\t"), end) == (["Phrase", "SoundsLike", "IPA", "DisplayAs"], "")
    names = [row.split("\t")[0] for row in rows]
    assert len(set(names)) == len(names)
    for row in rows:
        name, sounds, ipa, shown = row.split("\t")
        assert sounds == ipa == ""
        assert set(name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'-.")
        assert 0 < len(name) <= transcribe.ENTRY_CHARS_MAX
        assert 0 < len(shown) <= transcribe.ENTRY_CHARS_MAX


# ---------------------------------------------------------------- the command


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    path = tmp_path / "asked.yaml"
    path.write_text("reply: Do you mean Meg Jones or Meg Bauer?\n", encoding="utf-8")
    return path


def run_export(*arguments: object) -> Any:
    from ctxasr.cli.export import export as command

    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, [str(one) for one in arguments])


def test_the_command_knows_every_target() -> None:
    from ctxasr.cli.export import Target

    assert [target.value for target in Target] == list(TARGETS)


def test_the_command_prints_the_file_and_counts_what_is_not_in_it(asked: Path) -> None:
    done = run_export("--format", "sherpa-onnx", "--context", asked)
    assert done.exit_code == 0, done.exception
    assert {name for name, _ in read_hotwords(done.stdout)} == {
        "meg jones", "meg bauer", "jones", "bauer",
    }  # fmt: skip
    assert done.stderr == f"ctxasr: left out: {len(GENERIC_ANSWERS)} {Left.GENERIC}\n"


def test_the_command_prints_json(asked: Path) -> None:
    done = run_export("--format", "assemblyai", "--context", asked, "--json")
    found = json.loads(done.stdout)
    assert found["kept"] == 4
    assert found["left_out"] == {"generic": len(GENERIC_ANSWERS)}
    assert found["content"]["agent_context"].startswith("Do you mean Meg Jones or Meg Bauer? ")
    assert done.stderr == ""
