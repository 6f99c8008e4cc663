"""The wire form of both tables: names, limits, items, and sealed payloads.

    event-status   customer, interaction | ev#<event id> = str(Mark): name, time, number, token
                                         | ref#<kind>#<n> = the payload's sort key
                                         | key, owner, outcome, expires_at
                                         | full, laden: no further events, no further payloads
                   customer, link#<token> | turn = the interaction that asked, expires_at
    payload        customer, payload = <interaction>#<kind>#<n> | body, expires_at

A body is `version (1 byte) | nonce (12) | AES-256-GCM ciphertext and tag (16)`. Its associated data
name the format version, customer, interaction, kind, number and expiry, so that a ciphertext that
was moved to another place or another expiry fails (NIST SP 800-38D).

Processes of two versions work over the same tables while one replaces the other. What a newer one
wrote in a form that is unknown here is left where it is and read as if it were not there; it never
raises, for one such item must not stop a handler that has others to look at.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ctxasr.errors import LimitExceeded, PayloadUnreadable
from ctxasr.events import (
    ConsistentStatus,
    Mark,
    Outcome,
    Payload,
    PayloadRef,
    TurnKey,
    to_count,
)

TOKEN_BYTES_MAX: Final = 900
"""An initiator's token, UTF-8: a sort key holds 1024 bytes, and a prefix stands before it."""

SORT_KEY_BYTES_MAX: Final = 1024
"""DynamoDB's limit for a sort key."""

ITEM_BYTES_MAX: Final = 409_600
"""DynamoDB's limit for one item; `ctxasr.store.room` says how much of it events may take."""

PAYLOAD_BYTES_MAX: Final = 402_000
"""One payload in clear: 500 entities of 200 four-byte characters fit, and so does the item that
holds them (400 KiB on DynamoDB, 405,000 bytes on the local server)."""

DATA_KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
FORMAT_VERSION: Final = 1

CUSTOMER: Final = "customer"
INTERACTION: Final = "interaction"
PAYLOAD: Final = "payload"
BODY: Final = "body"
KEY: Final = "key"
OWNER: Final = "owner"
OUTCOME: Final = "outcome"
EXPIRES_AT: Final = "expires_at"
TURN: Final = "turn"
FULL: Final = "full"
LADEN: Final = "laden"
"""Set once, where the item takes no more events, or no more payloads (`ctxasr.store.room`)."""

_EVENT: Final = "ev#"
_REF: Final = "ref#"
_LINK: Final = "link#"
_ESCAPE: Final = "turn#"

Item = dict[str, dict[str, Any]]
"""One item as the low-level client speaks it: attribute -> {type: value}."""


