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

from ctxasr.bias import GENERIC_ANSWERS, Bias, BiasingPhrase, generic_alone
from ctxasr.context import CONTEXT_PHRASES_MAX
from ctxasr.envelopes import UpdateDynamicEntities
from ctxasr.errors import InputError
from ctxasr.events import short_hash
from ctxasr.gateway.export import (
    ask,
    assemblyai,
    azure,
    deepgram,
    google,
    lex,
    nemo,
    sherpa,
    speechmatics,
    transcribe,
    whisper,
    wyoming,
)
from ctxasr.gateway.export.choose import Case, Exported, Left, Options
from ctxasr.gateway.export.replies import end_of
from ctxasr.gateway.export.targets import TARGETS, export
from ctxasr.hints import HINTS_MAX, hints_of
from ctxasr.hypotheses import PHRASES_MAX, Phrase
from ctxasr.speech.articulation import PHONES
from ctxasr.speech.pronounce import Pronouncer


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
            names = [value["name"] for kind in content["types"] for value in kind["values"]]
            return [text for name in names for text in (name["value"], *name["synonyms"])]
        case "transcribe-table":
            return [row.split("\t")[0] for row in content.split("\n")[1:-1]]
        case "transcribe-phrases":
            return list(content["Phrases"])
        case "wyoming":
            return list(content["transcript_names"])
        case "assemblyai":
            return list(content["keyterms_prompt"])
        case "deepgram":
            return list(content["keyterms"])
        case "google":
            return [one["value"] for one in content["phrases"]]
        case "azure":
            return list(content["phraseList"]["phrases"])
        case "speechmatics":
            return [one["content"] for one in content["additional_vocab"]]
        case "lex":
            slots = [slot for hints in content["slotHints"].values() for slot in hints.values()]
            return [one["phrase"] for slot in slots for one in slot["runtimeHintValues"]]
    return content.split(", ") if content else []


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
    exported = export(Bias((*phrases, *generic_alone().phrases)), target)
    assert [text.replace("-", " ") for text in written(exported)] == ["meg bauer"]
    assert exported.left_out == {
        Left.GENERIC: len(GENERIC_ANSWERS), Left.UNWEIGHTED: 1, Left.EMPTY: 1, Left.CHARACTERS: 2,
        Left.DUPLICATE: 1,
    }  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
def test_a_bias_that_names_nothing_can_be_sent(target: str) -> None:
    assert export(generic_alone(), target).kept == 0


def test_what_the_context_had_no_room_for_is_counted_along() -> None:
    for target in TARGETS:
        exported = export(Bias((phrase("meg"),)), target, context_left_out=7)
        assert exported.left_out == {Left.CONTEXT: 7}
        assert exported.to_json()["left_out"] == {"context": 7}
        assert exported.reasons == "context=7"


@pytest.mark.parametrize("target", TARGETS)
def test_a_phrase_keeps_its_spelling(target: str) -> None:
    named = BiasingPhrase(Phrase("meg bauer", "entities", "contact", "Meg Bauer", "c7"), -1.0)
    assert [text.replace("-", " ") for text in written(export(Bias((named,)), target))] == [
        "Meg Bauer"
    ]


@pytest.mark.parametrize("target", ["sherpa-onnx", "nemo"])
def test_a_target_without_a_limit_gets_ours(target: str) -> None:
    exported = export(Bias(tuple(MANY)), target)
    assert (exported.kept, exported.left_out) == (PHRASES_MAX, {Left.NO_ROOM: 5})


def test_an_unknown_target_is_named_wrong() -> None:
    with pytest.raises(InputError, match="known are sherpa-onnx, nemo"):
        export(generic_alone(), "dragon")


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
    upper = sherpa.hotwords(phrases, Options(case=Case.UPPER))
    assert upper.text == "MEG BAUER :2.00\nJONES :1.50\n"


@pytest.mark.parametrize(
    ("case", "text"),
    [
        (Case.WRITTEN, "No. 10 AT&T St."),
        (Case.UPPER, "NUMBER TEN A T AND T STREET"),
        (Case.LOWER, "number ten a t and t street"),
    ],
)
def test_words_have_the_case_of_the_models_tokens(case: Case, text: str) -> None:
    """Such tokens have no punctuation either: a hotword with a full stop would be passed over."""
    written_so = "No. 10 AT&T St."
    named = BiasingPhrase(Phrase("no 10 at and t st", "entities", "", written_so), -1.0)
    assert written(sherpa.hotwords([named], Options(case=case))) == [text]
    assert written(nemo.biasing_request([named], Options(case=case))) == [text]


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
    exported = nemo.biasing_request([phrase('é "x" \\ 中')], audio_filepath="a.wav")
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


