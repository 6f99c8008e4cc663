"""The embedded store's answers, marked as readable for every web page.

moto adds Access-Control-Allow-Origin to all that it answers. A request that comes without an
Origin, through an extension or a proxy of the browser, would be read by the page all the same.

Attacker: a page whose requests reach the store stripped of where they are from.
Holds against it: no answer of the store carries an Access-Control header.
"""

from _lab import Gained, Mutant, carry_out
from _store import store

MUTANT: Mutant = (
    "store/admission.py",
    'headers = [one for one in headers if not one[0].lower().startswith("access-control-")]',
    "headers = list(headers)",
)


async def attack() -> str:
    async with store() as there:
        body = {"TableName": there.aws.tables.payload}
        for key in (there.key, "local"):
            _, _, headers = there.ask("DynamoDB_20120810.DescribeTable", body, key=key)
            allowed = [name for name in headers if name.startswith("access-control-")]
            if allowed:
                raise Gained(f"answers may be read by every page: {', '.join(sorted(allowed))}")
    return "neither an answer nor a refusal says that pages may read it"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
