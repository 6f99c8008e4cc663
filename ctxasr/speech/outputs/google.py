"""Google Cloud Speech-to-Text: answers of `recognize` and of long-running operations, v1 and v2.

    {"results": [{"alternatives": [{"transcript": "call meg", "confidence": 0.98},
                                   {"transcript": "call mag"}], "resultEndTime": "1.300s"}]}

Each result, a stretch of the sound, is an utterance. Google gives the first alternative alone a
confidence, or none (0 stands for that): scores are the logarithms of confidences where all of a
result have one, else 0; the order is Google's. What is not final of a stream is passed over. An
answer without results, as of silence, has no utterance.

Source: cloud.google.com, Speech-to-Text reference, `RecognizeResponse`, `SpeechRecognitionResult`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final

from pydantic import BeforeValidator

from ctxasr.speech.outputs.source import (
    Given,
    Probability,
    Seconds,
    Source,
    Utterance,
    log_scores,
)

_OF_SILENCE: Final = {"totalBilledTime", "requestId", "metadata"}


def _without_unit(given: Any) -> Any:
    """Protocol buffers write a duration as "1.300s" in JSON."""
    return given.removesuffix("s") if isinstance(given, str) else given


Duration = Annotated[Seconds, BeforeValidator(_without_unit)]


class _Alternative(Given):
    transcript: str
    confidence: Probability = 0.0


class _Result(Given):
    alternatives: tuple[_Alternative, ...] = ()
    resultEndTime: Duration | None = None  # noqa: N815  # v1
    resultEndOffset: Duration | None = None  # noqa: N815  # v2
    isFinal: bool | None = None  # noqa: N815
    stability: float | None = None


class _Answer(Given):
    results: tuple[_Result, ...]


def read(source: Source) -> Iterator[Utterance]:
    """The utterances of a file.

    Raises:
        ScenarioError: names file, line and field.
        LimitExceeded: a text is too long.
    """
    for line, document in source.documents():
        whole = document
        if isinstance(document, dict) and isinstance(document.get("response"), dict):
            whole = document["response"]  # an operation that has ended
        if isinstance(whole, dict) and whole.keys() <= _OF_SILENCE:
            continue
        begin_s = 0.0
        for number, one in enumerate(source.read(_Answer, whole, line).results):
            if one.isFinal is False or (one.stability is not None and not one.isFinal):
                continue
            scores = log_scores([choice.confidence or None for choice in one.alternatives])
            texts = [choice.transcript for choice in one.alternatives]
            end_s = one.resultEndTime or one.resultEndOffset or begin_s
            yield source.utterance(
                zip(texts, scores, strict=True),
                line,
                field=f"results.{number}",
                duration_s=end_s - begin_s,
            )
            begin_s = end_s
