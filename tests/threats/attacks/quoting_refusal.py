"""A refusal that quotes: the error for a wrong message repeats what the customer said.

Error messages go to logs, to queues for dead letters and to whoever sent the message.

Attacker: reads error messages; to get one, a client that is only a little wrong is enough.
Holds against it: a refusal names the field and what would be right, never the given value.
"""

import json
from typing import Any

from _lab import MINE, START_MS, TTL_S, Gained, Mutant, carry_out

MUTANT: Mutant = (
    "envelopes.py",
    "raise EnvelopeError(describe(error)) from None",
    "raise EnvelopeError(str(error.errors())) from None",
)

SECRET = "call canary meg"


async def attack() -> str:
    from ctxasr.envelopes import Record, read_envelope
    from ctxasr.errors import InputError
    from ctxasr.events import to_event

    header = {"namespace": "ContextText", "messageId": "m", "dialogRequestId": "turn-1"}
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("Utterance", {"text": [SECRET]}),
        ("Utterance", {"text": {"said": SECRET}}),
        ("Utterance", {"said": SECRET}),
        ("Reply", {"text": SECRET, "durationInMilliseconds": SECRET}),
        ("Entities", {"kind": "contact", "values": SECRET}),
        ("Entities", {"kind": "contact", "values": [SECRET, {"name": SECRET}]}),
        ("Entities", {"kind": SECRET * 30, "values": [SECRET]}),
        ("ScreenList", {"items": {SECRET: SECRET}}),
        (SECRET, {}),
    ]
    texts = [
        json.dumps({"directive": {"header": header | {"name": name}, "payload": body}})
        for name, body in bodies
    ]
    texts += [text[:-3] for text in texts] + [text.replace('"call', "call") for text in texts]
    for text in texts:
        try:
            message = read_envelope(text)
            to_event(Record(customer=MINE, received_at=START_MS, message=message), TTL_S)
        except InputError as error:
            if "canary" in f"{error} {error!r} {error.args} {error.__cause__!r}":
                raise Gained("the refusal quotes the utterance") from None
            continue
        raise AssertionError("a wrong message was accepted")
    return f"{len(texts)} refusals quote nothing"


if __name__ == "__main__":
    carry_out(attack)
