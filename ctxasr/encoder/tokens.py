"""Words to numbers without a vocabulary.

A word is the sum of its own bucket and the buckets of its character trigrams (with the word's ends
marked), as in fastText (Bojanowski et al., 2017, arXiv:1607.04606). Buckets are CRC-32 hashes, the
same on every machine, so names never seen in training have vectors, and the weights hold no string.

    "meg" -> [word:meg, ^me, meg, eg$]

Beside this learnt vector a word has its *identity*: the 128 bits of its BLAKE2 hash as signs. Two
words' identities are all but orthogonal whatever was learnt, so they tell names apart.

A turn becomes *text tokens*, one a word (reply, utterance, slot), and *items*, one for each entity
or screen entry, whose words are pooled. A batch lists every distinct word once (`WordTable`).
"""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ctxasr.events import TurnText
from ctxasr.hypotheses import Phrase
from ctxasr.words import normalise

WORD_BUCKETS: Final = 8192
TRIGRAM_BUCKETS: Final = 8192
"""Two tables of 8192 rows are 4 MB at width 128 in half precision: the bulk of the weights."""

BUCKETS: Final = 1 + WORD_BUCKETS + TRIGRAM_BUCKETS
"""Row 0 is padding."""

FEATURES_MAX: Final = 16
"""The word's bucket and its first 15 trigrams: all of a 15-letter word."""

REPLY_WORDS_MAX: Final = 64
"""The last words of the reply are kept: a question stands at the end."""

UTTERANCE_WORDS_MAX: Final = 32
"""The last words of the utterance."""

SLOT_WORDS_MAX: Final = 4
"""The first words of the elicited slot's name."""

ITEMS_MAX: Final = 128
"""Screen entries, then entities, in their order; further ones are not read."""

PHRASE_WORDS_MAX: Final = 6
"""The first words of a phrase, an entity or a screen entry."""

KIND_WORDS_MAX: Final = 3
"""The first words of a kind such as `restaurant_name`."""

IDENTITY_BITS: Final = 128
"""Length of an identity: the product of two different words' is 0 +- 0.09."""

SIGNALS: Final = ("", "entities", "reply", "utterance", "screen", "slot", "catalogue")
"""Signals that the phrase tower tells apart; any other counts as the first."""

Ints = NDArray[np.int64]


class Segment(IntEnum):
    """Which part of the turn a token comes from."""

    START = 0
    UTTERANCE = 1
    REPLY = 2
    ENTITY = 3
    SCREEN = 4
    SLOT = 5


def word_features(word: str) -> list[int]:
    """Buckets of a word, padded with 0 to FEATURES_MAX."""
    marked = f"^{word}$"
    found = [1 + zlib.crc32(word.encode()) % WORD_BUCKETS]
    for start in range(min(len(marked) - 2, FEATURES_MAX - 1)):
        trigram = marked[start : start + 3].encode()
        found.append(1 + WORD_BUCKETS + zlib.crc32(trigram) % TRIGRAM_BUCKETS)
    return found + [0] * (FEATURES_MAX - len(found))


