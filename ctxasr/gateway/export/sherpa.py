"""sherpa-onnx hotwords: one phrase a line, its boost behind a colon.

    MEG BAUER :2.00
    JONES :1.67

Source: "Hotwords (Contextual biasing)" in the sherpa documentation. The tool splits words into the
model's own tokens (`--modeling-unit=bpe --bpe-vocab=...`), so the file holds plain words. They must
have the case of these tokens, else the tool passes them over with no more than a line of its log:
models of LibriSpeech and GigaSpeech want `Case.UPPER`; a model's tokens.txt shows it. They lack
figures as well, so that these stand there as they are said. A word that begins with `:`, `#` or `@`
would be read as a score, threshold or original: such phrases are left out. Only transducers with
`--decoding-method=modified_beam_search` use hotwords.

score = 1 + p / p_max, with p the phrase's probability: from 1 to 2, around the tool's default of
1.5. This is a convention; it was not tuned on any model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from ctxasr.bias import BiasingPhrase
from ctxasr.gateway.export.choose import PLAIN, Exported, Format, Left, Options, choose

TARGET: Final = "sherpa-onnx"

_RESERVED: Final = (":", "#", "@")


def hotwords(phrases: Sequence[BiasingPhrase], options: Options = PLAIN) -> Exported:
    """The contents of a hotwords file."""

    def write(text: str) -> str | Left:
        if any(word.startswith(_RESERVED) for word in text.split(" ")):
            return Left.CHARACTERS
        return text

    chosen = choose(phrases, Format(write, case=options.case))
    top = max((entry.phrase.log_prior for entry in chosen.entries), default=0.0)
    lines = [
        f"{entry.written} :{1.0 + _ratio(entry.phrase.log_prior, top):.2f}\n"
        for entry in chosen.entries
    ]
    return chosen.exported(TARGET, "".join(lines))


def _ratio(log_prior: float, top: float) -> float:
    """p / p_max; infinite weights are no error."""
    return 1.0 if log_prior == top else math.exp(log_prior - top)
