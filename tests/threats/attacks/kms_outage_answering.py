"""A KMS outage while an answer is heard: the context cannot be read, and the answer is lost too.

Attacker: can cut the way to KMS, and so would silence every assistant that waits for an answer.
Holds against it: whatever is wrong with a context, the recogniser's own text stands, to the letter.
"""

from _lab import HEARD, Gained, Mutant, answer, carry_out, turn, wire

MUTANT: Mutant = (
    "answer.py",
    "except Exception as error:  # whatever is wrong with a context, the plain result stands",
    "except KeyError as error:",
)
GAINS = "the answer is lost"

NOBODY = "http://127.0.0.1:9"
"""Nothing listens on the port `discard`."""


async def attack() -> str:
    from ctxasr.errors import CtxasrError
    from ctxasr.store.clients import LOCAL_REGION, Endpoint, clients

    down = Endpoint(NOBODY, None, LOCAL_REGION, "local", "local")
    async with wire() as aws, clients(down) as (_, kms):
        await aws.deliver(turn().values())
        assert (await answer(aws.ports())).result.text == "bauer", "with KMS the context helps"
        try:
            result = await answer(aws.ports(kms=kms))
        except CtxasrError as error:
            raise Gained(f"the answer is lost: {type(error).__name__}") from None
        if result.result.text != HEARD[0] or result.result.changes:
            raise Gained("the answer is not the plain recogniser's")
        assert result.added_ms == 0.0, "and costs nothing"
    return "the plain recogniser's text stands, to the letter and at once"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
