"""A spoken scenario: what a `.scenario.yaml` file with `turns` may say.

    schema: 1
    turns:
      - user: {hypotheses: [call meg]}
        entities: [{kind: contact, values: [Meg Jones, Meg Bauer]}]
        reply: Do you mean Meg Jones or Meg Bauer?
      - user: {hypotheses: [power, bauer]}
        expect: {context: hit, text: bauer}

The models are frozen and refuse unknown keys. Field paths count from 0, as in
`turns.1.expect.text`. `ctxasr.scenario.format` reads the files; those with a `plan` in place of
`turns` are `ctxasr.scenario.planned`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)

from ctxasr.dynamic_entities import ID_CHARS_MAX
from ctxasr.events import ENTITIES_MAX, SERVICE_PAYLOADS_MAX, Entity
from ctxasr.scenario.base import InFile, Strictly
from ctxasr.scenario.complaints import no_text
from ctxasr.scenario.values import (
    DEFAULT_PAUSE_MS,
    DELAY_MS_MAX,
    DELIVERIES_MAX,
    MOMENTS_MAX,
    PAUSE_MS_MAX,
    PAYLOAD_TTL_MS_MAX,
    TURNS_MAX,
    USUAL_ORDER,
    AudioFile,
    ContextUse,
    Delivery,
    Duration,
    EventName,
    EventRef,
    Hypotheses,
    Identifier,
    NoiseKind,
    Phrase,
    Text,
    Voice,
    Whole,
    YesNo,
    event_name,
    wrong,
)
from ctxasr.timing import REPLY_MS_MAX, spoken_ms


class Settings(Strictly):
    """What differs from a replay's usual settings."""

    payload_ttl_ms: Annotated[
        Duration | None, Field(alias="payload_ttl", ge=1000, le=PAYLOAD_TTL_MS_MAX)
    ] = None
    """How long payloads live, in whole seconds."""
    read_budget_ms: Annotated[
        Duration | None, Field(alias="read_budget", ge=0, le=DELAY_MS_MAX)
    ] = None
    """How long fetching, retrieval and rescoring may take after the recogniser's result."""
    encoder_delay_ms: Annotated[Duration, Field(alias="encoder_delay", ge=0, le=DELAY_MS_MAX)] = 0.0
    """Slows the context model down on purpose; none by default."""

    @model_validator(mode="after")
    def _whole_seconds(self) -> Self:
        if self.payload_ttl_ms is not None and self.payload_ttl_ms % 1000:
            raise wrong("payloads live for whole seconds; write for example 2s", at="payload_ttl")
        return self


class User(Strictly):
    """What the customer says: `audio`, or `hypotheses` where there is none."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["audio", "says"]}, {"required": ["hypotheses"]}],
        }
    )

    audio: AudioFile | None = None
    """A FLAC or WAV file, relative to the scenario file."""
    hypotheses: Hypotheses | None = None
    """What a recogniser heard: an n-best list, best first."""
    says: Annotated[Text, StringConstraints(min_length=1)] | None = None
    """The reference transcript; required with `audio`."""
    voice: Voice | None = None
    """The voice with which `ctxasr scenario speak` makes the audio, as in flite:slt."""
    noise: NoiseKind | None = None
    """Noise that `ctxasr scenario speak` mixes in."""
    snr_db: Annotated[float | None, Field(alias="snr", ge=-20, le=60)] = None
    """Signal to noise ratio in dB; 20 by default."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.audio is None) == (self.hypotheses is None):
            which = "neither" if self.audio is None else "both"
            raise wrong(f"has {which} of 'audio' and 'hypotheses'; give exactly one")
        if self.audio is not None and self.says is None:
            raise wrong("'audio' needs 'says', the reference transcript")
        if self.audio is None:
            for name, value in (("voice", self.voice), ("noise", self.noise)):
                if value is not None:
                    raise wrong("needs 'audio', the file to make", at=name)
        if self.snr_db is not None and self.noise is None:
            raise wrong("needs 'noise' (white, pink, babble or kitchen)", at="snr")
        return self


class EntityValue(Strictly):
    """A name, and what its service calls it."""

    text: Phrase
    """The name."""
    id: Annotated[str, StringConstraints(min_length=1, max_length=ID_CHARS_MAX)] | None = None
    """What the service calls it."""


_PHRASE: Final[TypeAdapter[str]] = TypeAdapter(Phrase)


def _value(given: Any, read: ValidatorFunctionWrapHandler) -> Any:
    named = isinstance(given, dict) and "text" in given  # else a text with a colon, unquoted
    return read(given if named else {"text": _PHRASE.validate_python(given)})


