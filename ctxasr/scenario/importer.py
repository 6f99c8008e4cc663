"""A log of real messages -> a scenario whose replay meets the same events in the same order.

    Recognize, ExpectSpeech, Reply, Reply, Utterance      deliver: [recognize, expect_speech,
                                                                    reply, reply]
    ExpectSpeech at 10.0 s, SpeechFinished at 12.1 s      reply: {..., duration: 2.1s}
    ExpectSpeech at 10.0 s, SpeechInterrupted at 10.3 s   barge_in: 300ms

What a scenario cannot say stands as a comment at the top of the file, and so does how much of the
log belongs to no turn.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from ctxasr.charset import decoded
from ctxasr.errors import ScenarioError
from ctxasr.events import (
    ElicitSlot,
    Entities,
    ExpectSpeech,
    Recognize,
    Reply,
    RequestProcessingCompleted,
    ScreenList,
    Speak,
    SpeechFinished,
    SpeechInterrupted,
    SpeechStarted,
    UpdateDynamicEntities,
    Utterance,
)
from ctxasr.scenario.format import read_scenario
from ctxasr.scenario.log import Logged, LoggedTurn, read_log
from ctxasr.scenario.log_text import LOG_BYTES_MAX
from ctxasr.scenario.logged_speeches import Moment, Moments
from ctxasr.scenario.schema import MODELINE
from ctxasr.scenario.values import (
    DEFAULT_PAUSE_MS,
    DELIVERIES_MAX,
    NAME_CHARS_MAX,
    NUMBERED,
    PAUSE_MS_MAX,
    SCHEMA_VERSION,
    USUAL_ORDER,
    event_name,
)
from ctxasr.sim.plans.templates import MOMENT_EVENTS
from ctxasr.timing import REPLY_MS_MAX, format_duration, spoken_ms

_EVENTS: Final = {
    Recognize.full_name: "recognize",
    Utterance.full_name: "utterance",
    Entities.full_name: "entities",
    UpdateDynamicEntities.full_name: "entities",
    ScreenList.full_name: "screen",
    ElicitSlot.full_name: "slot",
    Speak.full_name: "speak",
    Reply.full_name: "reply",
    ExpectSpeech.full_name: "expect_speech",
    SpeechStarted.full_name: "speech_started",
    RequestProcessingCompleted.full_name: "completed",
}


_NOTE: Final = "# Not as in the log: "


def import_log(source: Path | str | Iterable[str], *, customer: str | None = None) -> str:
    """The YAML of a scenario from a log: a path, or its lines.

    Raises:
        ScenarioError: the log cannot be read, or a line of it is wrong; names file and line.
    """
    if isinstance(source, (Path, str)):
        file = str(source)
        log = read_log(_text_of(Path(source)), file, customer)
    else:
        file = "log"
        text = "".join(line if line.endswith("\n") else f"{line}\n" for line in source)
        log = read_log(text, file, customer)
    notes = list(log.notes)
    turns = []
    for index, turn in enumerate(log.turns):
        following = log.turns[index + 1] if index + 1 < len(log.turns) else None
        turns.append(_Turn(turn, following, log.has_times, notes, index + 1).to_yaml())
    document = {"schema": SCHEMA_VERSION, "about": "Imported from a log.", "turns": turns}
    text = _dump(document, notes)
    try:
        read_scenario(text)
    except ScenarioError as error:
        what = str(error).partition(": ")[2]
        raise ScenarioError(f"what the log says fits into no scenario: {what}", file=file) from None
    return text


def notes_in(text: str) -> Iterator[str]:
    """What an imported scenario says at its top of how it differs from the log."""
    for line in text.splitlines():
        if line.startswith(_NOTE):
            yield line.removeprefix("# ")


def _text_of(path: Path) -> str:
    file = str(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(LOG_BYTES_MAX + 1)
    except OSError as error:
        raise ScenarioError(f"cannot be read ({error.strerror})", file=file) from None
    if len(data) > LOG_BYTES_MAX:
        message = f"is larger than LOG_BYTES_MAX ({LOG_BYTES_MAX} bytes); cut the log"
        raise ScenarioError(message, file=file)
    try:
        return decoded(data)
    except UnicodeDecodeError as error:
        message = f"is not {error.encoding.upper()}; a log is JSON in UTF-8"
        raise ScenarioError(message, file=file) from None


def _dump(document: dict[str, Any], notes: list[str]) -> str:
    stream = io.StringIO()
    yaml = YAML(typ="rt", pure=True)
    yaml.default_flow_style = None
    yaml.width = 100
    yaml.representer.ignore_aliases = lambda *_: True
    yaml.dump(document, stream)
    head = [MODELINE, *(f"{_NOTE}{note}." for note in notes)]
    return "\n".join([*head, stream.getvalue()])


class _Turn:
    """One turn's way into the format."""

    def __init__(
        self,
        logged: LoggedTurn,
        following: LoggedTurn | None,
        has_times: bool,
        notes: list[str],
        number: int,
    ) -> None:
        self.logged, self.following, self.has_times = logged, following, has_times
        self.notes, self.number = notes, number
        self.arrivals: list[str] = []
        self.entities: list[dict[str, Any]] = []
        self.screen: list[str] = []
        self.slot: str | None = None
        self.utterance: str | None = None
        self.reply: str | None = None
        self.caption: str | None = None
        self.given_ms: float | None = None
        self.announced: int | None = None
        self.moments = Moments(logged.messages)
        if self.moments.wordless:
            self._note("a speech before its reply has no words in the log and is left out")
        self._read()

    def _read(self) -> None:
        seen: dict[str, list[str]] = {}
        for one in self.logged.messages:
            again = seen.get(one.message.header.message_id)
            if again is None:
                moment = self.moments.of(one.message) is not None
                again = self.moments.events(one.message) if moment else self._take(one)
                seen[one.message.header.message_id] = again
            self.arrivals += again

    def _take(self, one: Logged) -> list[str]:
        """Keep what a message says; returns the events that it is in a scenario."""
        header, body = one.message.header, one.message.payload
        name = _EVENTS.get(header.full_name)
        if name is None:
            return []
        match body:
            case Utterance():
                self.utterance = body.text
            case Reply():
                self.reply, self.given_ms = body.text, body.duration_in_milliseconds
            case Speak():
                self.caption = body.words or None
            case ExpectSpeech():
                self.announced = one.record.service_payloads
            case Entities():
                values = [(text, "") for text in body.texts]
                if body.ids:
                    values = list(zip(body.texts, body.ids, strict=True))
                return self._add_entities([(body.kind, values)])
            case ScreenList():
                self.screen = list(body.items)
            case ElicitSlot():
                self.slot = body.slot_to_elicit
            case UpdateDynamicEntities():
                return self._add_entities(
                    [(kind or "entity", list(names.items())) for kind, names in body.by_kind]
                )
            case _:
                pass
        if name in self.arrivals:
            self._note(f"it has more than one {name} message; the last one stands for all")
        return [name]

    def _add_entities(self, lists: list[tuple[str, list[tuple[str, str]]]]) -> list[str]:
        names = []
        for kind, values in lists:
            if values:
                word = re.sub(r"[^\w.-]+", "_", kind)[:NAME_CHARS_MAX]
                named = [{"id": i, "text": text} if i else text for text, i in values]
                self.entities.append({"kind": word, "values": named})
                names.append(f"entities_{len(self.entities)}")
        return names

    def to_yaml(self) -> dict[str, Any]:
        heard = " ".join((self.utterance or "").split())
        if self.utterance is None:
            self._note("it holds no utterance text; write what was said into 'hypotheses'")
        entry: dict[str, Any] = {"user": {"hypotheses": [heard]}}
        reply = self.reply or self.caption
        entry |= {"entities": self.entities} if self.entities else {}
        entry |= {"screen": self.screen} if self.screen else {}
        entry |= {"elicit_slot": self.slot} if self.slot else {}
        asks = self.logged.first(ExpectSpeech.full_name) is not None
        if reply and self.moments.said:
            entry["moments"] = [self._moment(one) for one in self.moments.said]
        if reply:
            duration_ms = self._reply_ms(reply)
            entry["reply"] = {"text": reply}
            if duration_ms is not None:
                entry["reply"]["duration"] = _write(min(duration_ms, REPLY_MS_MAX))
        elif self._first(Speak.full_name):
            self._note("its reply has no words in the log and is left out")
        if asks != bool(reply and self.following):
            entry["expect_speech"] = asks
        payloads = len(self.entities) + bool(self.screen) + (self.slot is not None)
        if asks and self.announced != payloads:
            entry["announce"] = self.announced
        entry |= self._order(bool(reply), asks)
        barge_in_ms = self._barge_in_ms(reply or "")
        if asks and reply and barge_in_ms is not None:
            entry["barge_in"] = _write(min(barge_in_ms, REPLY_MS_MAX))
        pause_ms = self._pause_ms()
        if pause_ms is not None and pause_ms != DEFAULT_PAUSE_MS:
            entry["pause"] = _write(min(pause_ms, PAUSE_MS_MAX))
        return entry

    def _order(self, has_reply: bool, asks: bool) -> dict[str, Any]:
        """`deliver` as short as it can be, or `duplicate` where that says it all."""
        absent = set() if has_reply else {"speak", "reply", "speech_started", *MOMENT_EVENTS}
        usual = [
            name
            for event in USUAL_ORDER
            for name in (
                [f"{event}_{n + 1}" for n in range(self._count(event))]
                if event in NUMBERED
                else [event]
            )
            if event not in absent
        ]
        present = {
            "screen": bool(self.screen), "slot": self.slot is not None, "expect_speech": asks,
        }  # fmt: skip
        usual = [name for name in usual if present.get(name, True)]
        arrivals = [name for name in self.arrivals if name in usual]
        added = [name for name in usual if name not in arrivals]
        if added:
            self._note(f"it lacks {', '.join(added)}; a replay delivers them last")
        once = list(dict.fromkeys(arrivals))
        twice = [name for name in once if arrivals.count(name) > 1]
        at_once = [name for name in once for _ in range(1 + (name in twice))]
        first, rest = (once, once) if at_once == arrivals else (arrivals, arrivals)
        for length in range(min(len(rest), DELIVERIES_MAX + 1) + 1):  # more are refused
            named = first[:length]
            if named + [name for name in usual if name not in named] == [*rest, *added]:
                break
        entry: dict[str, Any] = {"deliver": named} if named else {}
        if at_once == arrivals and twice:
            entry["duplicate"] = twice
        return {key: [self._short(name) for name in names] for key, names in entry.items()}

    def _count(self, event: str) -> int:
        return len(self.entities if event == "entities" else self.moments.said)

    def _short(self, name: str) -> str:
        """`entities` for `entities_1` where there is no other list, and so for moments."""
        event, number = event_name(name)
        return event if number == 1 and event in NUMBERED and self._count(event) == 1 else name

    def _moment(self, one: Moment) -> dict[str, Any]:
        plays_ms = one.plays_ms if self.has_times or one.given_ms is not None else None
        if plays_ms is None:
            return {"text": one.text}
        return {"text": one.text, "duration": _write(min(plays_ms, REPLY_MS_MAX))}

    def _first(self, full_name: str) -> Logged | None:
        """The first message of that name that is of no moment."""
        for one in self.logged.messages:
            if one.message.header.full_name == full_name and self.moments.of(one.message) is None:
                return one
        return None

    def _between_ms(self, start: str, end: str) -> float | None:
        first, last = self._first(start), self._first(end)
        if not self.has_times or first is None or last is None:
            return None
        return float(max(0, last.at_ms - first.at_ms))

    def _reply_ms(self, reply: str) -> float | None:
        """How long the reply would play; None to have it estimated."""
        known = (
            self.given_ms,
            self._between_ms(SpeechStarted.full_name, SpeechFinished.full_name),
            self._between_ms(ExpectSpeech.full_name, SpeechFinished.full_name),
        )
        for duration_ms in known:
            if duration_ms is not None:
                return duration_ms
        barge_in_ms = self._barge_in_ms(reply)
        if barge_in_ms is not None and barge_in_ms >= spoken_ms(reply):
            self._note("how long the interrupted reply would have played is a guess")
            return barge_in_ms + 1_000
        return None

    def _barge_in_ms(self, reply: str) -> float | None:
        if self._first(SpeechInterrupted.full_name) is None:
            return None
        if not self.has_times:
            return round((self.given_ms or spoken_ms(reply)) / 2)
        return self._between_ms(ExpectSpeech.full_name, SpeechInterrupted.full_name)

    def _pause_ms(self) -> float | None:
        """From the end of the reply to the next Recognize; None where the log does not say."""
        begins = self.following and self.following.first(Recognize.full_name)
        ends = [
            found
            for name in (SpeechFinished.full_name, SpeechInterrupted.full_name)
            if (found := self._first(name))
        ]
        if not self.has_times or not begins or not ends:
            return None
        return float(max(0, begins.at_ms - ends[0].at_ms))

    def _note(self, text: str) -> None:
        note = f"turn {self.number}: {text}"
        if note not in self.notes:
            self.notes.append(note)


def _write(duration_ms: float) -> str:
    """A duration in whole ms."""
    return format_duration(round(duration_ms))
