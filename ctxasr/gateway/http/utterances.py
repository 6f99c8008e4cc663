"""The envelopes that the door makes itself: of an utterance that came without them."""

from __future__ import annotations

from typing import Any

from ctxasr.envelopes import Envelope, Recognize, Record, Utterance
from ctxasr.events import TurnKey, short_hash


def opening_of(interaction: str, token: str | None) -> Envelope:
    """The Recognize of an utterance that came without one; the same for the same turn.

    With another token it is another one: the id may be that of the turn that asked.
    """
    initiator = {"type": "FOLLOW_UP", "payload": {"token": token}} if token else None
    payload = {} if initiator is None else {"initiator": initiator}
    name = f"{interaction} {token}" if token else interaction
    return _envelope(Recognize.full_name, f"recognize-{short_hash(name)}", interaction, payload)


def utterance_of(opening: Record, turn: TurnKey, text: str) -> Envelope:
    """What was understood, as a directive; the same for a Recognize that comes again."""
    opened_by = opening.message.message.header.message_id
    return _envelope(
        Utterance.full_name, f"utterance-{short_hash(opened_by)}", turn.interaction, {"text": text}
    )


def _envelope(full_name: str, message: str, interaction: str, payload: dict[str, Any]) -> Envelope:
    namespace, name = full_name.split(".")
    header = {
        "namespace": namespace, "name": name, "messageId": message, "dialogRequestId": interaction,
    }  # fmt: skip
    form = "event" if full_name == Recognize.full_name else "directive"
    return Envelope.model_validate({form: {"header": header, "payload": payload}})