class EntityList(Strictly):
    """What one invoked service has on offer; one payload."""

    kind: Identifier
    """The sort of thing, as in contact."""
    values: Annotated[
        tuple[Annotated[EntityValue, WrapValidator(_value)], ...],
        Field(min_length=1, max_length=ENTITIES_MAX),
    ]
    """The names; a bare text is short for {text: ...}."""

    @property
    def entities(self) -> tuple[Entity, ...]:
        """The names with their kind and ids."""
        return tuple(Entity(self.kind, value.text, value.id or "") for value in self.values)


class Reply(Strictly):
    """What the assistant answers."""

    text: Annotated[Text, StringConstraints(min_length=1)]
    """The words."""
    duration_ms: Annotated[Duration | None, Field(alias="duration", le=REPLY_MS_MAX)] = None
    """How long it plays; estimated from the words by default."""

    @property
    def plays_ms(self) -> float:
        return spoken_ms(self.text) if self.duration_ms is None else self.duration_ms


def _reply(value: Any) -> Any:
    """A bare text is a reply of this text; a number is a text that lacks its quotes."""
    if value is None or isinstance(value, dict | Reply):
        return value
    if not isinstance(value, str):
        raise wrong(no_text(value))
    return {"text": value}


class Expect(Strictly):
    """What must come out of a turn; texts are compared as they are said."""

    outcome: Literal["embedded", "missed", "discarded"] | None = None
    """How this turn is settled."""
    context: ContextUse | None = None
    """What this utterance could use: the context that the turn before it left."""
    text: Text | None = None
    """The text after rescoring."""
    plain_text: Text | None = None
    """The text that the recogniser alone gives."""
    contains: tuple[Phrase, ...] = ()
    """Words that the text has."""
    lacks: tuple[Phrase, ...] = ()
    """Words that the text does not have."""
    plain_lacks: tuple[Phrase, ...] = ()
    """Words that the recogniser alone does not find."""
    same_as_plain: YesNo | None = None
    """Whether text and plain text are equal."""
    signals: tuple[Identifier, ...] | None = None
    """The kinds of context that caused the changes, as in [entities]; [] means no change."""


class Turn(Strictly):
    """One utterance of the customer and what the assistant does."""

    user: User
    """What the customer says."""
    entities: tuple[EntityList, ...] = ()
    """What the invoked services have on offer, each one payload."""
    screen: Annotated[tuple[Phrase, ...], Field(max_length=ENTITIES_MAX)] = ()
    """The list on the screen."""
    elicit_slot: Identifier | None = None
    """The slot that the assistant asks for."""
    moments: Annotated[
        tuple[Annotated[Reply, BeforeValidator(_reply)], ...], Field(max_length=MOMENTS_MAX)
    ] = ()
    """What the assistant says before its reply, as in [One moment.]; each is a speech of its own,
    and the microphone opens after none of them."""
    reply: Annotated[Reply, BeforeValidator(_reply)] | None = None
    """What the assistant answers; a bare text is short for {text: ...}."""
    expect_speech: YesNo | None = None
    """Whether the microphone re-opens; by default if there are a reply and a next turn."""
    announce: Annotated[Whole | None, Field(ge=0, le=SERVICE_PAYLOADS_MAX)] = None
    """Service payloads announced with expect-speech; by default as many as there are."""
    deliver: Annotated[tuple[EventRef, ...], Field(max_length=DELIVERIES_MAX)] = ()
    """Order of arrival; unnamed events follow in the usual order, twice named ones come twice."""
    duplicate: Annotated[tuple[EventRef, ...], Field(max_length=DELIVERIES_MAX)] = ()
    """Events that are delivered a second time right after the first."""
    barge_in_ms: Annotated[Duration | None, Field(alias="barge_in", le=REPLY_MS_MAX)] = None
    """The customer interrupts the reply this long after expect-speech."""
    pause_ms: Annotated[Duration, Field(alias="pause", le=PAUSE_MS_MAX)] = DEFAULT_PAUSE_MS
    """Silence before the customer's next utterance."""
    expect: Expect = Expect()
    """What must come out of this turn."""

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.service_payloads > SERVICE_PAYLOADS_MAX:
            raise wrong(
                f"the turn has {self.service_payloads} service payloads, at most "
                f"SERVICE_PAYLOADS_MAX ({SERVICE_PAYLOADS_MAX})",
                at="entities",
            )
        return self

    @property
    def service_payloads(self) -> int:
        return len(self.entities) + bool(self.screen) + (self.elicit_slot is not None)

    @property
    def announced(self) -> int:
        return self.service_payloads if self.announce is None else self.announce

    @property
    def reply_ms(self) -> float:
        """How long the reply plays; 0 without one."""
        if self.reply is None:
            return 0.0
        return self.reply.plays_ms

    def events(self, expects_speech: bool) -> list[Delivery]:
        """The events of this turn, each once, in the usual order."""
        present: dict[EventName, int] = {
            "recognize": 1,
            "utterance": 1,
            "moment": len(self.moments),
            "moment_reply": len(self.moments),
            "moment_started": len(self.moments),
            "moment_finished": len(self.moments),
            "entities": len(self.entities),
            "screen": int(bool(self.screen)),
            "slot": int(self.elicit_slot is not None),
            "speak": int(self.reply is not None),
            "reply": int(self.reply is not None),
            "expect_speech": int(expects_speech),
            "speech_started": int(self.reply is not None),
            "completed": 1,
        }
        return [
            Delivery(name, number + 1) for name in USUAL_ORDER for number in range(present[name])
        ]


