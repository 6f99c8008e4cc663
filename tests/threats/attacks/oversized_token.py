"""Oversized token: an initiator's token of a megabyte, to be kept in a key and in an item.

Attacker: a device that echoes whatever it likes as the token of the turn that asked.
Holds against it: a token has a named limit, refused before anything is written.
"""

from typing import Any

from _lab import Gained, Mutant, carry_out, refused_by

MUTANT: Mutant = ("store/schema.py", "if size > TOKEN_BYTES_MAX:", "if False:")


async def attack() -> str:
    from ctxasr.store.schema import TOKEN_BYTES_MAX

    for token in ("x" * (TOKEN_BYTES_MAX + 1), "é" * (TOKEN_BYTES_MAX // 2 + 1), "x" * 1_000_000):
        for initiator in (token, {"type": "FOLLOW_UP", "payload": {"token": token}}):
            body: dict[str, Any] = {"initiator": initiator}
            expect = body | {"timeoutInMilliseconds": 8000}
            for name, given in (
                ("SpeechRecognizer.Recognize", body),
                ("SpeechRecognizer.ExpectSpeech", expect),
            ):
                if await refused_by(name, given) != "TOKEN_BYTES_MAX":
                    raise Gained(f"{name} with a token of {len(token)} characters was written")
    fits = {"initiator": "x" * TOKEN_BYTES_MAX}
    assert await refused_by("SpeechRecognizer.Recognize", fits) == ""
    return "longer tokens are refused by name, and nothing is written"


if __name__ == "__main__":
    carry_out(attack)
