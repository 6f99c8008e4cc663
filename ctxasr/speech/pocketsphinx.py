"""The embedded recogniser: PocketSphinx 5 with the US-English acoustic model of its wheel.

    language="assistant"   the domain language model and lexicon of this package, what people say to
                           a voice assistant (`language`)
    language="stock"       the language model and dictionary of its wheel, for dictation

One worker owns the decoders, so no state is shared. An utterance is decoded as a whole:
cepstral means come from the utterance itself (cmn="batch"), and the front end is made anew each
time, so nothing carries over from one utterance to the next.

What was heard is kept for a while, so that given texts can be scored under it.

A second pass finds the most likely string of phones (`phone_loop`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

from ctxasr.errors import MissingPart
from ctxasr.hypotheses import N_BEST_MAX, Hypothesis, Recognition, checked_n_best
from ctxasr.ports import RATE_HZ, Samples
from ctxasr.speech.audio import checked_duration_s
from ctxasr.speech.kept_sounds import KeptSounds, check_texts, next_number
from ctxasr.speech.lattice import clean_words
from ctxasr.speech.phone_loop import PhoneLoop
from ctxasr.speech.pocketsphinx_engine import decode, make_decoder, read_lattice
from ctxasr.speech.pocketsphinx_scorer import FlatGrammar
from ctxasr.speech.silence import dither, trim_silence, why_no_speech
from ctxasr.speech.worker import Worker

Language = Literal["assistant", "stock"]
LANGUAGES: Final[tuple[Language, ...]] = ("assistant", "stock")
LANGUAGE: Final[Language] = "assistant"
"""By default."""

ASSISTANT_MODEL: Final = Path(__file__).parent / "weights" / "assistant.lm.bin"
ASSISTANT_DICTIONARY: Final = ASSISTANT_MODEL.with_name("assistant.dict")
"""`ctxasr train --part language` makes both; weights/MODEL_CARD.md says of what."""

N_BEST_TRIED_MAX: Final = 400
"""Entries read from the n-best search; about two thirds repeat an earlier text."""

BELOW_BEST_MAX: Final = 10_000.0
"""A path through a silence that was cut from the beam is some 46,000 below the best, which is no
score of what was heard. The others are 3,000 below at most."""

SCORE_UNIT: Final = 1024.0
"""PocketSphinx keeps path scores shifted right by 10 bits (SENSCR_SHIFT in its hmm.h), so the
logarithm of what it calls a score is 1024 times too small."""

WORD_OPTIONS: Final[dict[str, Any]] = {"cmn": "batch", "maxhmmpf": 3000, "maxwpf": 10}
"""On 30 utterances of three synthetic voices the word errors of the defaults (22%) at 0.10 of real
time against 0.13; half of these limits gives 24% against 18% on 30 others."""

ASSISTANT_OPTIONS: Final[dict[str, Any]] = {
    "lm": str(ASSISTANT_MODEL),
    "dict": str(ASSISTANT_DICTIONARY),
    "fwdflatbeam": 1e-80,
    "fwdflatwbeam": 1e-40,
}
"""The small model leaves time for wide beams in the second pass: with those of the defaults most
paths lead through a silence that was cut from the beam (n-best oracle 0.45 against 0.43 on 100
spoken follow-ups), at the 0.14 of real time that the stock model takes."""

SCORED_S_MAX: Final = 10.0
"""Of speech that is kept for `log_likelihoods`: eight texts cost some 30 ms a second."""

SAMPLE_BYTES: Final = 2

DECODE_S_MIN: Final = 0.1
"""Shorter sound holds no phone and gives no frames to normalise over."""


class PocketSphinxRecognizer:
    """`ports.Recognizer` and `ports.AcousticScorer`. Make one, and `close` it in the end.

    `trim` cuts silence before and after the speech; `phones` runs the phone loop as well.

    `process` decodes in a child process instead of a thread: PocketSphinx holds Python's
    interpreter lock while it decodes, some 0.2 s per second of speech in which the event loop of a
    threaded recogniser stands still. AWS Lambda has no semaphores, hence no such process.

    `Recognition.sound` is a number that this recogniser alone understands, until SOUNDS_MAX others
    have come after it (`kept_sounds`).
    """

    def __init__(
        self,
        *,
        n_best: int = N_BEST_MAX,
        trim: bool = True,
        phones: bool = True,
        language: Language = LANGUAGE,
        process: bool = False,
    ):
        checked_n_best(n_best)
        options = {"n_best": n_best, "trim": trim, "phones": phones, "language": language}
        self._worker = Worker(PocketSphinxDecoder, options, process=process, name="pocketsphinx")

    async def load(self) -> None:
        """Load the models now, not with the first utterance."""
        await self._worker.call("load")

    async def recognize(self, samples: Samples) -> Recognition:
        """Decode 16 kHz mono samples (n,); see PocketSphinxDecoder.recognize."""
        checked_duration_s(samples)  # here, so that nothing too long is sent to the process
        recognition: Recognition = await self._worker.call("recognize", samples, next_number())
        return recognition

    async def log_likelihoods(self, recognition: Recognition, texts: Sequence[str]) -> list[float]:
        """See `ports.AcousticScorer`; -inf for a text without a sound.

        Raises:
            ContextUnavailable: nothing of this sound is kept, as of one beyond SCORED_S_MAX.
            LimitExceeded: more than TEXTS_MAX texts.
        """
        check_texts(texts)
        return await self._worker.log_likelihoods(recognition.sound, texts)

    def close(self) -> None:
        """Let go of the thread or process; waits for an utterance that is being decoded."""
        self._worker.close()


class PocketSphinxDecoder:
    """The recogniser without asyncio, for one thread."""

    def __init__(
        self,
        *,
        n_best: int = N_BEST_MAX,
        trim: bool = True,
        phones: bool = True,
        language: Language = LANGUAGE,
    ):
        self._n_best, self._trim = checked_n_best(n_best), trim
        self._language = language
        self._words: Any = None
        self._loop = PhoneLoop() if phones else None
        self._texts = FlatGrammar()
        self._kept: KeptSounds[bytes] = KeptSounds()

    def recognize(self, samples: Samples, number: int = 0) -> Recognition:
        """Decode 16 kHz mono samples (n,), and keep what `log_likelihoods` needs as `number`.

        No hypothesis means that nothing was heard. Scores are natural logarithms with the language
        model at its weight of 9.5, up to a constant; they are far sharper than probabilities
        (PocketSphinx itself divides by 20 for posteriors).

        Raises:
            LimitExceeded: longer than AUDIO_S_MAX.
            MissingPart: the recogniser or its model is not installed.
        """
        duration_s = checked_duration_s(samples)
        if duration_s < DECODE_S_MIN or why_no_speech(samples):
            return Recognition((), duration_s=duration_s)
        self.load()
        sound = dither(trim_silence(samples) if self._trim else samples).tobytes()
        decode(self._words, sound)
        hypotheses = self._hypotheses()
        lattice = read_lattice(self._words)
        phones = self._loop.hear(sound) if self._loop else ()
        if len(sound) > SCORED_S_MAX * RATE_HZ * SAMPLE_BYTES:
            return Recognition(hypotheses, lattice, phones, duration_s, scored_by="frames")
        self._kept.keep(number, sound)
        return Recognition(hypotheses, lattice, phones, duration_s, number, scored_by="frames")

    def log_likelihoods(self, number: object, texts: Sequence[str]) -> list[float]:
        """A score of each text under the sound that was kept as `number`; see FlatGrammar.

        Raises:
            ContextUnavailable: it is not kept.
        """
        return self._texts.log_likelihoods(self._kept.get(number), texts)

    def load(self) -> None:
        """Load the models if they are not.

        60 ms for the words (stock: 0.3 s), 20 ms for the phones, 0.1 s for what scores texts.
        """
        if self._words is None:
            self._words = make_word_decoder(self._language)
        if self._loop:
            self._loop.load()
        self._texts.load()

    def _hypotheses(self) -> tuple[Hypothesis, ...]:
        """hyp() first, then the n-best list without repetitions, by falling score."""
        best = self._words.hyp()
        if best is None:
            return ()
        plain = clean_words(best.hypstr)
        scores: dict[str, float] = {}
        floor = _natural_log(best.score) - BELOW_BEST_MAX
        for _, entry in zip(range(N_BEST_TRIED_MAX), self._words.nbest() or (), strict=False):
            text = clean_words(entry.hypstr) if entry is not None else ""
            score = _natural_log(entry.score) if entry is not None else -math.inf
            if text and score > max(scores.get(text, -math.inf), floor):
                scores[text] = score
            if len(scores) > 2 * self._n_best:
                break
        top = max(scores.values(), default=_natural_log(best.score))
        rest = sorted((text for text in scores if text != plain), key=lambda text: -scores[text])
        first = (Hypothesis(plain, scores.get(plain, top)),) if plain else ()
        found = (*first, *(Hypothesis(text, scores[text]) for text in rest))
        return found[: self._n_best]


def make_word_decoder(language: Language) -> Any:
    """A decoder for words: `language` chooses language model and dictionary.

    Raises:
        MissingPart: pocketsphinx or a model is not there.
    """
    if language == "stock":
        return make_decoder(**WORD_OPTIONS)
    for path in (ASSISTANT_MODEL, ASSISTANT_DICTIONARY):
        if not path.is_file():  # PocketSphinx would say so on stderr, and end
            raise MissingPart(
                f"{path.name}: `ctxasr train --part language` makes it; the wheel has it"
            )
    return make_decoder(**WORD_OPTIONS, **ASSISTANT_OPTIONS)


def _natural_log(score: float) -> float:
    return SCORE_UNIT * math.log(score) if score > 0.0 else -math.inf
