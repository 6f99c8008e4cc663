"""The running sequence and the embedding's bytes: own dialogue only, bounded, and read back."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from conftest import START_MS, TTL_S, Encoder, World, recognize, record, run, turn
from safetensors.numpy import load, save

from ctxasr.bias import Named, taken_apart
from ctxasr.context import (
    CONTEXT_PHRASES_MAX,
    CONTEXT_TEXT_BYTES_MAX,
    HALF_MAX,
    NAMES_AT_ONCE,
    TURNS_KEPT,
    ContextEmbedding,
    compute,
    extend,
    to_turn_text,
    within_limits,
)
from ctxasr.errors import ContextUnavailable
from ctxasr.events import (
    KIND_CHARS_MAX,
    TEXT_BYTES_MAX,
    Entity,
    Outcome,
    Payload,
    PayloadKind,
    PayloadRef,
    Record,
    TurnKey,
    TurnText,
)
from ctxasr.hypotheses import PHRASE_CHARS_MAX, Phrase
from ctxasr.payloads import PAYLOADS_AT_ONCE, TRIGGER_BYTES_MAX, TRIGGER_PAYLOADS_MAX
from ctxasr.pipeline import context_ref
from ctxasr.ports import Clock, Matrix, Vector
from ctxasr.store.memory import MemoryVault
from ctxasr.store.schema import PAYLOAD_BYTES_MAX, absent
from ctxasr.timing import spoken_ms
from ctxasr.windows import window_of
from ctxasr.words import normalise, words_in

PHRASES = (
    Phrase("meg bauer", "entities", "contact", "Meg Bauer", "c7"),
    Phrase("zoë", "reply"),
)


def embedding(
    turns: int = 2, phrases: tuple[Phrase, ...] = PHRASES, d: int = 3
) -> ContextEmbedding:
    numbers = np.random.default_rng(7)
    vectors = numbers.normal(size=(turns, d)).astype(np.float32)
    rows = numbers.normal(size=(len(phrases) + 1, d)).astype(np.float16).astype(np.float32)
    return ContextEmbedding(vectors, phrases, rows, "letters", 12.5, 1_700_000_000_000.0)


# ---------------------------------------------------------------- the running sequence


def dialogue(name: str, turns: int) -> list[list[Record]]:
    """Turns that ask and answer one another; the first letter of an utterance is its number."""
    found = []
    for number in range(turns):
        asked_with = f"ask-{name}-{number - 1}" if number else None
        found.append(
            list(
                turn(
                    f"{name}-{number}",
                    asked_with=asked_with,
                    utterance=f"{chr(65 + number)} {name}",
                    names=[f"{name.title()} Name{number}"],
                    device=name,
                ).values()
            )
        )
    return found


def test_a_context_holds_its_own_dialogue_oldest_first() -> None:
    """Two dialogues of one customer, turn by turn in between each other."""

    async def main() -> None:
        world = World()
        for mine, theirs in zip(dialogue("left", 3), dialogue("right", 3), strict=True):
            await world.deliver([*mine, *theirs])
        context = await world.context("left-2")
        assert context.vectors[:, 1].tolist() == [ord("A"), ord("B"), ord("C")]
        assert context.vectors[:, 2].tolist() == [0, 1, 2], "each saw the turns before it alone"
        names = [phrase.text for phrase in context.phrases if phrase.text.startswith("left name")]
        assert names == ["left name2", "left name1", "left name0"], "newest first"
        assert not [phrase for phrase in context.phrases if "right" in phrase.text]
        assert len({phrase.text for phrase in context.phrases}) == len(context.phrases)

    run(main())


def test_a_turn_that_was_not_asked_begins_anew() -> None:
    async def main() -> None:
        world = World()
        await world.deliver(dialogue("left", 1)[0])
        for token in (None, "ask-nobody", "ask-fresh"):  # the last one is its own
            await world.deliver(list(turn(f"fresh{token}", asked_with=token).values()))
            assert len((await world.context(f"fresh{token}")).vectors) == 1

    run(main())


def test_a_context_knows_nothing_of_the_future() -> None:
    """The answer comes first, and asks for the turn that is embedded only later."""

    async def main() -> None:
        world = World()
        first, second = dialogue("left", 2)
        await world.deliver([*second, *first])
        assert len((await world.context("left-1")).vectors) == 1
        assert len((await world.context("left-0")).vectors) == 1

    run(main())


def test_turns_kept_at_its_edge() -> None:
    async def main() -> None:
        world = World()
        for records in dialogue("left", TURNS_KEPT + 2):
            await world.deliver(records)
        full = await world.context(f"left-{TURNS_KEPT - 1}")
        assert full.vectors[:, 1].tolist() == [65 + n for n in range(TURNS_KEPT)]
        last = await world.context(f"left-{TURNS_KEPT + 1}")
        assert last.vectors[:, 1].tolist() == [65 + n for n in range(2, TURNS_KEPT + 2)]

    run(main())


def test_context_phrases_max_at_its_edge() -> None:
    async def main() -> None:
        world = World()
        names = [f"N{number}x" for number in range(CONTEXT_PHRASES_MAX + 40)]
        await world.deliver(list(turn("many", names=names).values()))
        context = await world.context("many")
        expected = [normalise(name) for name in names[:CONTEXT_PHRASES_MAX]]
        assert [phrase.text for phrase in context.phrases] == expected
        following = turn("next", asked_with="ask-many", names=["Newest"])
        await world.deliver(list(following.values()))
        texts = [phrase.text for phrase in (await world.context("next")).phrases]
        assert len(texts) == CONTEXT_PHRASES_MAX
        assert texts[0] == "newest", "the oldest make room"

    run(main())


class Wider(Encoder):
    """A model with longer vectors; those of the other one must not reach it."""

    def __init__(self) -> None:
        super().__init__(dimensions=5)

    async def encode(self, turn: TurnText, past: Matrix) -> Vector:
        assert past.shape == (0, 5)
        return np.ones(5, np.float32)


def test_a_context_of_another_models_width_is_left_out() -> None:
    async def main() -> None:
        world = World()
        first, second = dialogue("left", 2)
        await world.deliver(first)
        world.ports = replace(world.ports, encoder=Wider())
        await world.deliver(second)
        assert (await world.context("left-1")).vectors.shape == (1, 5)

    run(main())


def test_the_answer_is_found_through_the_token_alone() -> None:
    async def main() -> None:
        world = World()
        await world.deliver(dialogue("left", 1)[0])
        result = await world.answer(recognize("any", "ask-left-0"), "x")
        assert result.listening.context is not None
        assert "left name0" in {phrase.text for phrase in result.listening.context.phrases}

    run(main())


def test_names_that_english_cannot_say_are_counted() -> None:
    async def main() -> None:
        world = World()
        await world.deliver(list(turn(names=("Meg Bauer", "北京", "🙂", "Zoë", "...")).values()))
        context = await world.context()
        assert context.unpronounceable == 3
        assert "北京" in {phrase.text for phrase in context.phrases}, "it may still be written"
        result = await world.answer(recognize("turn-2", "ask-turn-1"), "power")
        assert result.unpronounceable == 3

    run(main())


def test_thousands_of_names_are_cut_before_they_hold_up_the_loop() -> None:
    place, key = PayloadRef(PayloadKind.ENTITIES, "1"), TurnKey("c", "i")
    texts = tuple(f"name {number}" for number in range(500))
    payloads = [Payload(key, place, texts, TTL_S, "contact") for _ in range(16)]
    found = to_turn_text(payloads)
    assert [entity.text for entity in found.entities] == list(texts[:CONTEXT_PHRASES_MAX])
    assert found.left_out == len(texts) - CONTEXT_PHRASES_MAX, "a name that comes again is no other"
    other = Payload(key, place, ("other", *texts[:300]), TTL_S, "contact")
    assert to_turn_text([other, *payloads]).entities[0].text == "other"
    same = Payload(key, place, texts[:1] * 500, TTL_S, "contact")
    assert len(to_turn_text([same, other]).entities) == CONTEXT_PHRASES_MAX, "places are for others"
    screen = Payload(key, PayloadRef(PayloadKind.SCREEN, "1"), texts, TTL_S)
    assert len(to_turn_text([screen]).screen) == CONTEXT_PHRASES_MAX
    assert to_turn_text([screen]).left_out == len(texts) - CONTEXT_PHRASES_MAX


class Counted(MemoryVault):
    """Keeps what each read asked for."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.reads: list[list[PayloadRef]] = []

    async def get(
        self, wrapped_key: bytes, turn: TurnKey, refs: Sequence[PayloadRef]
    ) -> list[Payload]:
        self.reads.append(list(refs))
        return await super().get(wrapped_key, turn, refs)