@dataclass(frozen=True, slots=True)
class Tables:
    """The names of the two tables."""

    status: str = "ctxasr-event-status"
    payload: str = "ctxasr-payload"

    @classmethod
    def named(cls, prefix: str) -> Tables:
        return cls(f"{prefix}-event-status", f"{prefix}-payload")

    def definitions(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The arguments of CreateTable for both."""
        return _definition(self.status, INTERACTION), _definition(self.payload, PAYLOAD)


def _definition(table: str, sort: str) -> dict[str, Any]:
    return {
        "TableName": table,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": name, "AttributeType": "S"} for name in (CUSTOMER, sort)
        ],
        "KeySchema": [
            {"AttributeName": CUSTOMER, "KeyType": "HASH"},
            {"AttributeName": sort, "KeyType": "RANGE"},
        ],
    }


# ---------------------------------------------------------------- keys


def status_key(turn: TurnKey) -> Item:
    """The key of a turn's item.

    A client names its interactions. One that calls itself `link#...` must not stand where a link
    would, so such names get a prefix of their own.
    """
    sort = turn.interaction
    if sort.startswith((_LINK, _ESCAPE)):
        sort = _ESCAPE + sort
    return {CUSTOMER: {"S": turn.customer}, INTERACTION: {"S": _bounded(sort, "interaction")}}


def link_key(customer: str, token: str) -> Item:
    """The key of the item that says which turn handed out `token`.

    Raises:
        LimitExceeded: the token is longer than TOKEN_BYTES_MAX.
    """
    check_token(token)
    return {CUSTOMER: {"S": customer}, INTERACTION: {"S": _LINK + token}}


def check_token(token: str) -> None:
    """Raises LimitExceeded for a token longer than TOKEN_BYTES_MAX."""
    size = len(token.encode("utf-8", "surrogatepass"))
    if size > TOKEN_BYTES_MAX:
        raise LimitExceeded("TOKEN_BYTES_MAX", TOKEN_BYTES_MAX, size, "initiator token")


def payload_key(turn: TurnKey, ref: PayloadRef) -> Item:
    """The key of a payload's item; neither kind nor number holds a bare '#', so it is one-to-one.

    Raises:
        LimitExceeded: the sort key is longer than SORT_KEY_BYTES_MAX.
    """
    return {CUSTOMER: {"S": turn.customer}, PAYLOAD: {"S": payload_sort(turn, ref)}}


def payload_sort(turn: TurnKey, ref: PayloadRef) -> str:
    """The sort key of a payload, which also is its id in the status item."""
    return _bounded(f"{turn.interaction}#{ref.kind}#{quote(ref.number, safe='')}", "payload key")


def _bounded(sort: str, where: str) -> str:
    size = len(sort.encode("utf-8", "surrogatepass"))
    if size > SORT_KEY_BYTES_MAX:
        raise LimitExceeded("SORT_KEY_BYTES_MAX", SORT_KEY_BYTES_MAX, size, where)
    return sort


# ---------------------------------------------------------------- the status item


def event_attribute(event: str) -> str:
    """Where the status item holds an event."""
    return _EVENT + event


def ref_attribute(ref: PayloadRef) -> str:
    """Where the status item notes a payload."""
    return f"{_REF}{ref}"


def mark_text(mark: Mark) -> str:
    """What stands at an event's attribute.

    Raises:
        LimitExceeded: the token that it echoes is longer than TOKEN_BYTES_MAX.
    """
    check_token(mark.token)
    return str(mark)


def absent(turn: TurnKey) -> ConsistentStatus:
    """What a conditional write on a missing item returns: nothing noted, nobody owns it."""
    return ConsistentStatus(turn, {}, frozenset(), None, None, None, 0)


def to_status(item: Item) -> ConsistentStatus:
    """The status that an item of the event-status table holds, as far as this version knows it."""
    turn = _turn_of(item)
    marks: dict[str, Mark] = {}
    refs: set[PayloadRef] = set()
    owner = item[OWNER].get("S") if OWNER in item else None
    unreadable = OWNER in item and not owner
    for name, value in item.items():
        try:
            if name.startswith(_EVENT):
                marks[name[len(_EVENT) :]] = Mark.parse(value["S"])
            elif name.startswith(_REF):
                refs.add(_ref_of(turn, name, value))
        except (KeyError, ValueError, LimitExceeded):
            unreadable = True
    return ConsistentStatus(
        turn=turn,
        marks=marks,
        refs=frozenset(refs),
        wrapped_key=(item[KEY].get("B") or None) if KEY in item else None,
        owner=owner or None,
        outcome=_outcome_of(item[OUTCOME]) if OUTCOME in item else None,
        expires_at_s=expiry_s(item),
        unreadable=unreadable,
    )


def _turn_of(item: Item) -> TurnKey:
    interaction = item[INTERACTION]["S"]
    if interaction.startswith(_ESCAPE):
        interaction = interaction[len(_ESCAPE) :]
    return TurnKey(item[CUSTOMER]["S"], interaction)


def _ref_of(turn: TurnKey, name: str, value: dict[str, Any]) -> PayloadRef:
    """The reference, if its payload lies where this version would look for it; else ValueError."""
    ref = PayloadRef.parse(name[len(_REF) :])
    if value["S"] != payload_sort(turn, ref):
        raise ValueError("the payload lies at another place")
    return ref


def _outcome_of(value: dict[str, Any]) -> Outcome:
    try:
        return Outcome(value["S"])
    except (KeyError, ValueError):
        return Outcome.UNKNOWN


def is_turn(item: Item) -> bool:
    """False for a link, and for an item that is not what a recorder makes of a turn."""
    if item[INTERACTION]["S"].startswith(_LINK):
        return False
    held = KEY in item or any(name.startswith(_EVENT) for name in item)
    return held and status_key(_turn_of(item))[INTERACTION] == item[INTERACTION]


def linked_turn(item: Item) -> TurnKey | None:
    """The turn that a link names; None where it names none that this version can read."""
    interaction = item.get(TURN, {}).get("S")
    return TurnKey(item[CUSTOMER]["S"], interaction) if interaction else None


def expiry_s(item: Item) -> int:
    """Seconds since 1970; 0, long past, where the item has none that this version can read."""
    try:
        return to_count(item[EXPIRES_AT]["N"])
    except (KeyError, ValueError):
        return 0


# ---------------------------------------------------------------- sealed payloads


def pack(payload: Payload) -> bytes:
    """Label and texts as compact JSON, [id, text] where there is an id: the clear text."""
    document = [payload.label, *payload.named]
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def unpack(clear: bytes, expires_at_s: int, turn: TurnKey, ref: PayloadRef) -> Payload:
    """The inverse of `pack`.

    Raises:
        PayloadUnreadable: the bytes are no packed payload (a blob is read by get_blob).
    """
    try:
        document = json.loads(clear.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        document = None
    if not _is_packed(document):
        raise PayloadUnreadable(f"payload {ref} is no list of texts")
    label, *named = document
    ids, texts = (tuple(one[i] for one in map(_named, named)) for i in (0, 1))
    return Payload(turn, ref, texts, expires_at_s, label, ids if any(ids) else ())


def _named(one: str | list[str]) -> list[str]:
    return ["", one] if isinstance(one, str) else one


def _is_packed(document: Any) -> bool:
    """A label, and texts, each by itself or as [id, text]."""
    if not (isinstance(document, list) and document and isinstance(document[0], str)):
        return False
    pairs = [one for one in document if not isinstance(one, str)]
    return all(isinstance(one, list) and [*map(type, one)] == [str, str] for one in pairs)


def seal(
    key: bytes, turn: TurnKey, ref: PayloadRef, expires_at_s: int, clear: bytes, *, nonce: bytes
) -> bytes:
    """Encrypt under a turn's data key; the nonce must be fresh.

    Raises:
        LimitExceeded: longer than PAYLOAD_BYTES_MAX.
    """
    if len(clear) > PAYLOAD_BYTES_MAX:
        raise LimitExceeded("PAYLOAD_BYTES_MAX", PAYLOAD_BYTES_MAX, len(clear), f"payload {ref}")
    bound = _associated(turn, ref, expires_at_s)
    return bytes([FORMAT_VERSION]) + nonce + AESGCM(key).encrypt(nonce, clear, bound)


def unseal(key: bytes, turn: TurnKey, ref: PayloadRef, expires_at_s: int, body: bytes) -> bytes:
    """Decrypt and authenticate.

    Raises:
        PayloadUnreadable: unknown version, or body, place, expiry and key do not belong together.
    """
    if len(body) < 1 + NONCE_BYTES + TAG_BYTES or body[0] != FORMAT_VERSION:
        raise PayloadUnreadable(f"payload {ref} is not of format version {FORMAT_VERSION}")
    nonce, sealed = body[1 : 1 + NONCE_BYTES], body[1 + NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, sealed, _associated(turn, ref, expires_at_s))
    except InvalidTag:
        raise PayloadUnreadable(f"payload {ref} fails authentication") from None


def _associated(turn: TurnKey, ref: PayloadRef, expires_at_s: int) -> bytes:
    """A JSON array: whatever the strings hold, two different places never read the same."""
    place = [FORMAT_VERSION, turn.customer, turn.interaction, ref.kind, ref.number, expires_at_s]
    return json.dumps(place, separators=(",", ":")).encode("ascii")
