"""The requests of one turn under each design, by formula, in the order of the real programs.

    ledger = walk(Design.TWO_TABLES, Shape(payload_bytes=2048), asks=True)
    ledger.total(lambda one: one.write_units, Step.RECORD)      15 and more

`programs` and `alternatives` do the same against a server; a test holds both together, to the unit.
"""

from __future__ import annotations

from ctxasr.evaluate.costs.capacity import Ledger, Step
from ctxasr.evaluate.costs.designs import (
    CONTEXT,
    Design,
    Shape,
    attribute_of,
    blob_clear,
    blob_rest,
    context_ref,
    events_of,
    expiry,
    sealed_bytes,
    text,
    token_of,
    turn_key,
)
from ctxasr.events import Event, Outcome, Payload, PayloadRef
from ctxasr.store import schema
from ctxasr.store.schema import Item


def walk(design: Design, shape: Shape, *, asks: bool, eager: bool = False) -> Ledger:
    """All requests of one turn, and of the next one's look at its context if it `asks`.

    Eager embedding computes as soon as utterance, services and reply are there; lazy embedding
    when the turn asks.

    Raises:
        LimitExceeded: an item would pass ITEM_BYTES_MAX.
    """
    kinds = {Design.BLOB: _Blob, Design.ATTRIBUTES: _Attributes, Design.LEFT_TO_TTL: _LeftToTtl}
    walked = kinds.get(design, _TwoTables)(shape)
    events = events_of(shape, walked.turn, asks=asks)
    for index, event in enumerate(events):
        walked.recorder, walked.ledger.step = index % shape.processes, Step.RECORD
        if event.initiator is not None:
            walked.link()
        complete = event.payload is not None and len(walked.refs) + 1 == shape.payloads
        last = event is events[-1]
        embeds = complete if eager else last and asks
        walked.event(event, embeds=embeds, ends=_outcome(asks) if last else None)
    if asks:
        walked.ledger.step = Step.FOLLOW_UP
        walked.look()
    return walked.ledger


def _outcome(asks: bool) -> Outcome:
    return Outcome.EMBEDDED if asks else Outcome.DISCARDED


class _Walk:
    """What all designs share: the ledger, the keys in hand, the link, the look."""

    def __init__(self, shape: Shape) -> None:
        self.shape, self.ledger, self.turn = shape, Ledger(), turn_key()
        self.key, self.expiry = schema.status_key(self.turn), expiry(shape)
        self.wrapped: Item = {schema.KEY: {"B": bytes(shape.wrapped_key_bytes)}}
        self.context = {"B": bytes(sealed_bytes(shape.context_bytes))}
        self.refs: list[PayloadRef] = []
        self.recorder, self.holds = 0, set[int]()

    def event(self, event: Event, *, embeds: bool, ends: Outcome | None) -> None:
        """Record one event; embed and settle if that is due."""
        raise NotImplementedError

    def link(self) -> None:
        rest = {schema.TURN: text(self.turn.interaction), **self.expiry}
        self.ledger.update(self._link, rest, returns=False)

    def look(self) -> None:
        """Another process reads the context: the link, the item, the data key."""
        self.ledger.get(self._link)
        self.ledger.get(self.key)
        self.ledger.kms("Decrypt")

    @property
    def _link(self) -> Item:
        return schema.link_key(self.turn.customer, token_of(self.turn))

    def unwrap(self) -> None:
        if self.recorder not in self.holds:
            self.ledger.kms("Decrypt")
            self.holds.add(self.recorder)

    def open_key(self) -> None:
        """A fresh key goes into the item; if another is there already, that one is unwrapped."""
        if self.recorder not in self.holds:
            self.ledger.kms("GenerateDataKey")
            self.ledger.update(self.key, {**self.wrapped, **self.expiry})
            if self.refs:
                self.ledger.kms("Decrypt")
            self.holds.add(self.recorder)