async def context_of(texts: Sequence[Sequence[str]]) -> tuple[ContextEmbedding, Counted]:
    """Of a turn that lies there with a payload of entities for each of `texts`."""
    world = World()
    vault, key = Counted(world.clock), TurnKey("customer", "turn-1")
    wrapped, expires_at_s = await vault.new_key(key), START_MS // 1_000 + TTL_S
    said: list[tuple[PayloadKind, str, Sequence[str]]] = [
        (PayloadKind.UTTERANCE, "0", ["call meg"]),
        (PayloadKind.REPLY, "0", ["Which Meg?"]),
    ]
    said += [(PayloadKind.ENTITIES, f"{number:04}", held) for number, held in enumerate(texts)]
    refs = [PayloadRef(kind, number) for kind, number, _ in said]
    for ref, (_, _, held) in zip(refs, said, strict=True):
        await vault.put(wrapped, Payload(key, ref, tuple(held), int(expires_at_s), "contact"))
    status = absent(key)._replace(refs=frozenset(refs), wrapped_key=wrapped)
    return await compute(status, world.store, vault, world.encoder), vault


def test_a_trigger_reads_so_many_payloads_whatever_lies_there() -> None:
    async def main() -> None:
        spare = TRIGGER_PAYLOADS_MAX - 2  # utterance and reply
        context, vault = await context_of([[f"N{n}x"] for n in range(spare)])
        assert context.left_out == 0
        assert max(map(len, vault.reads)) == PAYLOADS_AT_ONCE
        context, vault = await context_of([[f"N{n}x"] for n in range(spare + 86)])
        assert sum(map(len, vault.reads)) == TRIGGER_PAYLOADS_MAX
        assert context.left_out == 86
        kinds = {ref.kind for ref in vault.reads[0][:2]}
        assert kinds == {PayloadKind.UTTERANCE, PayloadKind.REPLY}, "before all others"
        assert "meg" in [phrase.text for phrase in context.phrases], "of the reply"

    run(main())