def word_identity(word: str) -> NDArray[np.float32]:
    """A unit vector (IDENTITY_BITS,) of the word alone."""
    digest = hashlib.blake2b(word.encode(), digest_size=IDENTITY_BITS // 8).digest()
    bits = np.unpackbits(np.frombuffer(digest, dtype=np.uint8))
    return ((2.0 * bits - 1.0) / math.sqrt(IDENTITY_BITS)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Words:
    """The distinct words of one batch; row 0 is padding."""

    features: Ints  # (U + 1, FEATURES_MAX)
    identities: NDArray[np.float32]  # (U + 1, IDENTITY_BITS)


class WordTable:
    """The distinct words of one batch; row 0 is padding.

    It lives as long as its batch: words of customers are kept nowhere else.
    """

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}

    def rows(self, words: Iterable[str]) -> list[int]:
        known = self._rows
        return [known.setdefault(word, len(known) + 1) for word in words]

    def words(self) -> Words:
        """All words so far, in the order of their rows."""
        nothing = np.zeros(IDENTITY_BITS, dtype=np.float32)
        return Words(
            np.array([[0] * FEATURES_MAX, *map(word_features, self._rows)], dtype=np.int64),
            np.stack([nothing, *map(word_identity, self._rows)]),
        )


@dataclass(frozen=True, slots=True)
class TurnBatch:
    """N turns as rows of a WordTable: text (N, L), items (N, M, PHRASE_WORDS_MAX), 0 = padding."""

    words: Ints  # (N, L)
    segments: Ints  # (N, L)
    positions: Ints  # (N, L)
    items: Ints  # (N, M, PHRASE_WORDS_MAX)
    kinds: Ints  # (N, M, KIND_WORDS_MAX)
    item_segments: Ints  # (N, M)


@dataclass(frozen=True, slots=True)
class PhraseBatch:
    """N lists of phrases as rows of a WordTable."""

    words: Ints  # (N, C, PHRASE_WORDS_MAX)
    kinds: Ints  # (N, C, KIND_WORDS_MAX)
    signals: Ints  # (N, C)


def pack_turns(turns: Sequence[TurnText], table: WordTable) -> TurnBatch:
    """Turns as arrays; what lies beyond the limits above is left out."""
    texts = [_text_tokens(turn) for turn in turns]
    items = [_items(turn) for turn in turns]
    length = max((len(text) for text in texts), default=0)
    count = max((len(found) for found in items), default=0)
    n = len(turns)
    batch = TurnBatch(
        words=np.zeros((n, length), dtype=np.int64),
        segments=np.zeros((n, length), dtype=np.int64),
        positions=np.zeros((n, length), dtype=np.int64),
        items=np.zeros((n, count, PHRASE_WORDS_MAX), dtype=np.int64),
        kinds=np.zeros((n, count, KIND_WORDS_MAX), dtype=np.int64),
        item_segments=np.zeros((n, count), dtype=np.int64),
    )
    for row, text in enumerate(texts):
        size = len(text)
        batch.words[row, :size] = table.rows(word for word, _, _ in text)
        batch.segments[row, :size] = [segment for _, segment, _ in text]
        batch.positions[row, :size] = [position for _, _, position in text]
    for row, found in enumerate(items):
        for column, (name, kind, segment) in enumerate(found):
            _put(batch.items[row, column], name, table)
            _put(batch.kinds[row, column], kind, table)
            batch.item_segments[row, column] = segment
    return batch


def pack_phrases(lists: Sequence[Sequence[Phrase]], table: WordTable) -> PhraseBatch:
    """Lists of phrases as arrays, padded to the longest list."""
    n, count = len(lists), max((len(phrases) for phrases in lists), default=0)
    batch = PhraseBatch(
        words=np.zeros((n, count, PHRASE_WORDS_MAX), dtype=np.int64),
        kinds=np.zeros((n, count, KIND_WORDS_MAX), dtype=np.int64),
        signals=np.zeros((n, count), dtype=np.int64),
    )
    for row, phrases in enumerate(lists):
        for column, phrase in enumerate(phrases):
            _put(batch.words[row, column], phrase.text, table)
            _put(batch.kinds[row, column], phrase.kind, table)
            if phrase.signal in SIGNALS:
                batch.signals[row, column] = SIGNALS.index(phrase.signal)
    return batch


def _put(target: Ints, text: str, table: WordTable) -> None:
    rows = table.rows(normalise(text).split()[: len(target)])
    target[: len(rows)] = rows


def _text_tokens(turn: TurnText) -> list[tuple[str, Segment, int]]:
    """(word, segment, position): positions count from the end, where the newest word has 0."""
    reply = normalise(turn.reply).split()[-REPLY_WORDS_MAX:]
    utterance = normalise(turn.utterance).split()[-UTTERANCE_WORDS_MAX:]
    slot = normalise(turn.slot).split()[:SLOT_WORDS_MAX]
    return [
        (word, segment, len(words) - 1 - place)
        for words, segment in (
            (reply, Segment.REPLY),
            (utterance, Segment.UTTERANCE),
            (slot, Segment.SLOT),
        )
        for place, word in enumerate(words)
    ]


def _items(turn: TurnText) -> list[tuple[str, str, Segment]]:
    screen = [(text, "", Segment.SCREEN) for text in turn.screen[:ITEMS_MAX]]
    left = ITEMS_MAX - len(screen)
    return screen + [(entity.text, entity.kind, Segment.ENTITY) for entity in turn.entities[:left]]
