"""Vosk's results, one JSON document an utterance.

    {"alternatives": [{"confidence": 204.4, "text": "power"}, {"confidence": 203.9, ...}]}
    {"result": [{"conf": 0.61, "start": 0.3, "end": 0.8, "word": "power"}], "text": "power"}

With alternatives a confidence is a log probability up to a constant of the utterance; where all of
an utterance lie between 0 and 1 they are probabilities. Of a single result the score is the sum of
the logarithms of its words' confidences. Partial results are passed over.

Source: alphacep/vosk-api, src/vosk_api.h, `vosk_recognizer_set_max_alternatives` and `set_words`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ctxasr.speech.outputs.source import (
    Given,
    Probability,
    Score,
    Source,
    Timed,
    Utterance,
    log_scores,
)


class _Word(Timed):
    conf: Probability | None = None


class _Alternative(Given):
    text: str
    confidence: Score
    result: tuple[_Word, ...] = ()


class _Listed(Given):
    alternatives: tuple[_Alternative, ...]


class _Single(Given):
    text: str
    result: tuple[_Word, ...] = ()


def read(source: Source) -> Iterator[Utterance]:
    """The utterances of a file.

    Raises:
        ScenarioError: names file, line and field.
        LimitExceeded: a text is too long.
    """
    for line, document in source.documents():
        if isinstance(document, dict) and document.keys() == {"partial"}:
            continue
        if isinstance(document, dict) and "alternatives" in document:
            listed = source.read(_Listed, document, line).alternatives
            given = [one.confidence for one in listed]
            scores = log_scores(given) if all(0.0 <= one <= 1.0 for one in given) else given
            texts = [one.text for one in listed]
            words = listed[0].result if listed else ()
        else:
            single = source.read(_Single, document, line)
            words = single.result
            texts, scores = [single.text], [sum(log_scores([word.conf for word in words]))]
        length_s = words[-1].end if words else 0.0
        heard = zip(texts, scores, strict=True)
        yield source.utterance(heard, line, duration_s=length_s)