def test_a_prompt_begins_with_the_reply_and_has_whole_names() -> None:
    reply = "Do you mean Meg Jones\nor Meg Bauer?"
    phrases = [phrase("Bauer", -0.5), phrase("Meg Bauer"), phrase("Meg Jones"), phrase("Jones")]
    exported = whisper.prompt(phrases, Options(reply))
    assert exported.text == "Do you mean Meg Jones or Meg Bauer? Meg Bauer, Meg Jones"
    assert exported.left_out == {Left.WITHIN: 2}
    assert whisper.prompt([], Options(reply)).text == "Do you mean Meg Jones or Meg Bauer?"
    lonely = [phrase("x" * 300), phrase("xx", -2.0)]
    assert whisper.prompt(lonely).text == "xx", "no part of one that is in"


def test_of_a_long_reply_the_last_sentences_stand() -> None:
    half = whisper.REPLY_TOKENS_MAX
    long = f"{'I found two of them. ' * 20}Which Meg?"
    text = whisper.prompt([phrase("Meg Bauer")], Options(long)).text
    assert text.endswith(" Which Meg? Meg Bauer")
    assert text.startswith("I found two of them. ")
    assert whisper.tokens_at_most(f" {text.removesuffix(' Meg Bauer')}") <= half
    for letters, stands in ((half, True), (half + 1, False)):
        text = whisper.prompt([phrase("Meg")], Options("q" * letters)).text
        assert text == (f"{'q' * letters} Meg" if stands else "Meg")
    assert whisper.prompt([phrase("Meg")], Options("<|endoftext|>")).text == "Meg"


@pytest.mark.parametrize(
    ("reply", "chars", "end"),
    [
        ("Sure. Which one?", 16, "Sure. Which one?"),
        ("Sure. Which one?", 15, "Which one?"),
        ('He said "no." Which one?', 12, "Which one?"),
        ("Sure. Which one?", 9, ""),
        ("Meg  Jones\nor Meg Bauer", 22, "Meg Jones or Meg Bauer"),
        ("", 0, ""),
        ("half \ud83d", 6, "half ?"),
    ],
)
def test_a_reply_is_cut_between_sentences(reply: str, chars: int, end: str) -> None:
    assert end_of(reply, lambda text: len(text) <= chars) == end


# ---------------------------------------------------------------- AssemblyAI

LIMIT = assemblyai.AGENT_CONTEXT_CHARS_MAX


def update(phrases: Sequence[BiasingPhrase], reply: str = "") -> dict[str, Any]:
    content = assemblyai.update_configuration(phrases, Options(reply)).content
    assert isinstance(content, dict)
    return content


def test_the_reply_and_the_terms_have_fields_of_their_own() -> None:
    assert update([phrase("Meg Bauer"), phrase("Jones")], "Meg Jones\nor Meg Bauer?") == {
        "type": "UpdateConfiguration",
        "agent_context": "Meg Jones or Meg Bauer?",
        "keyterms_prompt": ["Meg Bauer", "Jones"],
    }
    assert "agent_context" not in update([phrase("Jones")]), "an earlier one stays"


