"""The door, a fault that quotes: an error inside shows another's texts, or the way to the tables.

Attacker: a customer who provokes errors and reads the answers.
Holds against it: an answer names the class of what went wrong, never its message.
"""

from typing import Any

from _lab import MINE, Gained, Mutant, carry_out, door, turn

from ctxasr.errors import PayloadUnreadable, StoreUnavailable

MUTANT: Mutant = (
    "gateway/http/problems.py",
    'detail = "a fault of ctxasr itself; the log names its place"',
    "detail = str(error)",
)

SECRET = "canary: http://10.0.0.7:8000 refused 'call canary meg'"


async def attack() -> str:
    async with door() as front:
        for one in turn().values():
            await front.record(one)
        asked = {"interaction": "t", "hypotheses": [{"text": "a"}], "token": "ask-turn-1"}
        requests: list[tuple[str, str, Any]] = [
            ("GET", "/v1/turns/turn-1", None),
            ("GET", "/v1/turns/turn-1/phrases", None),
            ("POST", "/v1/utterances", asked),
            ("POST", "/v1/sweep", None),
            ("DELETE", "/v1/customer", None),
        ]  # fmt: skip
        faults = [RuntimeError, StoreUnavailable, PayloadUnreadable, KeyError, OSError, ValueError]
        for fault in faults:

            async def fail(*_: Any, fault: type[Exception] = fault, **__: Any) -> Any:
                raise fault(SECRET)

            for name in ("read", "turns", "forget", "follow", "record"):
                setattr(front.world.store, name, fail)
            for method, path, body in requests:
                answer = await front.client.request(
                    method, path, json=body, headers=front.headers(MINE)
                )
                if "canary" in answer.text or "10.0.0.7" in str(answer.headers):
                    raise Gained(f"{method} {path} quotes {fault.__name__}")
    return f"{len(faults) * len(requests)} faults quote nothing"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
