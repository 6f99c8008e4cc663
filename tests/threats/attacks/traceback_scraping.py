"""Log scraping, of faults: an error reporter prints what the failing functions held.

Such tools write the repr of every argument beside the traceback, and send it to a third party.

Attacker: reads what the error reporter has collected.
Holds against it: no type that holds a text shows it, and no exception quotes one.
"""

import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from _lab import ANSWER, Gained, Mutant, World, carry_out, find_canaries, recognition, turn

from ctxasr.events import TurnText
from ctxasr.hypotheses import Phrase
from ctxasr.ports import Matrix, Vector

MUTANT: Mutant = (
    "events.py",
    'return f"TurnText({len(self.entities)} entities, {len(self.screen)} on screen)"',
    'return f"TurnText({self.utterance!r}, {self.reply!r})"',
)

CANARIES = ["call canary meg", "Canary Jones", "Canary Bauer", "canary jones", "canary bauer"]


@dataclass
class Failing:
    """An encoder that fails on its second call; keeps what any reporter would have seen."""

    dimensions: int = 3
    model: str = "failing"
    seen: list[Any] = field(default_factory=list)

    async def encode(self, turn: TurnText, past: Matrix) -> Vector:
        self.seen += [turn, turn.entities, past]
        raise RuntimeError(f"cannot encode {turn}")

    async def embed_phrases(self, phrases: Sequence[Phrase]) -> Matrix:
        raise RuntimeError(f"cannot embed {phrases}")


async def attack() -> str:
    encoder = Failing()
    failing, working = World(encoder=encoder), World()
    told = list(turn(utterance=CANARIES[0], names=CANARIES[1:3]).values())
    await failing.deliver(told)
    await working.deliver(told)
    status = await working.status()
    assert status.wrapped_key is not None
    refs = [ref for ref in status.refs if ref.kind != "context"]
    payloads = await working.vault.get(status.wrapped_key, status.turn, refs)
    context = await working.context()
    heard = recognition(*CANARIES[3:])
    result = await working.answer(ANSWER, *CANARIES[3:])
    assert {text for one in payloads for text in one.texts} >= set(CANARIES[:3])
    assert result.result.text == "canary jones"
    held: list[Any] = [
        told, [one.message for one in told], [one.message.message for one in told],
        [one.message.message.payload for one in told], encoder.seen, payloads, context,
        context.phrases, heard, heard.hypotheses, result, result.result, result.listening,
        result.result.changes, working.telemetry.said, failing.telemetry.said, status, refs,
    ]  # fmt: skip
    printed = [form(one) for one in held for form in (repr, str)]
    try:
        await encoder.encode(encoder.seen[0], context.vectors)
    except RuntimeError:
        printed.append(traceback.format_exc())
    assert len(encoder.seen) >= 3, "the fault was met on the way"
    if find_canaries("\n".join(printed).encode(), CANARIES):
        raise Gained("what was said stands in the error report")
    return f"{len(printed)} reprs and texts show nothing"


if __name__ == "__main__":
    carry_out(attack)
