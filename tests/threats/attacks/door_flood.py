"""The door, a flood: one customer asks without end, and nobody else is served.

Attacker: a customer, or whoever has their token.
Holds against it: requests are counted for each customer, and refused past a rate.
"""

from _lab import MINE, THEIRS, Gained, Mutant, carry_out, door, turn

MUTANT: Mutant = (
    "gateway/http/guard.py",
    "if await self._limiter.hit(self._rate, customer):",
    "if await self._limiter.hit(self._rate, customer) or True:",
)

RATE = 20


async def attack() -> str:
    async with door(rate_per_min=RATE) as front:
        answers = []
        for number in range(3 * RATE):
            headers = front.headers(MINE) | {"X-Forwarded-For": f"10.0.0.{number}"}
            path = f"/v1/turns/turn-{number}"
            answers.append((await front.client.get(path, headers=headers)).status_code)
        served = sum(status != 429 for status in answers)
        other = await front.record(turn(customer=THEIRS)["utterance"], THEIRS)
        if served > RATE:
            raise Gained(f"{served} of {len(answers)} requests were served")
        assert other.status_code == 200, "the other customer is served"
    return f"{served} requests were served, then none, and the other customer as always"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
