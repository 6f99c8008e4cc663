"""A recogniser's file: its text, the JSON documents in it, and the utterances that come out of it.

A file may hold several JSON documents one after the other, as a recogniser prints one an utterance:

    {"text": "call meg"}        line 1
    {                           line 2
      "text": "power"
    }

An error says file, line and field, and what would be right there; never what was said.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from json import JSONDecodeError, JSONDecoder
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ctxasr.charset import BYTE_ORDER_MARK, decoded, unmarked
from ctxasr.documents import describe
from ctxasr.errors import LimitExceeded, ScenarioError
from ctxasr.hypotheses import (
    HYPOTHESIS_CHARS_MAX,
    N_BEST_MAX,
    ConfusionNetwork,
    Hypothesis,
    Lattice,
    Recognition,
    n_best,
)
from ctxasr.speech.best_paths import best_paths

OUTPUT_BYTES_MAX: Final = 32_000_000
"""Length of a file: an hour of words with their times has a tenth. Longer ones can be split."""

ACOUSTIC_SCALE_MAX: Final = 100.0
"""Weight of acoustic scores beside those of language: usual are 0.05 to 1."""

NUMBER_MAX: Final = 1e9
"""Size of a number in a line of text: scores and times are far smaller, and sums stay finite."""

PROBABILITY_MIN: Final = 1e-9
"""A confidence of 0 counts as this much: its logarithm is a number."""

_BLANK: Final = re.compile(r"\s*")

M = TypeVar("M", bound="Given")


class Given(BaseModel):
    """Base of what is read of a JSON document: frozen, silent; what is not read may be anything."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    def __repr__(self) -> str:  # a traceback must not show what was said
        return f"{type(self).__name__}(...)"

    __str__ = __repr__


Seconds = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Score = Annotated[float, Field(allow_inf_nan=False)]


class Timed(Given):
    """A word with its times; the word itself stands in the text of its utterance."""

    start: Seconds
    end: Seconds