def test_the_agent_context_is_full_to_the_edge() -> None:
    assert update([], "x" * LIMIT)["agent_context"] == "x" * LIMIT
    assert "agent_context" not in update([], "x" * (LIMIT + 1)), "no word is cut"
    assert update([], f"{'x' * LIMIT}. Which?")["agent_context"] == "Which?"
    smile = "\U0001f600"
    assert update([], smile * (LIMIT // 2))["agent_context"] == smile * (LIMIT // 2)
    assert "agent_context" not in update([], smile * (LIMIT // 2 + 1))


def test_terms_are_a_hundred_at_most_of_fifty_characters() -> None:
    exported = assemblyai.update_configuration(MANY)
    assert exported.left_out == {Left.NO_ROOM: len(MANY) - assemblyai.KEYTERMS_MAX}
    longest = assemblyai.KEYTERM_CHARS_MAX
    edge = assemblyai.update_configuration([phrase("x" * longest), phrase("y" * (longest + 1))])
    assert (edge.kept, edge.left_out) == (1, {Left.TOO_LONG: 1})


@given(phrases=lists(30), reply=st.text(st.characters(exclude_categories=()), max_size=2_000))
@settings(max_examples=200, deadline=None)
def test_the_agent_context_never_cancels_the_session(
    phrases: list[BiasingPhrase], reply: str
) -> None:
    sent = update(phrases, reply).get("agent_context", "")
    assert len(sent.encode("utf-16-le")) <= 2 * LIMIT


# ---------------------------------------------------------------- Deepgram, Google, Azure


def test_keyterms_have_at_most_500_tokens_and_are_100() -> None:
    exact = [phrase("x" * 300), phrase("y" * 200, -2.0), phrase("z", -3.0)]
    exported = deepgram.configure(exact)
    assert (exported.kept, exported.left_out) == (2, {Left.NO_ROOM: 1})
    assert sum(len(text) for text in written(exported)) == deepgram.TOKENS_MAX
    short = [phrase(f"{number:03}") for number in range(deepgram.KEYTERMS_MAX + 1)]
    assert deepgram.configure(short).left_out == {Left.NO_ROOM: 1}
    assert deepgram.configure([]).content == {"type": "Configure", "keyterms": []}
    assert deepgram.configure([phrase("é" * 250)]).kept == 1
    assert deepgram.configure([phrase("é" * 251)]).kept == 0, "bytes, not characters"


def test_a_phrase_set_has_boosts_by_probability() -> None:
    phrases = [phrase("Meg Bauer", math.log(0.6)), phrase("Jones", math.log(0.3))]
    assert google.phrase_set(phrases).content == {
        "phrases": [{"value": "Meg Bauer", "boost": 20.0}, {"value": "Jones", "boost": 15.0}]
    }
    longest = google.PHRASE_CHARS_MAX
    edge = google.phrase_set([phrase("x" * longest), phrase("y" * (longest + 1))])
    assert edge.left_out == {Left.TOO_LONG: 1}
    assert google.phrase_set(MANY).kept == len(MANY) <= google.SET_PHRASES_MAX
    full = [phrase(f"{number:0100}") for number in range(google.SET_CHARS_MAX // 100 + 1)]
    assert google.phrase_set(full).left_out == {Left.NO_ROOM: 1}
    signs = [phrase(one) for one in ("A$AP", "$5 meal", "Ty Dolla $ign", "$MONTH", "${own}")]
    assert google.phrase_set(signs).left_out == {Left.CHARACTERS: 2}
    infinite = google.phrase_set([phrase("a", math.inf), phrase("b", -math.inf)]).content
    assert isinstance(infinite, dict)
    assert [one["boost"] for one in infinite["phrases"]] == [20.0, 10.0]


def test_a_phrase_list_has_500_phrases_at_most() -> None:
    exported = azure.phrase_list(MANY)
    assert exported.kept == azure.LIST_PHRASES_MAX
    assert exported.left_out == {Left.NO_ROOM: len(MANY) - azure.LIST_PHRASES_MAX}


# ---------------------------------------------------------------- Wyoming, Speechmatics


def test_transcript_names_are_what_the_released_package_sends_on() -> None:
    from wyoming_peer import Event, Transcribe

    phrases = [phrase("Bauer", -0.1), phrase("Meg Bauer"), phrase("Meg Jones")]
    exported = wyoming.transcript_names(phrases)
    assert isinstance(exported.content, dict)
    sent = Transcribe.from_event(Event("transcribe", exported.content))
    assert sent.transcript_names == ["Meg Bauer", "Meg Jones"]
    assert exported.left_out == {Left.WITHIN: 1}
    assert hints_of(sent.transcript_names, ()).left_out == 0
    full = wyoming.transcript_names(MANY)
    assert full.left_out == {Left.NO_ROOM: len(MANY) - HINTS_MAX}


def test_what_no_dictionary_holds_is_spelled_as_it_sounds() -> None:
    model = Pronouncer({"xyzzy": ["Z IH Z IY", "K S IH Z"], "quux": "K W AH K S"})
    assert speechmatics.sounds_like("meg bauer", Pronouncer()) == []
    assert speechmatics.sounds_like("50 cent", Pronouncer()) == [], "numbers are read by anybody"
    assert model.knows("xyzzy")
    for name, said in (("Rocky IV", "rocky four"), ("WWE", "w w e"), ("St. James", "saint james")):
        assert speechmatics.sounds_like(name, Pronouncer()) == [said]
    guess = speechmatics.sounds_like("meg thessaly", Pronouncer())
    assert all(one.startswith("meg th") and one.replace(" ", "").isalpha() for one in guess)
    assert 1 <= len(guess) <= speechmatics.SOUNDS_LIKE_MAX
    items = speechmatics.additional_vocab([phrase("Meg Bauer"), phrase("Thessaly")]).content
    assert isinstance(items, dict)
    assert items["additional_vocab"][0] == {"content": "Meg Bauer"}
    assert items["additional_vocab"][1]["sounds_like"][0].startswith("th")
    assert set(speechmatics.SPELLINGS) == set(PHONES)
    most = speechmatics.additional_vocab(MANY)
    assert most.left_out == {Left.NO_ROOM: len(MANY) - speechmatics.VOCABULARY_ITEMS_MAX}


# ---------------------------------------------------------------- Lex


def test_hints_stand_under_their_intent_and_slot() -> None:
    phrases = [phrase("Meg Bauer"), phrase("kitchen", -2.0, "a room"), phrase("Otto", -3.0)]
    exported = lex.runtime_hints(phrases, Options(intent="CallContact"))
    assert exported.content == {"slotHints": {"CallContact": {
        "contact": {"runtimeHintValues": [{"phrase": "Meg Bauer"}, {"phrase": "Otto"}]},
        lex.DEFAULT_SLOT: {"runtimeHintValues": [{"phrase": "kitchen"}]},
    }}}  # fmt: skip
    assert lex.runtime_hints([]).content == {"slotHints": {}}
    for wrong in ("a b", "-a", "a__b", "x" * (lex.NAME_CHARS_MAX + 1)):
        with pytest.raises(InputError, match="--intent"):
            lex.runtime_hints(phrases, Options(intent=wrong))
    assert lex.runtime_hints(phrases, Options(intent="x" * lex.NAME_CHARS_MAX)).kept == 3


def test_a_slot_has_a_hundred_hints_at_most_and_there_are_a_hundred_slots() -> None:
    exported = lex.runtime_hints(MANY[:300])
    assert exported.left_out == {Left.NO_ROOM: 300 - lex.SLOT_VALUES_MAX}
    slots = [phrase(f"n {n}", kind=f"slot{n}") for n in range(lex.SLOTS_MAX + 1)]
    assert lex.runtime_hints(slots).left_out == {Left.NO_ROOM: 1}
    longest = lex.PHRASE_CHARS_MAX
    edge = lex.runtime_hints([phrase("x" * longest), phrase("y" * (longest + 1))])
    assert edge.left_out == {Left.TOO_LONG: 1}


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


def test_one_thing_is_one_value_with_its_synonyms_and_the_callers_id() -> None:
    def named(text: str, known: str, log_prior: float = -1.0) -> BiasingPhrase:
        return BiasingPhrase(Phrase(text.lower(), "entities", "contact", text, known), log_prior)

    phrases = [
        named("Meg Bauer", "c7"), named("Meggie", "c7", -0.1), named("Meg Jones", "c8"),
        named("Otto Katz", ""), named("Bauer", "c7"), named("Katz", ""), named("Jones", "c8"),
    ]  # fmt: skip
    content = ask.dynamic_entities(phrases).content
    assert isinstance(content, dict)
    (contacts,) = content["types"]
    assert contacts["values"] == [
        {"id": "c7", "name": {"value": "Meg Bauer", "synonyms": ["Meggie", "Bauer"]}},
        {"id": "c8", "name": {"value": "Meg Jones", "synonyms": ["Jones"]}},
        {"id": short_hash("Otto Katz"), "name": {"value": "Otto Katz", "synonyms": ["Katz"]}},
    ]


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
        assert written(vocabulary([phrase("7-Eleven")])) == ["seven-Eleven"]


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
        "Meg Jones", "Meg Bauer", "Jones", "Bauer",
    }  # fmt: skip
    assert done.stderr == f"ctxasr: left out: {len(GENERIC_ANSWERS)} {Left.GENERIC}\n"


def test_the_command_writes_the_case_of_the_models_tokens(asked: Path) -> None:
    done = run_export("--format", "sherpa-onnx", "--case", "upper", "--context", asked)
    assert {name for name, _ in read_hotwords(done.stdout)} == {
        "MEG JONES", "MEG BAUER", "JONES", "BAUER",
    }  # fmt: skip


def test_the_command_names_the_intent(asked: Path) -> None:
    done = run_export("--format", "lex", "--intent", "CallContact", "--context", asked)
    assert list(json.loads(done.stdout)["slotHints"]) == ["CallContact"]


def test_the_command_prints_json(asked: Path) -> None:
    done = run_export("--format", "assemblyai", "--context", asked, "--json")
    found = json.loads(done.stdout)
    assert found["kept"] == 4
    assert found["left_out"] == {"generic": len(GENERIC_ANSWERS)}
    assert found["content"]["agent_context"] == "Do you mean Meg Jones or Meg Bauer?"
    assert done.stderr == ""


def test_names_past_what_a_context_holds_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "asked.yaml"
    names = ", ".join(f"Name{number:03}" for number in range(CONTEXT_PHRASES_MAX + 9))
    path.write_text(f"screen: [{names}]\n")
    done = run_export("--format", "azure", "--context", path, "--json")
    found = json.loads(done.stdout)
    assert (found["kept"], found["left_out"]["context"]) == (CONTEXT_PHRASES_MAX, 9)
    done = run_export("--format", "whisper", "--context", path)
    assert f"left out: 9 {Left.CONTEXT}\n" in done.stderr