def test_a_trigger_reads_so_many_bytes_whatever_lies_there() -> None:
    async def main() -> None:
        long = [[f"{n:03}{m:03}{'x' * 190}" for m in range(500)] for n in range(60)]  # 98 kB each
        context, vault = await context_of(long)
        read = sum(map(len, vault.reads))
        assert read == PAYLOADS_AT_ONCE, "the first read passes the limit"
        assert context.left_out > 60 - read
        few = [[f"{n:03}{'x' * 190}"] for n in range(60)]
        assert sum(map(len, (await context_of(few))[1].reads)) == 62
        edge = TRIGGER_BYTES_MAX - len("call megWhich Meg?")
        for size, reads in ((edge - 1, 2), (edge, 1)):
            large = [["x" * 400_000], ["x" * 400_000], ["x" * (size - 800_000)]]
            payloads = [*large, *[[""]] * (PAYLOADS_AT_ONCE - 5), ["last"]]
            assert len((await context_of(payloads))[1].reads) == reads

    run(main())


def test_others_get_their_turn_while_thousands_of_phrases_are_looked_at() -> None:
    """Three hundred long names have three thousand parts; such a kind leaves room for few."""
    names = tuple(
        Entity("\x01" * 256, f"Maria{n} Anna{n} Luisa{n} Berg{n} Hof{n} Lang{n}")
        for n in range(300)
    )
    steps = 0

    async def count() -> None:
        nonlocal steps
        while True:
            steps += 1
            await asyncio.sleep(0)

    async def main() -> None:
        counting = asyncio.create_task(count())
        context = await extend(TurnText("", "", names), None, World().encoder)
        counting.cancel()
        assert 0 < len(context.phrases) < 100
        assert steps > 10

    run(main())


