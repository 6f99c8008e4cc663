"""YAML text -> plain values, and the line on which each of them stands.

    turns:                         {"turns": [{"reply": "Which one?"}]}
      - reply: Which one?          lines["turns.0.reply"] = 2

The values are built from the parser's events with a stack of our own: no object is ever
constructed from a tag, nothing recurses, and nesting and size are bounded. Plain scalars follow
the YAML 1.2 core schema, so that `no` and `12:30` stay text. JSON is YAML but for one thing: it
writes one character as an escaped surrogate pair, whose halves are joined here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from ctxasr.charset import BYTE_ORDER_MARK, decoded, joined
from ctxasr.errors import ScenarioError

SCENARIO_BYTES_MAX: Final = 1_048_576
"""One scenario file: 50 turns with full n-best lists take a tenth of it."""

NESTING_MAX: Final = 8
"""Mappings and lists inside each other; the format itself uses six."""

VALUES_MAX: Final = 20_000
"""Keys and values of one file: a second's work for the YAML parser."""

_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?")
_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


_OPENED: Final = (Path("/dev/fd"), Path("/proc/self/fd"))
"""What lies here the shell has opened, as with <(...); any other pipe may never be written to."""

_WRITE_OUT: Final = "write the value out, and in quotes a text that begins with"


@dataclass(frozen=True, slots=True)
class Source:
    """A YAML document: its values, and the line (from 1) of every field path."""

    file: str
    value: Any
    lines: dict[str, int]

    def line_of(self, path: str) -> int:
        """The line of `path`, or of the nearest field around it that is written in the file."""
        while path and path not in self.lines:
            path = path.rpartition(".")[0]
        return self.lines.get(path, 1)


def read_source(path: Path) -> Source:
    """Read one YAML document from `path`.

    Raises:
        ScenarioError: no such file, too large, not UTF-8, empty, or not plain YAML.
    """
    file = str(path)
    try:
        if not path.is_file() and path.parent not in _OPENED:
            there = "is a folder" if path.is_dir() else "is no regular file"
            what = there if path.exists() else "does not exist"
            raise ScenarioError(f"{what}; give the path of a YAML file", file=file)
        with path.open("rb") as stream:
            data = stream.read(SCENARIO_BYTES_MAX + 1)
    except OSError as error:
        raise ScenarioError(f"cannot be read ({error.strerror})", file=file) from None
    if len(data) > SCENARIO_BYTES_MAX:
        raise ScenarioError(
            f"the file is larger than SCENARIO_BYTES_MAX ({SCENARIO_BYTES_MAX} bytes); "
            "split it into several scenarios",
            file=file,
        )
    try:
        text = decoded(data)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"byte {error.start} is not {error.encoding.upper()}; save the file as UTF-8"
        raise ScenarioError(message, file=file, line=line) from None
    return parse_source(text, file)


def parse_source(text: str, file: str = "", nesting_max: int = NESTING_MAX) -> Source:
    """The same from a text in hand, with mappings and lists `nesting_max` deep inside each other.

    Raises:
        ScenarioError: not plain YAML; names file, line and field.
    """
    if not text.strip():
        message = "the file is empty; `ctxasr scenario new` writes an example to start from"
        raise ScenarioError(message, file=file, line=1)
    builder = _Builder(file, nesting_max)
    try:
        # The round-trip scanner would mark each fold of a folded scalar with a control character.
        for event in YAML(typ="safe", pure=True).parse(text.removeprefix(BYTE_ORDER_MARK)):
            builder.take(event)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        raise ScenarioError(_explain(error, text, line), file=file, line=line) from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        message = "a control character; write it as an escape in double quotes"
        raise ScenarioError(message, file=file, line=line) from None
    if "" not in builder.lines:
        raise ScenarioError("the file holds nothing but comments", file=file, line=1)
    return Source(file, builder.root, builder.lines)


@dataclass(slots=True)
class _Open:
    """A mapping or list that has not ended yet."""

    value: dict[str, Any] | list[Any]
    path: str
    key: str | None = None