class _TwoTables(_Walk):
    deletes = True

    def event(self, event: Event, *, embeds: bool, ends: Outcome | None) -> None:
        changes: Item = {
            schema.event_attribute(event.key.event): text(schema.mark_text(event.mark))
        }
        if event.payload is not None:
            ref = event.payload.ref
            self.open_key()
            self._put(ref, sealed_bytes(schema.pack(event.payload)))
            changes[schema.ref_attribute(ref)] = text(schema.payload_sort(self.turn, ref))
            self.refs.append(ref)
        self.ledger.update(self.key, {**changes, **self.expiry})
        if embeds:
            self.ledger.step = Step.EMBED
            self.ledger.update(self.key, {schema.OWNER: text(event.key.event)})
            self.ledger.batch_get([schema.payload_key(self.turn, ref) for ref in self.refs])
            self.unwrap()
            self._put(context_ref(), sealed_bytes(self.shape.context_bytes))
            self.refs.append(context_ref())
        if ends is Outcome.EMBEDDED:
            self.ledger.step = Step.EMBED
            name, place = schema.ref_attribute(context_ref()), context_ref()
            found = text(schema.payload_sort(self.turn, place))
            self.ledger.update(self.key, {schema.OUTCOME: text(ends), name: found})
        elif ends is Outcome.DISCARDED:
            self.ledger.step = Step.DISCARD
            self.ledger.update(self.key, {schema.OUTCOME: text(ends)}, remove=[schema.KEY])
            for ref in self.refs if self.deletes else ():
                self.ledger.delete(schema.payload_key(self.turn, ref))

    def look(self) -> None:
        self.ledger.get(self._link)
        self.ledger.get(self.key)
        self.ledger.batch_get([schema.payload_key(self.turn, context_ref())])
        self.ledger.kms("Decrypt")

    def _put(self, ref: PayloadRef, length: int) -> None:
        rest = {schema.BODY: {"B": bytes(length)}, **self.expiry}
        self.ledger.put(schema.payload_key(self.turn, ref), rest)


class _LeftToTtl(_TwoTables):
    deletes = False


class _Attributes(_Walk):
    def event(self, event: Event, *, embeds: bool, ends: Outcome | None) -> None:
        changes: Item = {
            schema.event_attribute(event.key.event): text(schema.mark_text(event.mark))
        }
        if event.payload is not None:
            self.open_key()
            self.refs.append(event.payload.ref)
            body = bytes(sealed_bytes(schema.pack(event.payload)))
            changes[attribute_of(event.payload.ref)] = {"B": body}
        self.ledger.update(self.key, {**changes, **self.expiry})
        self.ledger.step = Step.EMBED
        settled: Item = {} if ends is None else {schema.OUTCOME: text(ends)}
        if embeds:
            self.ledger.update(self.key, {schema.OWNER: text(event.key.event)})
            self.unwrap()
            self.ledger.update(self.key, {CONTEXT: self.context, **settled}, returns=False)
        elif ends is Outcome.EMBEDDED:
            self.ledger.update(self.key, settled, returns=False)
        elif ends is Outcome.DISCARDED:
            self.ledger.step = Step.DISCARD
            gone = [schema.KEY, *map(attribute_of, self.refs), CONTEXT]
            self.ledger.update(self.key, settled, remove=gone, returns=False)


class _Blob(_Walk):
    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self.marks: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        self.version, self.owner = 0, ""
        self.stored: bytes | None = None

    def event(self, event: Event, *, embeds: bool, ends: Outcome | None) -> None:
        found = self.ledger.get(self.key)
        if self.recorder not in self.holds:
            self.ledger.kms("GenerateDataKey" if found is None else "Decrypt")
            self.holds.add(self.recorder)
        self.marks[event.key.event] = schema.mark_text(event.mark)
        self._note(event.payload)
        if embeds:
            self.owner = event.key.event
        if ends is Outcome.DISCARDED:
            self.texts.clear()
            self.stored = None
        self._put(None if embeds else ends)
        if embeds:
            self.ledger.step = Step.EMBED
            self.stored = bytes(sealed_bytes(self.shape.context_bytes))
            self._put(ends)

    def _note(self, payload: Payload | None) -> None:
        if payload is not None:
            self.refs.append(payload.ref)
            self.texts[str(payload.ref)] = schema.pack(payload).decode()

    def _put(self, outcome: Outcome | None) -> None:
        self.version += 1
        rest = blob_rest(
            self.expiry,
            self.version,
            bytes(self.shape.wrapped_key_bytes),
            bytes(sealed_bytes(blob_clear(self.marks, self.texts))),
            owner=self.owner or None,
            outcome=outcome,
            context=self.stored,
        )
        self.ledger.put(self.key, rest)
