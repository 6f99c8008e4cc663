"""Whisper through faster-whisper (the extra `whisper`): any of its models, int8, on the CPU.

    model    a name that faster-whisper knows (base, small.en, org/repository; fetched once), or a
             folder with model.bin, config.json, tokenizer.json

    up to 9 s of speech      one window of 10 s: a fifth of the time that the usual 30 s take
    up to 30 s               one window of 30 s
    longer                   windows of 30 s, cut where it is quietest; one hypothesis, no evidence

After an utterance its encoder output is kept for `log_likelihoods`, the second evidence. Up to 9 s
a phone loop hears it as well (`phone_loop`): Whisper spells a name that it does not know as words
that it knows, and phones keep how it sounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from ctxasr.errors import InputError, MissingPart
from ctxasr.hypotheses import Recognition, checked_n_best, n_best
from ctxasr.ports import RATE_HZ, Samples
from ctxasr.speech.audio import checked_duration_s
from ctxasr.speech.kept_sounds import KeptSounds, check_texts, next_number
from ctxasr.speech.phone_loop import PhoneLoop
from ctxasr.speech.silence import (
    FRAME_S,
    FULL_SCALE,
    dither,
    frame_levels_db,
    trim_silence,
    why_no_speech,
)
from ctxasr.speech.worker import Worker
from ctxasr.words import words_in

if TYPE_CHECKING:
    from ctxasr.speech.whisper_scorer import Encoded, TextScorer

MODEL: Final = "base"
"""On two cores it hears two seconds in 0.3 s; `small` needs three times as long."""

N_BEST: Final = 5
"""Beams, and so hypotheses before those fall together that differ in case or punctuation only."""

SHORT_S: Final = 10.0
WINDOW_S: Final = 30.0
"""Whisper was trained on windows of 30 s. At 10 s its errors are the same, at 5 s they double."""

SHORT_SPEECH_S: Final = 9.0
"""For the short window: with less silence behind the speech its end is repeated without end."""

CUT_S: Final = 5.0
"""A long utterance is cut at the quietest moment of the last seconds of a window."""

HEARD_S_MIN: Final = 0.1
"""Shorter sound holds no phone."""

NO_SPEECH: Final = ((0.7, -0.5), (0.5, -1.5))
"""From such a probability of no speech on, words whose log probability a token is below the second
number are made up. Noise of many kinds has 0.55 to 0.95 and -0.7 to -2.5; of 300 human names and
digits one has more than 0.7 or -1.5, and is misheard."""

TOKENS_PER_S: Final = 10
"""Of speech, and as many besides; nobody speaks as fast, and what is longer repeats itself."""

PASS_CHARS: Final = 250
"""Characters of the texts that are scored at once, 0.1 s; a cancelled call ends after those."""


class WhisperRecognizer:
    """`ports.Recognizer` and `ports.AcousticScorer`. Make one, and `close` it in the end.

    `phones` runs the phone loop as well, some 0.1 s for 2 s of speech. `process` recognises in a
    child process instead of a thread: the loop holds Python's interpreter lock.
    `Recognition.sound` is a number that this recogniser alone understands, until SOUNDS_MAX others
    have come after it.
    """

    def __init__(
        self,
        model: str = MODEL,
        *,
        n_best: int = N_BEST,
        phones: bool = True,
        process: bool = False,
    ):
        options = {"model": model, "n_best": checked_n_best(n_best), "phones": phones}
        self._worker = Worker(WhisperDecoder, options, process=process, name="whisper")

    async def load(self) -> None:
        """Load the model now, not with the first utterance: seconds, and longer to fetch it.

        Raises:
            MissingPart: faster-whisper is not installed, or the model cannot be fetched.
            InputError: there is no such model.
        """
        await self._worker.call("load")

    async def recognize(self, samples: Samples) -> Recognition:
        """Decode 16 kHz mono samples (n,); see WhisperDecoder.recognize."""
        checked_duration_s(samples)  # here, so that nothing too long is sent to the process
        heard: Recognition = await self._worker.call("recognize", samples, next_number())
        return heard

    async def log_likelihoods(self, recognition: Recognition, texts: Sequence[str]) -> list[float]:
        """See `ports.AcousticScorer`: case and punctuation at the end make no difference.

        Raises:
            ContextUnavailable: nothing of this sound is kept (any more).
            LimitExceeded: more than TEXTS_MAX texts.
        """
        check_texts(texts)
        scores: list[float] = []
        for some in _passes(texts):
            scores += await self._worker.log_likelihoods(recognition.sound, some)
        return scores

    def close(self) -> None:
        """Let go of the thread or process; waits for an utterance that is being decoded."""
        self._worker.close()


class WhisperDecoder:
    """The recogniser without asyncio, for one thread."""

    def __init__(
        self, model: str = MODEL, n_best: int = N_BEST, *, phones: bool = True, fetch: bool = True
    ):
        """`fetch=False` takes a model only where it is already."""
        self._name, self._n_best, self._fetch = model, checked_n_best(n_best), fetch
        self._loop = PhoneLoop() if phones else None
        self._model: Any = None
        self._tokens: Any = None
        self._scorer: TextScorer | None = None
        self._kept: KeptSounds[Encoded] = KeptSounds()

    def load(self) -> None:
        """Load the model if it is not; see WhisperRecognizer.load."""
        if self._model is not None:
            return
        try:
            from faster_whisper import WhisperModel
            from faster_whisper.tokenizer import Tokenizer
        except ImportError:
            raise MissingPart("faster-whisper: pip install 'ctxasr[whisper]'") from None
        from ctxasr.speech.whisper_scorer import TextScorer
        from ctxasr.speech.whisper_tokens import mend

        if self._loop:
            self._loop.load()
        folder = model_folder(self._name, fetch=self._fetch)
        try:
            loaded = WhisperModel(str(folder), "cpu", compute_type="int8", cpu_threads=1)
        except (RuntimeError, ValueError):
            raise InputError(f"{folder}: holds no Whisper model of CTranslate2") from None
        mend(loaded.hf_tokenizer)
        self._tokens = Tokenizer(
            loaded.hf_tokenizer, loaded.model.is_multilingual, "transcribe", "en"
        )
        self._start = [*self._tokens.sot_sequence, self._tokens.no_timestamps]
        self._scorer = TextScorer(folder, self._tokens.encode, self._start, self._tokens.eot)
        self._model = loaded

    def recognize(self, samples: Samples, number: int = 0) -> Recognition:
        """Decode 16 kHz mono samples (n,), and keep what `log_likelihoods` needs as `number`.

        No hypothesis means that nothing was heard. Texts keep Whisper's case and punctuation;
        scores are natural log probabilities.

        Raises:
            LimitExceeded: longer than AUDIO_S_MAX.
            MissingPart, InputError: as `load`.
        """
        duration_s = checked_duration_s(samples)
        if duration_s < HEARD_S_MIN or why_no_speech(samples):
            return Recognition((), duration_s=duration_s)
        self.load()
        speech = trim_silence(samples)
        heard = [self._hear(window) for window in _windows(speech)]
        if len(heard) > 1:
            best = [texts[0] for _, texts in heard if texts]
            joined = " ".join(text for text, _ in best), sum(score for _, score in best)
            return Recognition(n_best([joined] if best else []), duration_s=duration_s)
        [(encoded, texts)] = heard
        self._kept.keep(number, encoded)
        phones: tuple[str, ...] = ()
        if self._loop and texts and _is_short(speech):
            phones = self._loop.hear(dither(speech).tobytes())
        return Recognition(n_best(texts), None, phones, duration_s, number)

    def log_likelihoods(self, number: object, texts: Sequence[str]) -> list[float]:
        """log P(text, its end | audio) of each text under the sound that was kept as `number`.

        Raises:
            ContextUnavailable: it is not kept.
        """
        encoded = self._kept.get(number)
        assert self._scorer is not None, "what was recognised had to be loaded"
        return self._scorer.log_likelihoods(encoded, texts)

    def _hear(self, samples: Samples) -> tuple[Encoded, list[tuple[str, float]]]:
        """What the encoder makes of one window, and texts with their scores, best first."""
        import ctranslate2

        features = self._features(samples)
        tokens_max = TOKENS_PER_S * (1 + len(samples) // RATE_HZ) + len(self._start)
        encoded = self._model.model.encode(ctranslate2.StorageView.from_array(features))
        [found] = self._model.model.generate(
            encoded,
            [self._start],
            beam_size=self._n_best,
            num_hypotheses=self._n_best,
            length_penalty=0,
            max_length=min(2 * tokens_max, self._model.max_length),  # it takes half of that
            return_scores=True,
            return_no_speech_prob=True,
        )
        texts = [
            (self._tokens.decode(tokens).strip(), score)
            for tokens, score in zip(found.sequences_ids, found.scores, strict=True)
        ]
        sure = found.scores[0] / (1 + len(found.sequences_ids[0]))
        if any(found.no_speech_prob > silent and sure < words for silent, words in NO_SPEECH):
            texts = []
        return np.array(encoded)[0], [(text, score) for text, score in texts if words_in(text)]

    def _features(self, samples: Samples) -> NDArray[np.float32]:
        """The log mel spectrogram of one window, (1, mels, frames), silence behind the speech.

        The silence is put behind the samples, not behind their features: a clip that ends with
        its speech otherwise comes out twice.
        """
        length_s = SHORT_S if _is_short(samples) else WINDOW_S
        sound = np.zeros(int(length_s * RATE_HZ), np.float32)
        sound[: len(samples)] = samples / FULL_SCALE
        features = self._model.feature_extractor(sound, padding=0)
        return np.ascontiguousarray(features[None], np.float32)


def model_folder(model: str, *, fetch: bool = True) -> Path:
    """The folder of a model, which is fetched if it is a name and not here yet.

    Raises:
        InputError: there is no such folder or name.
        MissingPart: it cannot be fetched.
    """
    from faster_whisper.utils import available_models, download_model

    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    named = model in available_models() or (model.count("/") == 1 and model[0] not in "./~")
    if not named:
        known = ", ".join(available_models())
        raise InputError(f"{model}: is no folder, and no model of faster-whisper ({known})")
    for here in (True, False) if fetch else (True,):  # the hub is not asked for what is here
        with suppress(Exception):  # of whatever its client is built upon
            return Path(download_model(model, local_files_only=here))
    absent = "is not here and cannot be fetched" if fetch else "is not here"
    raise MissingPart(f"Whisper's model {model} {absent}; give the folder of one")


def _passes(texts: Sequence[str]) -> Iterator[list[str]]:
    """Texts one after the other, PASS_CHARS at once, or one that is longer."""
    some: list[str] = []
    for text in texts:
        if some and sum(map(len, some)) + len(text) > PASS_CHARS:
            yield some
            some = []
        some.append(text)
    if some:
        yield some


def _is_short(speech: Samples) -> bool:
    """Whether it fits the short window, as nearly every answer does."""
    return len(speech) <= SHORT_SPEECH_S * RATE_HZ


def _windows(samples: Samples) -> Iterator[Samples]:
    """Pieces of at most WINDOW_S, cut where it is quietest."""
    size, tail = int(WINDOW_S * RATE_HZ), int(CUT_S * RATE_HZ)
    while len(samples) > size:
        quietest = int(np.argmin(frame_levels_db(samples[size - tail : size])))
        cut = size - tail + int((quietest + 0.5) * FRAME_S * RATE_HZ)
        yield samples[:cut]
        samples = samples[cut:]
    yield samples