@dataclass(slots=True)
class _Builder:
    """Takes the parser's events one by one; `root` and `lines` are the result."""

    file: str
    nesting_max: int
    root: Any = None
    lines: dict[str, int] = field(default_factory=dict)
    stack: list[_Open] = field(default_factory=list)
    documents: int = 0
    values: int = 0

    def take(self, event: Event) -> None:
        line = event.start_mark.line + 1
        if isinstance(event, DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                self.fail("a second document begins; a file holds one scenario", line)
        elif isinstance(event, (MappingEndEvent, SequenceEndEvent)):
            self.stack.pop()
        elif isinstance(event, AliasEvent):
            self.fail(f"aliases (*name) are not allowed; {_WRITE_OUT} *", line)
        elif isinstance(event, NodeEvent):
            self.take_node(event, line)

    def take_node(self, event: NodeEvent, line: int) -> None:
        top = self.stack[-1] if self.stack else None
        self.values += 1
        if self.values > VALUES_MAX:
            self.fail(f"more than VALUES_MAX ({VALUES_MAX}) keys and values", line)
        if getattr(event, "tag", None) is not None:
            self.fail(f"tags (!name) are not allowed; {_WRITE_OUT} !", line)
        if event.anchor is not None:
            self.fail(f"anchors (&name) are not allowed; {_WRITE_OUT} &", line)
        if top is not None and isinstance(top.value, dict) and top.key is None:
            top.key = self.take_key(event, top, line)
            return
        path = self.place(top, line)
        if isinstance(event, ScalarEvent):
            self.put(top, _plain_value(event, self.text_of(event, line, path)))
            return
        value: dict[str, Any] | list[Any] = {} if isinstance(event, MappingStartEvent) else []
        assert isinstance(event, (MappingStartEvent, SequenceStartEvent)), "all kinds of nodes"
        if len(self.stack) >= self.nesting_max:
            self.fail(f"nested deeper than NESTING_MAX ({self.nesting_max})", line, path)
        self.put(top, value)
        self.stack.append(_Open(value, path))

    def take_key(self, event: NodeEvent, top: _Open, line: int) -> str:
        if not isinstance(event, ScalarEvent):
            self.fail("a key must be a word", line, top.path)
        key = self.text_of(event, line, top.path)
        assert isinstance(top.value, dict), "keys stand in mappings"
        if key in top.value:
            before = self.lines[_join(top.path, key)]
            self.fail(f"key {key[:40]!r} stands twice (first on line {before})", line, top.path)
        self.lines[_join(top.path, key)] = line
        return key

    def text_of(self, event: ScalarEvent, line: int, path: str) -> str:
        try:
            return joined(str(event.value))
        except UnicodeDecodeError:
            self.fail("half a character (\\ud800...); write the character itself", line, path)

    def place(self, top: _Open | None, line: int) -> str:
        """The path of the value that comes next. A mapping's entry has the line of its key."""
        if top is None:
            path = ""
        elif isinstance(top.value, dict):
            path = _join(top.path, top.key or "")
        else:
            path = _join(top.path, str(len(top.value)))
        self.lines.setdefault(path, line)
        return path

    def put(self, top: _Open | None, value: Any) -> None:
        if top is None:
            self.root = value
        elif isinstance(top.value, dict):
            assert top.key is not None, "take_node saw the key first"
            top.value[top.key] = value
            top.key = None
        else:
            top.value.append(value)

    def fail(self, message: str, line: int, path: str = "") -> NoReturn:
        raise ScenarioError(message, file=self.file, line=line, field=path)


def _plain_value(event: ScalarEvent, text: str) -> Any:
    """A scalar by the core schema; quoted and block scalars are text."""
    if event.style in ("'", '"', "|", ">"):
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def _join(path: str, part: str) -> str:
    return f"{path}.{part}" if path else part


def _explain(error: MarkedYAMLError, text: str, line: int | None) -> str:
    """The parser's complaint in one sentence, without the text that it quotes."""
    lines = text.splitlines()
    shown = lines[line - 1] if line is not None and line <= len(lines) else ""
    if "\t" in shown[: len(shown) - len(shown.lstrip())]:
        return "a tab indents this line; YAML wants spaces"
    if "mapping values are not allowed" in (error.problem or ""):
        return "a colon where none can stand; put quotes around a text that holds ': '"
    if "cannot start any token" in (error.problem or ""):
        return "put quotes around a text that begins with @, % or `"
    if "'<scalar>'" in (error.problem or "") and "'" in shown:
        return "a text behind a closing quote; inside single quotes write '' for an apostrophe"
    parts = [part for part in (error.context, error.problem) if part]
    return f"not YAML: {', '.join(parts)}"