@dataclass(frozen=True, slots=True)
class Utterance:
    """One utterance of a file: what was heard, and what the file calls it ("" for nothing).

    The network that the hypotheses were taken from stays in `recognition`.
    """

    recognition: Recognition
    id: str = ""

    def __repr__(self) -> str:
        return f"Utterance({self.recognition!r})"


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a file that is called `file` in errors.

    `acoustic_scale` weighs acoustic scores against those of language; None is the format's own.
    """

    text: str
    file: str
    acoustic_scale: float | None = None

    def __repr__(self) -> str:
        return f"Source({len(self.text)} characters)"

    def wrong(self, message: str, line: int, field: str = "") -> ScenarioError:
        """The error that says so of a line."""
        return ScenarioError(message, file=self.file, line=line, field=field)

    def lines(self) -> Iterator[tuple[int, str]]:
        """The lines, numbered from 1."""
        return enumerate(self.text.split("\n"), 1)

    def documents(self) -> Iterator[tuple[int, Any]]:
        """The JSON documents, each with the line where it begins.

        Raises:
            ScenarioError: what stands there is no JSON; names file and line.
        """
        decoder, at, line = JSONDecoder(), 0, 1
        while True:
            begin = _end_of_blank(self.text, at)
            line += self.text.count("\n", at, begin)
            if begin == len(self.text):
                return
            try:
                value, at = decoder.raw_decode(self.text, begin)
            except JSONDecodeError as error:
                where = line + self.text.count("\n", begin, error.pos)
                raise self.wrong(f"is not JSON ({error.msg})", where) from None
            except RecursionError:
                raise self.wrong("is nested too deeply; no recogniser does so", line) from None
            except ValueError:
                raise self.wrong("has a number that is too long", line) from None
            yield line, value
            line += self.text.count("\n", begin, at)

    def read(self, kind: type[M], value: Any, line: int) -> M:
        """A document, or a part of one, checked.

        Raises:
            ScenarioError: names file, line and the path of the first wrong field.
        """
        if not isinstance(value, dict):
            raise self.wrong("must be an object", line)
        try:
            return kind.model_validate(value)
        except ValidationError as error:
            raise self.wrong(describe(error), line) from None

    def utterance(
        self,
        heard: Iterable[tuple[str, float]],
        line: int,
        *,
        field: str = "",
        id: str = "",  # noqa: A002  # as it stands in JSON
        duration_s: float = 0.0,
        network: Lattice | ConfusionNetwork | None = None,
    ) -> Utterance:
        """Texts with their scores, best first, then those of the network, as one utterance.

        A line break in a text becomes a blank. The first N_BEST_MAX that differ in their words are
        kept. Where all are empty nothing was heard.

        Raises:
            ScenarioError: a text or the id holds half of a character, as JSON can escape it.
            LimitExceeded: one is longer than HYPOTHESIS_CHARS_MAX, or as `best_paths`.
        """
        where = ": ".join(part for part in (f"{self.file}:{line}", field) if part)
        texts = [(" ".join(text.strip().splitlines()), score) for text, score in heard]
        if network is not None:
            try:
                texts += [(one.text, one.score) for one in best_paths(network)]
            except LimitExceeded as error:
                raise LimitExceeded(error.name, error.limit, error.got, where) from None
        try:
            "".join([id, *(text for text, _ in texts)]).encode()
        except UnicodeEncodeError:
            said = r"has half of a character, one of \ud800 to \udfff; both halves are right"
            raise self.wrong(said, line, field) from None
        longest = max((len(text) for text, _ in texts), default=0)
        if longest > HYPOTHESIS_CHARS_MAX:
            raise LimitExceeded("HYPOTHESIS_CHARS_MAX", HYPOTHESIS_CHARS_MAX, longest, where)
        hypotheses: tuple[Hypothesis, ...] = n_best(texts)[:N_BEST_MAX]
        if not any(one.text for one in hypotheses):
            hypotheses = ()
        lattice = network if isinstance(network, Lattice) else None
        confusions = network if isinstance(network, ConfusionNetwork) else None
        recognition = Recognition(
            hypotheses, lattice, duration_s=max(0.0, duration_s), confusions=confusions
        )
        return Utterance(recognition, id)


def source_of(data: bytes, file: str, acoustic_scale: float | None = None) -> Source:
    """The text of a file: UTF-8, or what its byte order mark says.

    Raises:
        LimitExceeded: longer than OUTPUT_BYTES_MAX, or a scale above ACOUSTIC_SCALE_MAX.
        ScenarioError: in another encoding, or binary, names the line; or a scale that is none.
    """
    if len(data) > OUTPUT_BYTES_MAX:
        raise LimitExceeded("OUTPUT_BYTES_MAX", OUTPUT_BYTES_MAX, len(data), file)
    if acoustic_scale is not None and not acoustic_scale > 0.0:
        raise ScenarioError("the acoustic scale must be above 0; 0.1 is usual", file=file)
    if acoustic_scale is not None and acoustic_scale > ACOUSTIC_SCALE_MAX:
        raise LimitExceeded("ACOUSTIC_SCALE_MAX", ACOUSTIC_SCALE_MAX, acoustic_scale, file)
    try:
        text = decoded(data).removeprefix(BYTE_ORDER_MARK)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        said = f"is not {error.encoding.upper()} (byte {error.start}); UTF-8 is right"
        raise ScenarioError(said, file=file, line=line) from None
    if "\0" in text:
        what = unmarked(data)
        said = f"is {what} without a byte order mark" if what else "is no text but binary"
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ScenarioError(f"{said}; text in UTF-8 is right", file=file, line=line)
    return Source(text.replace("\r\n", "\n"), file, acoustic_scale)


def number_of(token: str) -> float | None:
    """A number of a line, or None where it is none or larger than NUMBER_MAX."""
    try:
        value = float(token)
    except ValueError:
        return None
    return value if abs(value) <= NUMBER_MAX and "_" not in token else None


def log_scores(confidences: Sequence[float | None]) -> list[float]:
    """Confidences of an n-best list as log probabilities; all 0 where one is not known.

    >>> [round(score, 2) for score in log_scores([0.5, 0.25])], log_scores([0.9, None])
    ([-0.69, -1.39], [0.0, 0.0])
    """
    known = [one for one in confidences if one is not None]
    if len(known) < len(confidences):
        return [0.0] * len(confidences)
    return [math.log(max(PROBABILITY_MIN, one)) for one in known]


def _end_of_blank(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    assert found is not None
    return found.end()