def test_others_get_their_turn_while_long_names_are_taken_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three hundred of two hundred accented characters each took half a second in one go."""
    names = tuple(Entity("contact", f"{n:03}" + "é" * 197) for n in range(300))
    apart: list[str] = []

    def counted(name: Phrase) -> Named:
        apart.append(name.text)
        return taken_apart(name)

    monkeypatch.setattr("ctxasr.context.taken_apart", counted)
    work, most, done = extend(TurnText("", "", names), None, World().encoder), 0, False
    while not done:
        before = len(apart)
        try:
            work.send(None)
        except StopIteration:
            done = True
        most = max(most, len(apart) - before)
    assert apart == [name.text for name in names], "each once"
    assert most == NAMES_AT_ONCE


def replies(*texts: str) -> list[Payload]:
    key = TurnKey("c", "i")
    refs = [PayloadRef(PayloadKind.REPLY, str(number)) for number in range(len(texts))]
    return [Payload(key, ref, (text,), TTL_S) for ref, text in zip(refs, texts, strict=True)]


def test_the_replies_of_a_turn_have_room_for_one_of_the_longest() -> None:
    """A turn may have dozens of them: looking for names in a megabyte took minutes."""
    half = TEXT_BYTES_MAX // 2
    first, last = "é" * (half // 2), "n" * (half - 1)
    both = to_turn_text(replies(first, last))
    assert both.reply == f"{first} {last}"
    assert len(both.reply.encode()) == TEXT_BYTES_MAX
    assert both.left_out == 0
    over = to_turn_text(replies("Meg?", first, last))
    assert (over.reply, over.left_out) == (both.reply, 1), "the last ones are answered"
    longer = to_turn_text(replies(first, last + "n", last + "n"))
    assert (longer.reply, longer.left_out) == (last + "n", 1), "what comes again is no other"
    of_a_newer_version = replies("n" * (TEXT_BYTES_MAX + 1))
    assert to_turn_text(of_a_newer_version).reply == ""
    said = Payload(TurnKey("c", "i"), PayloadRef(PayloadKind.UTTERANCE, "1"), ("n" * 400_000,), 1)
    assert to_turn_text([said]).utterance == ""
    slot = Payload(TurnKey("c", "i"), PayloadRef(PayloadKind.SLOT, "1"), ("s" * 400_000,), 1)
    assert to_turn_text([slot]).slot == "s" * KIND_CHARS_MAX


def test_a_kind_from_an_older_version_is_cut() -> None:
    """Rows outlive deployments: what is refused today may lie in the table."""
    place, key = PayloadRef(PayloadKind.ENTITIES, "1"), TurnKey("c", "i")
    old = Payload(key, place, ("meg",), TTL_S, "k" * 240_000)
    assert to_turn_text([old]).entities[0].kind == "k" * KIND_CHARS_MAX


def test_names_that_a_limit_leaves_out_are_counted() -> None:
    async def main() -> None:
        world = World()
        names = [f"N{number}x" for number in range(CONTEXT_PHRASES_MAX + 40)]
        fitting = names[: CONTEXT_PHRASES_MAX - 2]  # and one on the screen, one in the reply
        await world.deliver(list(turn("full", names=fitting).values()))
        assert (await world.context("full")).left_out == 0
        await world.deliver(list(turn("over", names=names).values()))
        assert (await world.context("over")).left_out == 42
        await world.deliver(list(turn("next", asked_with="ask-full", names=["Newest"]).values()))
        context = await world.context("next")
        assert context.left_out == 3, "newest, meg's and mobile are new"

    run(main())


# ---------------------------------------------------------------- the bytes


def test_an_embedding_reads_back_what_it_wrote() -> None:
    for before in (embedding(), embedding(1, ()), embedding(TURNS_KEPT)):
        after = ContextEmbedding.from_bytes(before.to_bytes())
        assert np.array_equal(after.vectors, before.vectors)
        assert np.array_equal(after.phrase_matrix, before.phrase_matrix)
        assert (after.phrases, after.computed_ms) == (before.phrases, before.computed_ms)
        assert after.vectors.dtype == after.phrase_matrix.dtype == np.float32


def of_version(version: int, names: list[list[str]]) -> bytes:
    """An embedding as a program of another version writes it."""
    arrays = load(embedding(2).to_bytes())
    about = json.loads(arrays["about"].tobytes()) | {"version": version}
    for name, document in (("about", about), ("phrases", names)):
        arrays[name] = np.frombuffer(json.dumps(document).encode(), np.uint8)
    return save(arrays)


def test_the_version_before_is_read_and_the_next_one_is_refused() -> None:
    names = [["meg bauer", "entities", "contact"], ["zoë", "reply", ""]]
    for version, more in ((2, []), (3, ["", ""])):
        before = ContextEmbedding.from_bytes(
            of_version(version, [[*name, *more] for name in names])
        )
        assert before.phrases == (
            Phrase("meg bauer", "entities", "contact"), Phrase("zoë", "reply")
        )  # fmt: skip
    with pytest.raises(ContextUnavailable, match="another format version"):
        ContextEmbedding.from_bytes(
            of_version(5, [[*name, "", "", "", "", "new"] for name in names])
        )


@pytest.mark.parametrize("letter", ["n", "\U00020000", '"', "\x01"])
def test_the_largest_embedding_fits_into_an_item(letter: str) -> None:
    """As many phrases as may be, whatever JSON makes of them, at the shipped encoder's width."""
    phrases = within_limits([Phrase(letter * 80, "entities", letter * 80)] * CONTEXT_PHRASES_MAX)
    blob = embedding(TURNS_KEPT, tuple(phrases), 384).to_bytes()
    assert len(blob) <= PAYLOAD_BYTES_MAX
    assert ContextEmbedding.from_bytes(blob).phrases == tuple(phrases)
    assert (len(phrases) == CONTEXT_PHRASES_MAX) == (letter == "n")


