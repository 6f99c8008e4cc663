"""The door, an erased context: fetched before its customer was erased, used after it.

Attacker: whoever speaks on a device after its owner has had everything erased.
Holds against it: erasing also drops what this process has fetched and keeps for an utterance.
"""

from _lab import Gained, Mutant, carry_out, door, recognize, turn

MUTANT: Mutant = (
    "gateway/http/service.py",
    "self.remembered.forget(customer)",
    "pass",
)


async def attack() -> str:
    async with door() as front:
        for one in [*turn().values(), recognize("turn-2", "ask-turn-1")]:
            assert (await front.record(one)).status_code == 200
        gone = await front.client.request("DELETE", "/v1/customer", headers=front.headers())
        assert gone.status_code == 200, gone.text
        heard = [{"text": "power"}, {"text": "bauer", "score": -1}]
        asked = {"interaction": "turn-2", "hypotheses": heard}
        answer = await front.client.post("/v1/utterances", json=asked, headers=front.headers())
        if answer.json()["context"] == "hit":
            raise Gained("names of an erased customer are used")
    return "what was fetched early was erased as well"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
