"""Every utterance of a corpus under every condition: what the rescorer proposed, and its errors.

An utterance is recognised once for all its conditions, and its sound let go of before the next.
One trial keeps the errors of the plain text and of the proposed one, and the margin of the
decision: so the figures at any threshold, and the whole curve, come from one run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from ctxasr.answer import bias_in
from ctxasr.bias import Bias, bias_of, phrases_of
from ctxasr.context import extend
from ctxasr.errors import InputError
from ctxasr.evaluate.corpora.conditions import Condition
from ctxasr.evaluate.corpora.neighbours import Sounds
from ctxasr.evaluate.corpora.utterance import Utterance
from ctxasr.evaluate.metrics import word_count, word_edits
from ctxasr.events import TurnText
from ctxasr.hypotheses import PHRASES_MAX, Recognition, n_best
from ctxasr.rescore import propose
from ctxasr.speech.readings import as_said
from ctxasr.words import normalise

if TYPE_CHECKING:
    from ctxasr.ports import AcousticScorer, ContextEncoder, PhraseAligner, Recognizer

BIASES_KEPT: Final = 64
"""Biases of turns that come again, as an emptied one does with every utterance."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One utterance under one asking turn.

    Errors of the plain and the proposed text, `sounding` where a text that sounds the same as the
    reference counts as right. `margin` is how far the proposed text passes the threshold of the
    shipped rescorer.
    """

    utterance: str
    group: str
    sort: str
    condition: str
    words: int
    oracle: int
    plain: int
    plain_sounding: int
    proposed: int
    proposed_sounding: int
    changes: bool
    """Whether the proposed text is another than the plain one."""
    margin: float
    """0 where nothing was proposed."""

    def taken(self, threshold: float) -> bool:
        """Whether a decision at this threshold changes the text."""
        return self.changes and self.margin > threshold

    def errors(self, threshold: float) -> int:
        """Word errors of what such a decision gives."""
        return self.proposed if self.taken(threshold) else self.plain

    def errors_sounding(self, threshold: float) -> int:
        """The same where a text that sounds the same as the reference counts as right."""
        return self.proposed_sounding if self.taken(threshold) else self.plain_sounding

    def to_list(self) -> list[Any]:
        """Its fields in order: no text is among them."""
        return [getattr(self, name) for name in self.__dataclass_fields__]

    @classmethod
    def from_list(cls, values: Sequence[Any]) -> Self:
        """What `to_list` gave.

        Raises:
            TypeError: it is none.
        """
        found = cls(*values)
        if not isinstance(found.condition, str) or not isinstance(found.margin, int | float):
            raise TypeError("no trial")
        return found


@dataclass
class Listener:
    """The models that every utterance passes through."""

    recognizer: Recognizer | None
    """None where a corpus has n-best lists and no sound."""
    encoder: ContextEncoder
    aligner: PhraseAligner
    sounds: Sounds = field(default_factory=Sounds)
    _biases: dict[TurnText, Bias] = field(default_factory=dict)

    @property
    def scorer(self) -> AcousticScorer | None:
        """The recogniser itself, where it can score texts against the sound."""
        can = hasattr(self.recognizer, "log_likelihoods")
        return self.recognizer if can else None  # type: ignore[return-value]

    async def hear(self, utterance: Utterance) -> Recognition:
        """Recognise its sound, or take its n-best list.

        Raises:
            AudioError: the sound is missing, cut off or broken.
            InputError: there is a sound and no recogniser.
        """
        if utterance.audio is None:
            return Recognition(n_best((text, 0.0) for text in utterance.heard))
        if self.recognizer is None:
            raise InputError(f"{utterance.corpus}: holds sound, and no recogniser was named")
        from ctxasr.speech.audio import load_samples

        samples = load_samples(utterance.audio, whole=True).samples
        return await self.recognizer.recognize(samples)

    async def bias_after(self, turn: TurnText) -> Bias:
        """The bias of an asking turn, as the product makes it.

        A list that a context has no room for goes past the encoder: its names are equally likely.
        """
        known = self._biases.get(turn)
        if known is None:
            context = await extend(turn, None, self.encoder)
            known = bias_in(context)
            if context.left_out:
                phrases = list(islice(phrases_of(turn), PHRASES_MAX))
                known = bias_of(phrases, np.zeros(len(phrases) + 1, np.float32))
            if len(self._biases) >= BIASES_KEPT:
                del self._biases[next(iter(self._biases))]
            self._biases[turn] = known
        return known


async def trials_of(
    utterance: Utterance, conditions: Sequence[Condition], listener: Listener, seed: int
) -> list[Trial]:
    """One utterance under all conditions.

    Raises:
        AudioError, InputError: as `Listener.hear`.
    """
    recognition = await listener.hear(utterance)
    judge = _Judge(utterance, listener.sounds)
    plain = recognition.plain
    oracle = min((judge.edits(one.text) for one in recognition.hypotheses), default=judge.words)
    found = []
    for condition in conditions:
        for turn in condition.of(utterance, seed):
            bias = await listener.bias_after(turn)
            proposed = await propose(recognition, bias, listener.aligner, listener.scorer)
            text = plain if proposed is None else proposed.text
            found.append(
                Trial(
                    utterance=utterance.id,
                    group=utterance.group,
                    sort=utterance.sort,
                    condition=condition.name,
                    words=judge.words,
                    oracle=oracle,
                    plain=judge.edits(plain),
                    plain_sounding=judge.sounding(plain),
                    proposed=judge.edits(text),
                    proposed_sounding=judge.sounding(text),
                    changes=normalise(text) != normalise(plain),
                    margin=0.0 if proposed is None else float(proposed.margin),
                )
            )
    return found


class _Judge:
    """Counts the errors of texts against one utterance; each text once."""

    def __init__(self, utterance: Utterance, sounds: Sounds) -> None:
        self._utterance, self._sounds = utterance, sounds
        self._known: dict[str, int] = {}
        self.words = word_count(utterance.reference)

    def edits(self, text: str) -> int:
        """Word errors, to the nearest of the right texts; of slots, the words not heard."""
        found = self._known.get(text)
        if found is None:
            right = (self._utterance.reference, *self._utterance.also)
            if self._utterance.scored == "slots":
                found = min(_missing(reference, text) for reference in right)
            else:
                found = min(word_edits(reference, text) for reference in right)
            self._known[text] = found
        return found

    def sounding(self, text: str) -> int:
        """The same, and none where the text sounds like a right one."""
        edits = self.edits(text)
        if edits and self._utterance.scored == "words":
            right = (self._utterance.reference, *self._utterance.also)
            if any(self._sounds.same(text, reference) for reference in right):
                return 0
        return edits


def _missing(reference: str, text: str) -> int:
    """Words of the reference that the text lacks, wherever they stand in it."""
    left = Counter(as_said(reference).split()) - Counter(as_said(text).split())
    return left.total()
