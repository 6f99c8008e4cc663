"""The text of a log -> the JSON or YAML documents in it, each with its line.

    {"event": ...}                      one document a line, or over several lines
    [{"event": ...}, {"event": ...}]    the items of a list
    {"events": [{"event": ...}]}        the items of a wrapper
    12:00:01 DEBUG {"event": ...}       whatever stands before a document on its line is passed over
    stage: done                         YAML, as Home Assistant's users paste a pipeline's debug
    run: {...}                          page; also several, one after the other, between ``` and
    events: [...]                       among words, indented or quoted with >

A line without any message is counted, not refused, also where other objects stand on it; one that
begins like JSON and is none is wrong.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ctxasr.charset import BYTE_ORDER_MARK
from ctxasr.errors import ScenarioError
from ctxasr.scenario.source import Source, parse_source

LOG_LINES_MAX: Final = 100_000
"""Lines of one log: a scenario has at most 50 turns, a turn some twenty messages, and a message
written over several lines about thirty."""

LOG_BYTES_MAX: Final = 33_554_432
"""One log, as a file."""

LOG_NESTING_MAX: Final = 32
"""Mappings and lists inside each other in a log of YAML; Home Assistant's have about a dozen."""

_YAML: Final = re.compile(r"(- )?(stage|run|events|init_options|error|type|started):(\s|$)")
"""How the pasted page begins."""

_EVENT: Final = re.compile(r"^[ \t>]*- (type|data|timestamp):(\s|$)", re.MULTILINE)
"""How an event of it begins."""

_PAGE_LINE: Final = re.compile(r"\w+:(\s|$)|[-\s#]|$")
"""What stands at the beginning of its lines; others are words around it."""

_KEY: Final = re.compile(r"(\w+):(\s|$)")
_FENCE: Final = re.compile(r"\s*(```|~~~|---(\s|$))")
_WRAPPERS: Final = ("events", "messages", "records", "directives", "runs", "items", "log")
_OBJECT: Final = re.compile(r'\{\s*["}]')
"""How a JSON object begins; other braces stand in the words of a log."""

_OBJECT_LINE: Final = re.compile(r'^\{\s*"', re.MULTILINE)
_BETWEEN: Final = frozenset(" \t\r\n,]" + BYTE_ORDER_MARK)
_DECODER: Final = json.JSONDecoder()


@dataclass(slots=True)
class Documents:
    """The objects of a log with their lines, and the lines on which there was none."""

    found: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    passed_over: list[int] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"Documents({len(self.found)})"


def documents_in(text: str, file: str = "") -> Documents:
    """Every document of the log.

    Raises:
        ScenarioError: a line begins like JSON and is none, is JSON but no object, or is wrong YAML;
            or there are more than LOG_LINES_MAX.
    """
    if text.count("\n") + (not text.endswith("\n")) > LOG_LINES_MAX:
        message = f"more than LOG_LINES_MAX ({LOG_LINES_MAX}) lines; cut the log"
        raise ScenarioError(message, file=file, line=LOG_LINES_MAX + 1)
    found = Documents()
    if _is_page(text):
        for source in _yaml(_page_alone(text), file, found):
            found.found += [(source.line_of(path), one) for path, one in _items(source.value)]
    else:
        for line, document in _json(text, file, found):
            for _, one in _items(document):
                if holds_message(one):
                    found.found.append((line, one))
                else:
                    found.passed_over.append(line)
        found.passed_over = list(dict.fromkeys(found.passed_over))
    return found


def _is_page(text: str) -> bool:
    """Whether a page of Home Assistant comes before any JSON."""
    lines = (line for line in text.lstrip(BYTE_ORDER_MARK).split("\n") if line.strip())
    first = next((line for line in lines if not _FENCE.match(line)), "")
    event = _EVENT.search(text)
    if event is not None:
        return _YAML.match(first) is not None or not _OBJECT.search(text, 0, event.start())
    return _YAML.match(first) is not None and not _OBJECT_LINE.search(text)


def _page_alone(text: str) -> str:
    """Without the marks of a quotation and the indentation of the whole page."""
    event = _EVENT.search(text)
    if event is not None and ">" in event[0]:
        text = re.sub(r"^[ \t]*> ?", "", text, flags=re.MULTILINE)
    indented = re.search(rf"^( *){_YAML.pattern}", text, re.MULTILINE)
    if indented is not None and indented[1]:
        text = re.sub(f"^{indented[1]}", "", text, flags=re.MULTILINE)
    return text


