"""The embedded recogniser: PocketSphinx 5 with the US-English acoustic model of its wheel.

    language="assistant"   the domain language model and lexicon of this package, what people say to
                           a voice assistant (`language`)
    language="stock"       the language model and dictionary of its wheel, for dictation

One worker owns the decoders, so no state is shared. An utterance is decoded as a whole:
cepstral means come from the utterance itself (cmn="batch"), and the front end is made anew each
time, so nothing carries over from one utterance to the next.

A second, vocabulary-free pass finds the most likely string of phones; it keeps the sound of names
that the dictionary lacks.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Literal

from ctxasr.errors import InputError, MissingPart
from ctxasr.hypotheses import N_BEST_MAX, Hypothesis, Lattice, Recognition, checked_n_best
from ctxasr.ports import Samples
from ctxasr.speech.audio import checked_duration_s
from ctxasr.speech.lattice import clean_words, read_htk
from ctxasr.speech.lexicon import PHONES
from ctxasr.speech.silence import dither, trim_silence
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

PHONE_OPTIONS: Final[dict[str, Any]] = {"cmn": "batch", "lw": 2.0, "beam": 1e-20, "pbeam": 1e-20}
"""Of the phone loop: 40% phone errors at 0.04 of real time on 30 utterances of three synthetic
voices. Weights 1, 1.5, 2.5, 3.5, 5 gave 44, 42, 41, 43, 51%; triphones at weight 3.5 gave 37% but
took 0.9 of real time; `pl_window` belongs to the word search and changes nothing here."""

DECODE_S_MIN: Final = 0.1
"""Shorter sound holds no phone and gives no frames to normalise over."""


class PocketSphinxRecognizer:
    """`ports.Recognizer`. Make one, use it for every utterance, and `close` it.

    `trim` cuts silence before and after the speech; `phones` runs the phone loop as well.

    `process` decodes in a child process instead of a thread: PocketSphinx holds Python's
    interpreter lock while it decodes, some 0.2 s per second of speech in which the event loop of a
    threaded recogniser stands still. AWS Lambda has no semaphores, hence no such process.
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
        recognition: Recognition = await self._worker.call("recognize", samples)
        return recognition

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
        self._n_best, self._trim, self._with_phones = checked_n_best(n_best), trim, phones
        self._language = language
        self._words: Any = None
        self._phones: Any = None

    def recognize(self, samples: Samples) -> Recognition:
        """Decode 16 kHz mono samples (n,).

        No hypothesis means that nothing was heard. Scores are natural logarithms with the language
        model at its weight of 9.5, up to a constant; they are far sharper than probabilities
        (PocketSphinx itself divides by 20 for posteriors).

        Raises:
            LimitExceeded: longer than AUDIO_S_MAX.
            MissingPart: the recogniser or its model is not installed.
        """
        duration_s = checked_duration_s(samples)
        if duration_s < DECODE_S_MIN or not samples.any():
            return Recognition((), duration_s=duration_s)
        self.load()
        sound = dither(trim_silence(samples) if self._trim else samples).tobytes()
        _decode(self._words, sound)
        hypotheses = self._hypotheses()
        lattice = _lattice(self._words)
        phones: tuple[str, ...] = ()
        if self._phones is not None:
            _decode(self._phones, sound)
            phones = _phone_string(self._phones)
        return Recognition(hypotheses, lattice, phones, duration_s)

    def load(self) -> None:
        """Load the models if they are not: 60 ms for the words (stock: 0.3 s), 20 ms for phones."""
        if self._words is None:
            self._words = make_word_decoder(self._language)
        if self._phones is None and self._with_phones:
            self._phones = make_phone_decoder(**PHONE_OPTIONS)

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


def make_decoder(**options: Any) -> Any:
    """A PocketSphinx decoder with the stock acoustic model.

    Raises:
        MissingPart: pocketsphinx is not installed, or without its model.
    """
    try:
        import pocketsphinx
    except ImportError:
        raise MissingPart("pocketsphinx is not installed: pip install pocketsphinx") from None
    try:
        return pocketsphinx.Decoder(loglevel="FATAL", **options)
    except RuntimeError:
        raise MissingPart(
            "pocketsphinx cannot load its US-English model: pip install --force-reinstall it"
        ) from None


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


def make_phone_decoder(**options: Any) -> Any:
    """A decoder for phones alone: the packaged phone trigram, no dictionary, no word model."""
    try:
        import pocketsphinx
    except ImportError:
        raise MissingPart("pocketsphinx is not installed: pip install pocketsphinx") from None
    model = Path(pocketsphinx.get_model_path()) / "en-us" / "en-us-phone.lm.bin"
    return make_decoder(allphone=str(model), lm=None, dict=None, **options)


def _decode(decoder: Any, sound: bytes) -> None:
    # The front end tracks the noise level, and start_utt() keeps what it learnt from the utterance
    # before: the same sound then gives other words. 0.1 ms; start_stream() does so too, deprecated.
    decoder.reinit_feat()
    decoder.start_utt()
    try:
        decoder.process_raw(sound, full_utt=True)
    finally:
        decoder.end_utt()


def _natural_log(score: float) -> float:
    return SCORE_UNIT * math.log(score) if score > 0.0 else -math.inf


def _phone_string(decoder: Any) -> tuple[str, ...]:
    segments: Iterable[Any] = decoder.seg() or ()
    return tuple(segment.word for segment in segments if segment.word in PHONES)


def _lattice(decoder: Any) -> Lattice | None:
    """The word lattice, through memory where the system can: what was said never gets a file."""
    lattice = decoder.get_lattice()
    if lattice is None:
        return None
    try:
        if hasattr(os, "memfd_create"):
            handle = os.memfd_create("lattice")
            try:
                lattice.write_htk(f"/proc/self/fd/{handle}")
                size = os.stat(handle).st_size
                return read_htk(os.pread(handle, size, 0).decode())
            finally:
                os.close(handle)
        with tempfile.TemporaryDirectory() as folder:  # mode 0700
            path = Path(folder) / "lattice"
            lattice.write_htk(str(path))
            return read_htk(path.read_text())
    except (InputError, RuntimeError, OSError):
        return None  # the n-best list stands without it
