"""Amazon Transcribe's output files.

    {"jobName": "a1", "results": {"transcripts": [{"transcript": "Call Meg."}], "items": [
        {"type": "pronunciation", "start_time": "0.1", "end_time": "0.4",
         "alternatives": [{"confidence": "0.98", "content": "Call"}]}, ...],
     "segments": [{"start_time": "0.0", "end_time": "1.2", "alternatives": [
        {"transcript": "Call Meg.", "items": [{"confidence": "0.98", "content": "Call"}]}, ...]}]}}

With alternatives asked for (`ShowAlternatives`), each of `segments` is an utterance with an n-best
list, and the score of an alternative is the sum of the logarithms of its words' confidences. Else
each of `audio_segments` is an utterance, or each channel, or all of it; where its words have
several alternatives they are kept as a confusion network, and its paths follow the transcript.

Source: docs.aws.amazon.com, Amazon Transcribe developer guide, "Alternative transcriptions",
"Transcribing multi-channel audio", and the shape of `audio_segments` in "Data input and output".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Final

from pydantic import Field

from ctxasr.hypotheses import ConfusionNetwork
from ctxasr.speech.outputs.source import (
    PROBABILITY_MIN,
    Given,
    Probability,
    Seconds,
    Source,
    Utterance,
    log_scores,
)

_SPOKEN: Final = "pronunciation"


class _Choice(Given):
    content: str
    confidence: Probability | None = None


class _Item(Given):
    """A word, or a punctuation mark, which has no times."""

    type: str
    alternatives: Annotated[tuple[_Choice, ...], Field(min_length=1)]
    start_time: Seconds | None = None
    end_time: Seconds | None = None
    id: int | None = None


class _Said(Given):
    type: str = _SPOKEN
    content: str
    confidence: Probability | None = None


class _Alternative(Given):
    transcript: str
    items: tuple[_Said, ...] = ()


class _Segment(Given):
    alternatives: tuple[_Alternative, ...]
    start_time: Seconds
    end_time: Seconds


class _AudioSegment(Given):
    transcript: str
    start_time: Seconds
    end_time: Seconds
    id: int | None = None
    items: tuple[int, ...] = ()


class _Channel(Given):
    channel_label: str
    items: tuple[_Item, ...]


class _Channels(Given):
    channels: tuple[_Channel, ...]


class _Transcript(Given):
    transcript: str


class _Results(Given):
    transcripts: Annotated[tuple[_Transcript, ...], Field(min_length=1)]
    items: tuple[_Item, ...] = ()
    segments: tuple[_Segment, ...] = ()
    audio_segments: tuple[_AudioSegment, ...] = ()
    channel_labels: _Channels | None = None


class _Output(Given):
    results: _Results
    jobName: str = ""  # noqa: N815


def read(source: Source) -> Iterator[Utterance]:
    """The utterances of a file.

    Raises:
        ScenarioError: names file, line and field.
        LimitExceeded: a text is too long.
    """
    for line, document in source.documents():
        output = source.read(_Output, document, line)
        results = output.results
        if results.segments:
            yield from _segments(source, results.segments, line)
        elif results.audio_segments:
            yield from _audio_segments(source, results, line)
        elif results.channel_labels is not None:
            for number, channel in enumerate(results.channel_labels.channels):
                field = f"results.channel_labels.channels.{number}"
                text = _text_of(channel.items)
                yield _utterance(source, text, channel.items, line, field, channel.channel_label)
        else:
            text = results.transcripts[0].transcript
            yield _utterance(source, text, results.items, line, "results", output.jobName)


def _segments(source: Source, segments: Sequence[_Segment], line: int) -> Iterator[Utterance]:
    for number, one in enumerate(segments):
        heard = [(choice.transcript, _score_of(choice.items)) for choice in one.alternatives]
        yield source.utterance(
            heard,
            line,
            field=f"results.segments.{number}",
            duration_s=one.end_time - one.start_time,
        )


def _audio_segments(source: Source, results: _Results, line: int) -> Iterator[Utterance]:
    named = {item.id: item for item in results.items if item.id is not None}
    for number, one in enumerate(results.audio_segments):
        field = f"results.audio_segments.{number}"
        if not named.keys() >= set(one.items):
            raise source.wrong("names an item that is not there", line, f"{field}.items")
        items = [named[item] for item in one.items]
        name = "" if one.id is None else str(one.id)
        yield _utterance(source, one.transcript, items, line, field, name)


def _utterance(
    source: Source, text: str, items: Sequence[_Item], line: int, field: str, name: str
) -> Utterance:
    spoken = [item for item in items if item.type == _SPOKEN]
    network = None
    if any(len(item.alternatives) > 1 for item in spoken):
        network = ConfusionNetwork(
            tuple(
                tuple(
                    (choice.content, max(PROBABILITY_MIN, _known(choice.confidence)))
                    for choice in item.alternatives
                )
                for item in spoken
            )
        )
    edges_s = [edge for item in spoken for edge in (item.start_time, item.end_time)]
    known_s = [edge_s for edge_s in edges_s if edge_s is not None]
    score = sum(log_scores([item.alternatives[0].confidence for item in spoken]))
    return source.utterance(
        [(text, score)],
        line,
        field=field,
        id=name,
        duration_s=max(known_s, default=0.0) - min(known_s, default=0.0),
        network=network,
    )


def _known(confidence: float | None) -> float:
    return 1.0 if confidence is None else confidence


def _score_of(items: Sequence[_Said]) -> float:
    return sum(log_scores([item.confidence for item in items if item.type == _SPOKEN]))


def _text_of(items: Sequence[_Item]) -> str:
    """Words with blanks between them, punctuation without."""
    parts = [(" " if item.type == _SPOKEN else "") + item.alternatives[0].content for item in items]
    return "".join(parts).strip()
