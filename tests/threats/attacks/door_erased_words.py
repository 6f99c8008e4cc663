"""The door, words that outlive their erasing: said before it, written after it was answered.

A recogniser takes a second; a body takes as long as its sender likes. Whoever erases a customer in
between is told that both tables hold nothing, and then the words are stored.

Attacker: wants what was said in a room to be kept, though its owner has it erased.
Holds against it: a request is marked at its arrival, and writes nothing after an erasing.
"""

import asyncio
import json
from collections.abc import AsyncIterator

from _lab import Gained, Mutant, carry_out, door

MUTANT: Mutant = (
    "gateway/http/erasures.py",
    "return not self.begun_since(mark) and mark.begun == self._ended[mark.customer]",
    "return True",
)


async def attack() -> str:
    async with door() as front:
        said = {"interaction": "turn-1", "hypotheses": [{"text": "call meg"}]}
        body, begun, erased = json.dumps(said).encode(), asyncio.Event(), asyncio.Event()

        async def slowly() -> AsyncIterator[bytes]:
            yield body[:-1]
            begun.set()
            await erased.wait()
            yield body[-1:]

        headers = front.headers() | {"Content-Type": "application/json"}
        posting = front.client.post("/v1/utterances", content=slowly(), headers=headers)
        speaking = asyncio.create_task(posting)
        await begun.wait()
        gone = await front.client.request("DELETE", "/v1/customer", headers=front.headers())
        assert gone.status_code == 200, gone.text
        erased.set()
        answer = (await speaking).json()
        assert answer["text"] == "call meg", "it is answered all the same"
        if front.world.vault.rows or len(front.world.store):
            raise Gained("what was said before the erasing is stored after it")
        assert not answer["recorded"]
    return "it is answered, and not stored"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
