"""Which reader reads what, and how a file's beginning tells its format.

{"results": {"channels": ...     deepgram        VERSION=1.0             slf
{"results": {"transcripts": ...  transcribe      a1 A 0.3 0.2 meg 0.9    ctm
{"results": [...                 google          a1-1 call meg           kaldi
{"text": ..., "segments": ...    whisper         a1 / 0 1 meg 4.2,31,    kaldi-lattice
{"alternatives": ...             vosk

from ctxasr.speech.outputs.formats import read_file

for utterance in read_file(Path("deepgram.json")):
    print(utterance.recognition.plain)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

from ctxasr.errors import InputError, ScenarioError
from ctxasr.speech.outputs import (
    ctm,
    deepgram,
    google,
    kaldi,
    kaldi_lattice,
    slf,
    transcribe,
    vosk,
    whisper,
)
from ctxasr.speech.outputs.source import OUTPUT_BYTES_MAX, Source, Utterance, number_of, source_of

Reader = Callable[[Source], Iterator[Utterance]]

READERS: Final[Mapping[str, Reader]] = {
    "whisper": whisper.read,
    "vosk": vosk.read,
    "transcribe": transcribe.read,
    "deepgram": deepgram.read,
    "google": google.read,
    "kaldi": kaldi.read,
    "slf": slf.read,
    "kaldi-lattice": kaldi_lattice.read,
    "ctm": ctm.read,
}
"""The formats by the names that `ctxasr rescore --format` takes, beside jsonl."""

GUESS_LINES_MAX: Final = 100
"""Lines of a text that are looked at to guess its format: a lattice's header has a dozen."""

_SLF: Final = re.compile(r"(?:VERSION|V)=\S|(?:N|NODES)=\d+\s+(?:L|LINKS)=\d")
_RANKED: Final = re.compile(r"\S+-[1-9]\d*(?:\s.*)?")
_LATTICE_ARC: Final = re.compile(r"\d+\s+\d+\s+\S+(?:\s+\S+)?\s+[^,\s]+,[^,\s]+(?:,[\d_]*)?\s*")


def read_file(
    path: Path,
    *,
    format: str = "",  # noqa: A002  # as the option is called
    acoustic_scale: float | None = None,
) -> Iterator[Utterance]:
    """The utterances of a file that a recogniser has written, each with its n-best list.

    `format` is a name of READERS; without it the file's beginning tells. `acoustic_scale` weighs
    acoustic scores in lattices, where the format's own is not wanted.

    Raises:
        ScenarioError: the file is wrong; names file, line and field.
        LimitExceeded: it is too large, or a text or a network in it.
        InputError: there is no such format, or nothing tells it.
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        data = stream.read(OUTPUT_BYTES_MAX + 1)
    source = source_of(data, str(path), acoustic_scale)
    return reader_of(format or known_format(source))(source)


def reader_of(name: str) -> Reader:
    """The reader of a format.

    >>> source = source_of(b'{"text": "call meg"}', "heard.json")
    >>> [one.recognition.plain for one in reader_of(known_format(source))(source)]
    ['call meg']

    Raises:
        InputError: there is none.
    """
    if name not in READERS:
        raise InputError(f"the format is not known; one of {', '.join(READERS)} is right")
    return READERS[name]


def known_format(source: Source) -> str:
    """The format that the text is certainly in.

    Raises:
        InputError: nothing tells it.
    """
    found = guessed(source)
    if found not in READERS:
        message = f"its format cannot be guessed; say which, one of {', '.join(READERS)}"
        raise InputError(f"{source.file}: {message}")
    return found


def guessed(source: Source) -> str:
    """The format that the text is certainly in: a name of READERS, "jsonl", or "" for no such."""
    if source.text.lstrip()[:1] in {"{", "["}:
        try:
            _, document = next(source.documents())
        except ScenarioError:
            return ""  # cut off, perhaps: whoever says the format is told where
        return guessed_json(document)
    lines = islice(
        (text for _, text in source.lines() if text.strip() and not text.startswith((";;", "#"))),
        GUESS_LINES_MAX,
    )
    return _guessed_text(list(lines))


def guessed_json(document: Any) -> str:
    """The same of the first JSON document of a file."""
    if isinstance(document, list):
        first = document[0] if document else None
        segments = isinstance(first, dict) and {"start", "text"} <= first.keys()
        return "whisper" if segments else "jsonl"
    if not isinstance(document, dict):
        return ""
    keys, results = document.keys(), document.get("results")
    response = document.get("response")
    tests = {
        "jsonl": bool(keys & {"hypotheses", "audio"}),
        "deepgram": (isinstance(results, dict) and "channels" in results)
        or ("channel" in keys and document.get("type") == "Results"),
        "transcribe": isinstance(results, dict) and "transcripts" in results,
        "google": isinstance(results, list)
        or (isinstance(response, dict) and isinstance(response.get("results"), list)),
        "whisper": "segments" in keys or {"text", "words"} <= keys or "task" in keys,
        "vosk": "alternatives" in keys or "partial" in keys or "text" in keys,
    }
    return next((name for name, passed in tests.items() if passed), "")


def _guessed_text(lines: list[str]) -> str:
    if not lines:
        return ""
    if any(map(_SLF.match, lines[:20])):
        return "slf"
    if all(map(_is_time_marked, lines)):
        return "ctm"
    if len(lines[0].split()) == 1 and len(lines) > 1 and _LATTICE_ARC.fullmatch(lines[1]):
        return "kaldi-lattice"
    return "kaldi" if all(map(_RANKED.fullmatch, lines)) else ""


def _is_time_marked(line: str) -> bool:
    parts = line.split()
    times = parts[2:4]
    return len(parts) in ctm.FIELDS and (
        times == ["*", "*"] or all(number_of(time) is not None for time in times)
    )
