"""A settled dialogue turn as vectors: read the payloads, encode, store, all before the deadline.

The dialogue's running sequence is carried from turn to turn: a turn's context holds the vectors
and the phrases of the turns before it, found through the token that its Recognize echoed. It
never holds a later turn's: not of one that had not begun when its own was claimed, for it is
written once, nor of one that began between, whatever token is echoed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

import numpy as np
from safetensors.numpy import load, save

from ctxasr.bias import Named, named_by, phrases_in, taken_apart
from ctxasr.errors import ContextUnavailable, PayloadUnreadable
from ctxasr.events import (
    CAPTION_PREFIX,
    KIND_CHARS_MAX,
    TEXT_BYTES_MAX,
    ConsistentStatus,
    Entity,
    Outcome,
    Payload,
    PayloadKind,
    Recognize,
    TurnText,
)
from ctxasr.followups import read_asking
from ctxasr.hypotheses import Phrase
from ctxasr.payloads import read_payloads
from ctxasr.ports import ContextEncoder, EventStore, Matrix, PayloadVault
from ctxasr.timing import is_later

TURNS_KEPT: Final = 20
"""Turn vectors in a running sequence; older ones are dropped."""

CONTEXT_PHRASES_MAX: Final = 300
"""Phrases in one context embedding; 300 rows of 384 dimensions take 231 kB."""

CONTEXT_TEXT_BYTES_MAX: Final = 100_000
"""Their texts and kinds as JSON; with rows and vectors all stays within one payload."""

FORMAT_VERSION: Final = 4
"""Version 2 had no spellings and no ids, 3 did not say of which names parts are; both are read."""

NAMES_AT_ONCE: Final = 16
PHRASES_AT_ONCE: Final = 128
"""After so many names were taken apart, or phrases looked at, other tasks get their turn."""

_ASKED: Final = "asked"
"""Marks a phrase that the reply named."""

_SHORTEST_BYTES: Final = len('[["x", "", "", "", "", "", ""]]')

_JSON: Final = json.JSONEncoder(ensure_ascii=False)  # escapes would be longer

HALF_MAX: Final = 65_504.0
"""The largest 16-bit float: phrase rows are stored as such."""


@dataclass(frozen=True, slots=True)
class ContextEmbedding:
    """What the next utterance is rescored with.

    `vectors` (turns, d), oldest first; `phrases` newest turn first; `phrase_matrix`
    (phrases + 1, d), row 0 for 'none of these'; `model` names the encoder's weights;
    `latest_ms` is when the latest of the turns that it was ever made of began; `computed_ms` is how
    long it took, `computed_at_ms` when it was done; both instants since 1970. `left_out`
    counts the names of its newest turn, and the phrases of the context before it, that a limit has
    kept from `phrases`, `unpronounceable` the names of that turn that have no sound in English, or
    no letter: they are never heard.

    Raises:
        ContextUnavailable: these do not fit together, pass a limit, or are not finite.
    """

    vectors: Matrix
    phrases: tuple[Phrase, ...]
    phrase_matrix: Matrix
    model: str = ""
    computed_ms: float = 0.0
    computed_at_ms: float = 0.0
    left_out: int = 0
    latest_ms: float = 0.0
    unpronounceable: int = 0

    def __post_init__(self) -> None:
        turns, dimensions = self.vectors.shape  # (turns, d)
        if (
            not 1 <= turns <= TURNS_KEPT
            or len(self.phrases) > CONTEXT_PHRASES_MAX
            or self.phrase_matrix.shape != (len(self.phrases) + 1, dimensions)
        ):
            raise ContextUnavailable("vectors, phrases and phrase rows do not fit together")
        # A comparison with NaN is false, so this refuses NaN as well.
        if not all((np.abs(rows) <= HALF_MAX).all() for rows in (self.vectors, self.phrase_matrix)):
            raise ContextUnavailable("vectors or phrase rows are not finite")

    def logits(self) -> Matrix:
        """Log odds of each phrase under the newest vector; (phrases + 1,)."""
        product: Matrix = self.phrase_matrix @ self.vectors[-1]
        return product

    def __repr__(self) -> str:
        return f"ContextEmbedding({len(self.vectors)} turns, {len(self.phrases)} phrases)"

    def to_bytes(self) -> bytes:
        """Safetensors: read thirty times faster than zipped arrays, for a seventh more bytes."""
        said = {"version": FORMAT_VERSION, "model": self.model, "left_out": self.left_out}
        about = json.dumps(said | {"unpronounceable": self.unpronounceable}).encode()
        return save(
            {
                "vectors": self.vectors.astype(np.float32),
                "phrase_matrix": self.phrase_matrix.astype(np.float16),
                "about": np.frombuffer(about, np.uint8),
                "phrases": np.frombuffer(_as_json(self.phrases), np.uint8),
                "computed": np.array([self.computed_ms, self.computed_at_ms, self.latest_ms]),
            }
        )

    @classmethod
    def from_bytes(cls, blob: bytes) -> ContextEmbedding:
        """Read what `to_bytes` wrote.

        Raises:
            ContextUnavailable: another format version, or damaged.
        """
        try:
            arrays = load(blob)
            about = json.loads(arrays["about"].tobytes())
            if about["version"] not in (2, 3, FORMAT_VERSION):
                raise ContextUnavailable("context embedding has another format version")
            names = json.loads(arrays["phrases"].tobytes())
            return cls(
                vectors=arrays["vectors"],
                phrases=tuple(map(_phrase, names)),
                phrase_matrix=arrays["phrase_matrix"].astype(np.float32),
                model=str(about["model"]),
                computed_ms=float(arrays["computed"][0]),
                computed_at_ms=float(arrays["computed"][1]),
                left_out=int(about.get("left_out", 0)),  # older ones have none of these
                unpronounceable=int(about.get("unpronounceable", 0)),
                latest_ms=float(next(iter(arrays["computed"][2:3]), 0.0)),
            )
        except ContextUnavailable:
            raise
        except Exception:  # safetensors, json and numpy know a dozen ways to say it
            raise ContextUnavailable("context embedding is damaged") from None


async def compute(
    status: ConsistentStatus, store: EventStore, vault: PayloadVault, encoder: ContextEncoder
) -> ContextEmbedding:
    """The dialogue's context after this turn. Runs as long as it may: the caller has the deadline.

    Raises:
        PayloadUnreadable: a payload of this turn has expired or was shredded.
        StoreUnavailable: the store does not answer.
        ContextUnavailable, ValueError: the encoder's answer is of a wrong shape or not finite.
    """
    if status.wrapped_key is None:
        raise PayloadUnreadable("the turn's data key is gone")
    try:
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(read_payloads(status, status.wrapped_key, vault))
            following = group.create_task(_context_before(status, store, vault))
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    (payloads, unread), before = reading.result(), following.result()
    turn = to_turn_text(payloads)
    turn = replace(turn, left_out=turn.left_out + unread)
    return await extend(turn, before, encoder, began_ms=status.began_ms)


async def extend(
    turn: TurnText,
    before: ContextEmbedding | None,
    encoder: ContextEncoder,
    *,
    began_ms: float = 0.0,
) -> ContextEmbedding:
    """The context after `turn`, which began at `began_ms`, given the dialogue's context before it.

    Raises:
        ContextUnavailable: the encoder's answer is of a wrong shape or not finite.
    """
    if before is not None and (before.model, before.vectors.shape[1]) != (
        encoder.model,
        encoder.dimensions,
    ):
        before = None  # of another model: the dialogue starts anew
    past = before.vectors if before else np.zeros((0, encoder.dimensions), np.float32)
    named: list[Named] = []
    for number, name in enumerate(named_by(turn), 1):
        named.append(taken_apart(name))
        if number % NAMES_AT_ONCE == 0:
            await asyncio.sleep(0)
    wanted, kept = {one.text for one in named}, _Kept()
    if before is not None:
        wanted |= {phrase.text for phrase in before.phrases}
    for number, phrase in enumerate(_all_phrases(named, before), 1):
        if not kept.take(phrase):
            break
        if number % PHRASES_AT_ONCE == 0:  # thousands, where a list of long names has parts
            await asyncio.sleep(0)
    phrases, unsaid = kept.phrases, {one.phrase.text for one in named if not one.has_sound}
    left_out = turn.left_out + len(wanted - {"", *(phrase.text for phrase in phrases)})
    vector = await encoder.encode(turn, past)
    matrix = await encoder.embed_phrases(phrases)
    if vector.shape != (encoder.dimensions,):
        raise ContextUnavailable("the encoder's vector is of a wrong shape")
    vectors = np.concatenate([past, vector[None]])[-TURNS_KEPT:]  # (n, d) -> (n + 1, d)
    latest_ms = max(began_ms, before.latest_ms) if before else began_ms
    return ContextEmbedding(
        vectors,
        tuple(phrases),
        matrix,
        encoder.model,
        left_out=left_out,
        latest_ms=latest_ms,
        unpronounceable=len(unsaid),
    )


def _all_phrases(named: Sequence[Named], before: ContextEmbedding | None) -> Iterator[Phrase]:
    """What the turn names, then what the context before it holds."""
    seen: set[str] = set()
    for phrase in phrases_in(named):
        seen.add(phrase.text)
        yield phrase
    for phrase in () if before is None else before.phrases:
        if phrase.text not in seen:
            yield phrase


def within_limits(phrases: Iterable[Phrase]) -> list[Phrase]:
    """The first CONTEXT_PHRASES_MAX of those that CONTEXT_TEXT_BYTES_MAX has room for.

    One that is too long for what is left is passed over; a shorter one after it may still fit.
    """
    kept = _Kept()
    for phrase in phrases:
        if not kept.take(phrase):
            break
    return kept.phrases


class _Kept:
    """Phrases within the limits of a context."""

    def __init__(self) -> None:
        self.phrases: list[Phrase] = []
        self._left_bytes = CONTEXT_TEXT_BYTES_MAX

    def take(self, phrase: Phrase) -> bool:
        """Keep it if it fits; False if none will fit any more."""
        if len(self.phrases) >= CONTEXT_PHRASES_MAX or self._left_bytes < _SHORTEST_BYTES:
            return False
        if sum(map(len, _fields(phrase))) < self._left_bytes:  # else not even written out
            size = len(_as_json([phrase]))
            if size <= self._left_bytes:
                self.phrases.append(phrase)
                self._left_bytes -= size
        return True


def _as_json(phrases: Sequence[Phrase]) -> bytes:
    return _JSON.encode([_fields(phrase) for phrase in phrases]).encode()


def _fields(phrase: Phrase) -> tuple[str, ...]:
    asked = _ASKED if phrase.asked else ""
    return phrase.text, phrase.signal, phrase.kind, phrase.written, phrase.id, phrase.whole, asked


def _phrase(fields: Sequence[object]) -> Phrase:
    """What `_fields` gave; of older versions without the last ones."""
    text, signal, *rest = map(str, fields)
    kind, written, known_as, whole, asked, *_ = [*rest, *[""] * len(Phrase.__slots__)]
    return Phrase(text, signal, kind, written, known_as, whole, bool(asked))


async def fetch(status: ConsistentStatus, vault: PayloadVault) -> ContextEmbedding:
    """The stored context of a settled turn.

    Raises:
        PayloadUnreadable, ContextUnavailable, StoreUnavailable
    """
    refs = [ref for ref in status.refs if ref.kind is PayloadKind.CONTEXT]
    if status.outcome is not Outcome.EMBEDDED or status.wrapped_key is None or not refs:
        raise ContextUnavailable("the turn has no context embedding")
    return ContextEmbedding.from_bytes(
        await vault.get_blob(status.wrapped_key, status.turn, refs[0])
    )


def to_turn_text(payloads: list[Payload]) -> TurnText:
    """Sort decrypted payloads by what they are; the first utterance counts.

    A turn may speak more than once: its replies are one text, in the order of `payloads`, the last
    that TEXT_BYTES_MAX has room for. Captions stand in for them where there are none.

    Names past CONTEXT_PHRASES_MAX are left out here already: working on thousands of them would
    hold up the event loop. A name that comes again takes no place.
    """
    texts: dict[PayloadKind, list[str]] = {}
    captions: list[str] = []
    named: dict[tuple[str, str], str] = {}
    for payload in payloads:
        if payload.ref.kind is PayloadKind.ENTITIES:
            label = payload.label[:KIND_CHARS_MAX]  # older versions stored it at any length
            ids = payload.ids or ("",) * len(payload.texts)
            for text, known_as in zip(payload.texts, ids, strict=True):
                named.setdefault((label, text), known_as)
        elif payload.ref.number.startswith(CAPTION_PREFIX):
            captions += payload.texts
        else:
            texts.setdefault(payload.ref.kind, []).extend(payload.texts)
    screen = dict.fromkeys(texts.get(PayloadKind.SCREEN, []))
    said = list(dict.fromkeys(texts.get(PayloadKind.REPLY, captions)))
    asked, heard = _last_that_fit(said), texts.get(PayloadKind.UTTERANCE, [])[:1]
    names_cut = sum(max(0, len(names) - CONTEXT_PHRASES_MAX) for names in (named, screen))
    return TurnText(
        utterance=" ".join(_last_that_fit(heard)),
        reply=" ".join(asked),
        entities=tuple(
            Entity(kind, text, known_as)
            for (kind, text), known_as in islice(named.items(), CONTEXT_PHRASES_MAX)
        ),
        screen=tuple(islice(screen, CONTEXT_PHRASES_MAX)),
        slot=next(iter(texts.get(PayloadKind.SLOT, [])), "")[:KIND_CHARS_MAX],
        left_out=len(said) - len(asked) + names_cut,
    )


def _last_that_fit(texts: Sequence[str]) -> list[str]:
    """The last of them that TEXT_BYTES_MAX has room for, in their order."""
    kept, left_bytes = list[str](), TEXT_BYTES_MAX
    for text in reversed(texts):
        left_bytes -= len(text.encode("utf-8", "replace")) + len(kept and " ")
        if left_bytes < 0:
            break
        kept.append(text)
    return kept[::-1]


async def _context_before(
    status: ConsistentStatus, store: EventStore, vault: PayloadVault
) -> ContextEmbedding | None:
    """The context of the turn that asked for this one; None if there is none to be had.

    turn 1 begins, its last payload is late ...................... embedded: no turn 2 in it
    turn 2 begins, embedded ...... turn 1's Recognize echoed the token of turn 2
    """
    recognize = status.mark(Recognize.full_name)
    if recognize is None or not recognize.token:
        return None
    try:
        asked = await store.follow(status.turn.customer, recognize.token)
        before = None if asked is None else await read_asking(asked, recognize.token, store)
        if before is None or before.turn == status.turn:
            return None
        context = await fetch(before, vault)
    except Exception:
        return None  # missed or unreadable: the dialogue starts anew
    # Also one of the turns before that one may be from the future.
    if is_later(max(before.began_ms, context.latest_ms), status.began_ms):
        return None
    return context
