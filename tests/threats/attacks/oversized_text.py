"""Oversized text: an utterance of sixteen megabytes.

Everything that comes after it, encryption, tables, the model, would carry it along.

Attacker: a device, or a service, that sends texts as long as it likes.
Holds against it: a text has a named limit, refused before anything is written.
"""

from _lab import Gained, Mutant, carry_out, refused_by

MUTANT: Mutant = ("events.py", "if size > TEXT_BYTES_MAX:", "if False:")


async def attack() -> str:
    from ctxasr.events import TEXT_BYTES_MAX

    caption = {"url": "cid:1", "format": "AUDIO_MPEG", "token": "t"}
    for size in (TEXT_BYTES_MAX, 16 * 1024 * 1024):
        for text in ("x" * (size + 1), "é" * (size // 2 + 1), "\U0001f600" * (size // 4 + 1)):
            for name, body in (
                ("ContextText.Utterance", {"text": text}),
                ("ContextText.Reply", {"text": text}),
                ("SpeechSynthesizer.Speak", caption | {"caption": text}),
            ):
                if await refused_by(name, body) != "TEXT_BYTES_MAX":
                    raise Gained(f"{name} with a text of {len(text)} characters was written")
    assert await refused_by("ContextText.Utterance", {"text": "x" * TEXT_BYTES_MAX}) == ""
    return "longer texts are refused by name, and nothing is written"


if __name__ == "__main__":
    carry_out(attack)
