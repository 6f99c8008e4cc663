"""Malicious envelope: JSON that lax parsers accept and later code stumbles over.

Nesting that ends the recursion, NaN, half a character, numbers of four thousand digits, types that
are not what they should be; the same in all encodings, and bytes in another one than they say.

Attacker: a device that sends whatever it likes.
Holds against it: a strict parser of bounded depth, then typed fields; one family of exceptions.
"""

import codecs
import json
from typing import Any

from _lab import Gained, Mutant, World, carry_out

MUTANT: Mutant = (
    "documents.py",
    "return from_json(found, allow_inf_nan=False)",
    "return __import__('json').loads(found)",
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


ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-32"]
"""In which bodies are read; all but the first begin with a mark."""


def raw() -> list[bytes]:
    """What no JSON library would write."""
    text = json.dumps({"directive": GOOD})
    deep = "[" * 60_000 + "]" * 60_000
    with_extra = text[:-2] + ', "extra": ODD}}'
    assert json.loads(with_extra.replace("ODD", "{}"))["directive"]["extra"] == {}
    odd = [
        *(with_extra.replace("ODD", odd) for odd in (
            "NaN", "Infinity", "-Infinity", '"\\ud800"', '"\\udc00\\ud800"', '"\ud800"', deep,
            "0x10", "01", "1e", "'x'", "/**/1", "1" * 5_000, '"\t"', '"\0"', "\ufeff1",
        )),
        "", "null", "[]", "{", '{"a":1,}', "{}", deep, '{"a":' * 40_000, "\ud800", text + "{}",
        text + "\ufeff", "{\ufeff" + text[1:],
    ]  # fmt: skip
    unmarked = [text.encode(one) for one in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")]
    marks = [codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF32_LE]
    return [
        *(one.encode(encoding, "surrogatepass") for one in odd for encoding in ENCODINGS),
        *unmarked,
        *(codecs.BOM_UTF8 + one for one in unmarked),
        *(mark + one for mark, one in zip(marks, unmarked, strict=True)),  # of the other order
        *(mark + text.encode() for mark in marks),
        *(text.encode(encoding) + b"\xff" for encoding in ENCODINGS), *marks,
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

    world, refused, accepted, hostile = World(), 0, 0, set(raw())
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
        if one in hostile:
            raise Gained("what is no JSON was read")
        accepted += 1
    assert refused > 100, refused
    assert accepted > 100, accepted
    return f"{refused} refused, {accepted} read as what they say"


if __name__ == "__main__":
    carry_out(attack)
