"""Malicious envelope: JSON that lax parsers accept and later code stumbles over.

Nesting that ends the recursion, NaN, half a character, numbers of four thousand digits, one key
twice, types that are not what they should be.

Attacker: a device that sends whatever it likes.
Holds against it: a strict parser of bounded depth, then typed fields; one family of exceptions.
"""

import json
from typing import Any

from _lab import Gained, Mutant, World, carry_out

MUTANT: Mutant = (
    "envelopes.py",
    'return from_json(data.decode("utf-8"), allow_inf_nan=False)',
    'return __import__("json").loads(data)',
)
GAINS = "what was read cannot be written again as it was"

GOOD: dict[str, Any] = {
    "header": {
        "namespace": "ContextText", "name": "Reply", "messageId": "m",
        "dialogRequestId": "turn-1",
    },
    "payload": {"text": "canary secret", "durationInMilliseconds": 900},
}  # fmt: skip
ODD: list[Any] = [
    None, True, False, 0, -1, 1.5, 1e308, "", "\0", " ", "\u202e", "x" * 300, "a\nb", "{}", [], {},
    [None], [["x"]], {"a": {}}, {"token": 5}, "null", "NaN", "__proto__", "../etc", "%s%n", "${x}",
]  # fmt: skip


def raw() -> list[bytes]:
    """What no JSON library would write."""
    text = json.dumps({"directive": GOOD})
    deep = "[" * 60_000 + "]" * 60_000
    with_extra = text[:-2] + ', "extra": ODD}}'
    assert json.loads(with_extra.replace("ODD", "{}"))["directive"]["extra"] == {}
    return [
        *(with_extra.replace("ODD", odd).encode() for odd in (
            "NaN", "Infinity", "-Infinity", '"\\ud800"', '"\\udc00\\ud800"', deep, "0x10", "01",
            "1e", "'x'", "/**/1", "1" * 5_000, '"\t"', '"\0"',
        )),
        b"", b"null", b"[]", b"\xff\xfe", b"{", b'{"a":1,}', b"\xef\xbb\xbf{}", deep.encode(),
        b'{"a":' * 40_000, text.encode("utf-16"), b"\xed\xa0\x80", text.encode() + b"{}",
    ]  # fmt: skip


def typed() -> list[bytes]:
    """Every field in turn holds something else; every field in turn is missing."""
    found = []
    for part in ("header", "payload"):
        for name in (*GOOD[part], "kind", "initiator", "caption", "types"):
            for odd in ODD:
                found.append({**GOOD, part: {**GOOD[part], name: odd}})
            found.append({**GOOD, part: {k: v for k, v in GOOD[part].items() if k != name}})
    for odd in ODD:
        found += [{**GOOD, "header": odd}, {**GOOD, "payload": odd}]
    wrapped = [{"directive": one} for one in found] + [{"event": GOOD, "directive": GOOD}, {}]
    return [json.dumps(one).encode() for one in wrapped]


async def attack() -> str:
    from ctxasr.envelopes import Record, read_envelope
    from ctxasr.errors import InputError

    world, refused, accepted = World(), 0, 0
    for one in (*raw(), *typed()):
        try:
            envelope = read_envelope(one)
            written = envelope.to_json()
            given = {"customer": "customer", "received_at": 1_700_000_000_000, "message": envelope}
            await world.deliver([Record.model_validate(given)])
            if read_envelope(written) != envelope:
                raise Gained("what was read cannot be written again as it was")
        except InputError as error:
            if "canary" in str(error):
                raise Gained("the refusal quotes what was said") from None
            refused += 1
            continue
        except (ValueError, TypeError, RecursionError, OverflowError, AttributeError) as error:
            raise Gained(f"{type(error).__name__} instead of a refusal") from None
        if one in raw():
            raise Gained("what is no JSON was read")
        accepted += 1
    assert refused > 100, refused
    assert accepted > 100, accepted
    return f"{refused} refused, {accepted} read as what they say"


if __name__ == "__main__":
    carry_out(attack)