def _no_plan(value: Any) -> Any:
    if value:
        raise wrong("a file has 'turns', a spoken dialogue, or 'plan', a simulation, not both")
    return value


class Scenario(InFile):
    """A spoken dialogue, what happens around it, and what must come out."""

    seed: Annotated[Whole, Field(ge=0, le=2**31 - 1)] = 0
    """Of everything that is drawn."""
    settings: Settings = Settings()
    """What differs from a replay's usual settings."""
    turns: Annotated[tuple[Turn, ...], Field(min_length=1, max_length=TURNS_MAX)]
    """The dialogue."""
    plan: Annotated[
        tuple[()],
        BeforeValidator(_no_plan),
        WithJsonSchema({"type": "array", "maxItems": 0}),
    ] = ()
    """Empty: a plan stands in a file of its own, without 'turns'."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for index, turn in enumerate(self.turns):
            where = f"turns.{index}"
            expects_speech = self.expects_speech(index)
            if turn.barge_in_ms is not None and not (turn.reply and expects_speech):
                missing = "expect_speech" if turn.reply else "reply"
                raise wrong(f"needs '{missing}' in this turn", at=f"{where}.barge_in")
            if turn.moments and turn.reply is None:
                raise wrong("needs 'reply' in this turn, which comes after", at=f"{where}.moments")
            present = turn.events(expects_speech)
            for field, names in (("deliver", turn.deliver), ("duplicate", turn.duplicate)):
                for place, name in enumerate(names):
                    if not _matching(name, present):
                        raise wrong(
                            f"this turn has no {name} to deliver",
                            at=f"{where}.{field}.{place}",
                        )
        return self

    def expects_speech(self, index: int) -> bool:
        """Whether the microphone re-opens after turn `index` (from 0)."""
        turn = self.turns[index]
        if turn.expect_speech is None:
            return turn.reply is not None and index + 1 < len(self.turns)
        return turn.expect_speech

    def audio_path(self, index: int) -> Path | None:
        """Where the audio of turn `index` lies."""
        audio = self.turns[index].user.audio
        return None if audio is None else self._path.parent / audio

    def deliveries(self, index: int) -> tuple[Delivery, ...]:
        """All arrivals of turn `index` in their order, `deliver` and `duplicate` applied."""
        turn = self.turns[index]
        present = turn.events(self.expects_speech(index))
        singled = {name for name in turn.deliver if event_name(name)[0] != name}
        order: list[Delivery] = []
        for name in turn.deliver:
            order += [
                found
                for found in _matching(name, present)
                if name in singled or f"{found.event}_{found.number}" not in singled
            ]
        order += [delivery for delivery in present if delivery not in order]
        twice = {d for name in turn.duplicate for d in _matching(name, present)}
        arrivals: list[Delivery] = []
        seen: set[Delivery] = set()
        for delivery in order:
            arrivals.append(delivery._replace(again=delivery in seen))
            if delivery in twice and delivery not in seen:
                arrivals.append(delivery._replace(again=True))
            seen.add(delivery)
        return tuple(arrivals)


def _matching(name: str, present: list[Delivery]) -> list[Delivery]:
    """The events that a name stands for: `entities` for all lists, `entities_2` for one."""
    event, number = event_name(name)
    return [
        delivery
        for delivery in present
        if delivery.event == event and (name == event or delivery.number == number)
    ]