def holds_message(document: Any) -> bool:
    """Whether it is a record, an envelope or an event of Assist; logs hold other objects, too."""
    if not isinstance(document, dict):
        return False
    held = any(isinstance(document.get(key), dict) for key in ("event", "directive", "message"))
    return held or isinstance(document.get("type"), str)


def _items(document: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a list or of a wrapper with their paths, else the document itself."""
    listed = None
    if isinstance(document, dict) and not {"event", "directive", "message"} & document.keys():
        listed = next((key for key in _WRAPPERS if isinstance(document.get(key), list)), None)
    if listed is not None:
        document, path = document[listed], f"{path}.{listed}".lstrip(".")
    if isinstance(document, list):
        for number, one in enumerate(document):
            yield from _items(one, f"{path}.{number}".lstrip("."))
    elif isinstance(document, dict):
        yield path, document


def _json(text: str, file: str, documents: Documents) -> Iterator[tuple[int, dict[str, Any]]]:
    at, line, counted = 0, 1, 0
    while at < len(text):
        if text[at] in _BETWEEN or (text[at] == "[" and _begins_objects(text, at)):
            at += 1
            continue
        line, counted = line + text.count("\n", counted, at), at
        end_of_line = text.find("\n", at)
        end_of_line = len(text) if end_of_line < 0 else end_of_line
        if "{" not in text[at:end_of_line]:
            _refuse_json(text[at:end_of_line], file, line)
            documents.passed_over.append(line)
            at = end_of_line
            continue
        try:
            value, end = _decoded(text, at, end_of_line)
        except (ValueError, RecursionError):
            if text[at] == "{":
                message = "is not JSON; a log holds JSON objects, one a line or one after the other"
                raise ScenarioError(message, file=file, line=line) from None
            documents.passed_over.append(line)
            at = end_of_line
            continue
        yield line, value
        at = end


def _decoded(text: str, at: int, end_of_line: int) -> tuple[Any, int]:
    """The first object from `at` on that holds something, else the last one, and where it ends.

    Raises:
        ValueError, RecursionError: none is JSON, or the one before which no message stands is not.
    """
    found = None
    while begin := _OBJECT.search(text, at, end_of_line):
        value, at = _DECODER.raw_decode(text, begin.start())
        found = value, at
        if any(holds_message(one) for _, one in _items(value)):
            break
    if found is None:
        found = _DECODER.raw_decode(text, text.index("{", at))
    return found


def _begins_objects(text: str, at: int) -> bool:
    behind = text[at + 1 : at + 1_000].lstrip()
    return behind[:1] in ("{", "]")


def _refuse_json(line: str, file: str, number: int) -> None:
    """A list of numbers is JSON, and no message."""
    try:
        json.loads(line)
    except RecursionError:
        raise ScenarioError("is not JSON: nested too deeply", file=file, line=number) from None
    except ValueError:
        return
    message = "must be a JSON object: an outer record or an envelope"
    raise ScenarioError(message, file=file, line=number)


def _yaml(text: str, file: str, documents: Documents) -> Iterator[Source]:
    """One document after the other: a fence, words around it, or a key that stands there already
    begin a new one.

    Each is read behind as many empty lines as stand before it, so that errors name its own.
    """
    chunk: list[str] = []
    keys: set[str] = set()
    begin, page = 1, False
    for number, line in enumerate([*text.lstrip(BYTE_ORDER_MARK).split("\n"), "---"], 1):
        key = _KEY.match(line)
        fence = _FENCE.match(line) is not None
        inside = page and chunk[-1].strip() != ""
        words = not (fence or inside or _PAGE_LINE.match(line))
        if words:
            documents.passed_over.append(number)
        if fence or words or (key is not None and key[1] in keys):
            if page:
                shifted = "\n" * (begin - 1) + "\n".join(chunk)
                yield parse_source(shifted, file, LOG_NESTING_MAX)
            chunk, keys, begin, page = [], set(), number, False
        chunk.append("" if fence or words else line)
        page = page or bool(_YAML.match(chunk[-1]) or _EVENT.match(chunk[-1]))
        if key is not None:
            keys.add(key[1])