async def test_names_that_would_hold_up_the_event_loop_are_counted_and_not_taken_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three hundred of them, of as many characters as a name may have, took ten seconds."""
    short = {text: words_in(text) for text in ("", "Meg")}  # the turn's reply is empty
    monkeypatch.setattr("ctxasr.bias.words_in", short.__getitem__)
    long = ["\ufdfa" * (PHRASE_CHARS_MAX - 3) + f"{number:03}" for number in range(300)]
    turn = TurnText("", "", tuple(Entity("contact", name) for name in ["Meg", *long]))
    context = await extend(turn, None, World().encoder)
    assert [phrase.text for phrase in context.phrases] == ["meg"]
    assert context.left_out == len(long)


def test_phrases_past_a_limit_are_left_out() -> None:
    many = [Phrase(f"name {number}", "entities") for number in range(CONTEXT_PHRASES_MAX + 1)]
    assert within_limits(many) == many[:-1]
    around = len('[["", "entities", "", "", "", "", ""]]')
    half = CONTEXT_TEXT_BYTES_MAX // 2 - around
    long = [Phrase("n" * half, "entities"), Phrase("m" * half, "entities")]
    assert within_limits(long) == long
    longer = Phrase("n" * (half + 1), "entities")
    assert within_limits([longer, long[1]]) == [longer]
    assert within_limits([longer, *long[1:], *PHRASES]) == [longer, *PHRASES], "passed over"
    endless = Phrase("meg", "entities", "k" * 10_000_000)
    assert within_limits([endless] * CONTEXT_PHRASES_MAX + [PHRASES[0]]) == [PHRASES[0]]


@pytest.mark.parametrize(
    ("vectors", "rows"),
    [
        (np.zeros((0, 3)), np.zeros((3, 3))),
        (np.zeros((TURNS_KEPT + 1, 3)), np.zeros((3, 3))),
        (np.zeros((1, 4)), np.zeros((3, 3))),
        (np.zeros((1, 3)), np.zeros((2, 3))),
        (np.full((1, 3), np.nan), np.zeros((3, 3))),
        (np.zeros((1, 3)), np.full((3, 3), np.nan)),
        (np.zeros((1, 3)), np.full((3, 3), -np.inf)),
        (np.zeros((1, 3)), np.full((3, 3), 2 * HALF_MAX)),
    ],
)
def test_what_does_not_fit_together_is_no_embedding(vectors: Matrix, rows: Matrix) -> None:
    with pytest.raises(ContextUnavailable):
        ContextEmbedding(vectors.astype(np.float32), PHRASES, rows.astype(np.float32))


def test_too_many_phrases_are_no_embedding() -> None:
    many = PHRASES[:1] * CONTEXT_PHRASES_MAX
    assert len(embedding(1, many).phrases) == CONTEXT_PHRASES_MAX
    with pytest.raises(ContextUnavailable):
        embedding(1, PHRASES[:1] * (CONTEXT_PHRASES_MAX + 1))


def test_its_repr_shows_no_phrase() -> None:
    assert repr(embedding()) == "ContextEmbedding(2 turns, 2 phrases)"


@pytest.mark.parametrize("missing", ["utterance", "reply", "entities", "screen"])
def test_what_the_model_reads_is_waited_for(missing: str) -> None:
    async def main() -> None:
        world, records = World(), turn()
        last = records.pop(missing)
        await world.deliver(list(records.values()))
        assert world.encoder.calls == []
        await world.deliver([last])
        assert (await world.status()).outcome is Outcome.EMBEDDED

    run(main())


def test_a_caption_stands_in_for_the_replys_text_and_length() -> None:
    async def main() -> None:
        world, records = World(), turn()
        words = "Do you mean Meg Jones or Meg Bauer"
        speak = {"url": "cid:1", "format": "AUDIO_MPEG", "token": "t", "caption": words}
        records["speak"] = record("SpeechSynthesizer.Speak", speak)
        del records["reply"]
        await world.deliver(list(records.values()))
        status = await world.status()
        assert status.outcome is Outcome.EMBEDDED
        assert window_of(status).window_ms == round(spoken_ms(words))

    run(main())


def test_every_attempt_has_a_place_of_its_own() -> None:
    one, other = TurnKey("c", "i"), TurnKey("c", "j")
    attempts = itertools.product((one, other), ("process-1", "process-2"), (1.0, 1.25))
    assert len({context_ref(*attempt) for attempt in attempts}) == 8
