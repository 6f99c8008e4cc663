"""Deepgram's answers: of recorded sounds, and of streams, one JSON document a message.

    {"metadata": {"duration": 1.6}, "results": {"channels": [{"alternatives": [
        {"transcript": "call meg", "confidence": 0.98}, ...]}]}}
    {"type": "Results", "is_final": true, "channel": {"alternatives": [...]}}

Each channel is an utterance, and so is each of `results.utterances` where they were asked for and
no channel has several alternatives. The score is the logarithm of the confidence. What is not
final of a stream is passed over, and so are its other messages.

Source: developers.deepgram.com, "Pre-recorded audio" and "Live audio", responses.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from ctxasr.speech.outputs.source import (
    Given,
    Probability,
    Seconds,
    Source,
    Timed,
    Utterance,
    log_scores,
)


class _Alternative(Given):
    transcript: str
    confidence: Probability | None = None
    words: tuple[Timed, ...] = ()


class _Channel(Given):
    alternatives: tuple[_Alternative, ...]


class _Stretch(_Alternative):
    start: Seconds = 0.0
    end: Seconds = 0.0
    id: str = ""


class _Results(Given):
    channels: tuple[_Channel, ...]
    utterances: tuple[_Stretch, ...] = ()


class _Metadata(Given):
    duration: Seconds = 0.0


class _Answer(Given):
    results: _Results
    metadata: _Metadata = Field(default_factory=_Metadata)


class _Message(Given):
    channel: _Channel
    duration: Seconds = 0.0


def read(source: Source) -> Iterator[Utterance]:
    """The utterances of a file.

    Raises:
        ScenarioError: names file, line and field.
        LimitExceeded: a text is too long.
    """
    for line, document in source.documents():
        if isinstance(document, dict) and "type" in document:
            if document["type"] == "Results" and document.get("is_final", True):
                message = source.read(_Message, document, line)
                heard = _heard(message.channel)
                yield source.utterance(heard, line, field="channel", duration_s=message.duration)
            continue
        answer = source.read(_Answer, document, line)
        channels, stretches = answer.results.channels, answer.results.utterances
        if stretches and all(len(one.alternatives) <= 1 for one in channels):
            for number, one in enumerate(stretches):
                scores = log_scores([one.confidence])
                yield source.utterance(
                    [(one.transcript, scores[0])],
                    line,
                    field=f"results.utterances.{number}",
                    id=one.id,
                    duration_s=one.end - one.start,
                )
            continue
        for number, channel in enumerate(channels):
            yield source.utterance(
                _heard(channel),
                line,
                field=f"results.channels.{number}",
                id=f"channel-{number}" if len(channels) > 1 else "",
                duration_s=answer.metadata.duration,
            )


def _heard(channel: _Channel) -> Iterator[tuple[str, float]]:
    texts = [one.transcript for one in channel.alternatives]
    return zip(texts, log_scores([one.confidence for one in channel.alternatives]), strict=True)
