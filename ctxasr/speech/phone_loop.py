"""The most likely string of phones, free of any vocabulary, by PocketSphinx's phone loop.

It keeps the sound of names that no dictionary and no language model has, beside what a recogniser
of words made of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from ctxasr.errors import MissingPart
from ctxasr.speech.lexicon import PHONES
from ctxasr.speech.pocketsphinx_engine import decode, make_decoder

OPTIONS: Final[dict[str, Any]] = {"cmn": "batch", "lw": 2.0, "beam": 1e-20, "pbeam": 1e-20}
"""40% phone errors at 0.04 of real time on 30 utterances of three synthetic voices, and up to 0.09
where both cores are busy. Weights 1, 1.5, 2.5, 3.5, 5 gave 44, 42, 41, 43, 51%; triphones at weight
3.5 gave 37% but took 0.9 of real time; `pl_window` belongs to the word search and changes nothing
here."""


class PhoneLoop:
    """Hears phones. For one thread."""

    def __init__(self) -> None:
        self._decoder: Any = None

    def load(self) -> None:
        """Load the models if they are not, 20 ms.

        Raises:
            MissingPart: pocketsphinx is not installed.
        """
        if self._decoder is None:
            self._decoder = make_decoder(allphone=str(_model()), lm=None, dict=None, **OPTIONS)

    def hear(self, sound: bytes) -> tuple[str, ...]:
        """Phones (ARPAbet without stress) of 16 kHz mono, 16 bit, trimmed and dithered; of 0.1 s or
        more.

        Raises:
            MissingPart: pocketsphinx is not installed.
        """
        self.load()
        decode(self._decoder, sound)
        segments: Iterable[Any] = self._decoder.seg() or ()
        return tuple(segment.word for segment in segments if segment.word in PHONES)


def _model() -> Path:
    """The packaged phone trigram."""
    try:
        import pocketsphinx
    except ImportError:
        raise MissingPart("pocketsphinx is not installed: pip install pocketsphinx") from None
    return Path(pocketsphinx.get_model_path()) / "en-us" / "en-us-phone.lm.bin"
