"""Whisper's verbose JSON: openai-whisper, faster-whisper, whisper.cpp's server, OpenAI's API.

    {"text": " Call Meg.", "segments": [{"id": 0, "start": 0.0, "end": 1.2, "text": " Call Meg.",
     "avg_logprob": -0.29}], "words": [{"word": "Call", "start": 0.0, "end": 0.4}, ...]}

Each segment is an utterance with one hypothesis, whose score is the mean log probability of its
tokens; without segments the text is. A list of segments alone is read as well, as programs write
what faster-whisper gives them.

Source: openai/whisper, whisper/transcribe.py; OpenAI, API reference, "The transcription object".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ctxasr.speech.outputs.source import Given, Score, Seconds, Source, Timed, Utterance


class _Segment(Given):
    text: str
    id: int | str | None = None
    start: Seconds = 0.0
    end: Seconds = 0.0
    avg_logprob: Score | None = None
    words: tuple[Timed, ...] | None = None


class _Segmented(Given):
    segments: tuple[_Segment, ...]
    words: tuple[Timed, ...] | None = None


class _Whole(Given):
    text: str
    words: tuple[Timed, ...] | None = None
    duration: Seconds = 0.0


def read(source: Source) -> Iterator[Utterance]:
    """The utterances of a file.

    Raises:
        ScenarioError: names file, line and field.
        LimitExceeded: a text is too long.
    """
    for line, document in source.documents():
        yield from _read(source, document, line)


def _read(source: Source, document: Any, line: int) -> Iterator[Utterance]:
    if isinstance(document, list):
        document = {"segments": document}
    if isinstance(document, dict) and document.get("segments") is None:
        whole = source.read(_Whole, document, line)
        yield source.utterance([(whole.text, 0.0)], line, duration_s=whole.duration)
        return
    for number, one in enumerate(source.read(_Segmented, document, line).segments):
        yield source.utterance(
            [(one.text, one.avg_logprob or 0.0)],
            line,
            field=f"segments.{number}",
            id="" if one.id is None else str(one.id),
            duration_s=one.end - one.start,
        )
