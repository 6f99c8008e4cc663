"""The embedded store's credential, read in a log or a traceback.

An endpoint is passed about and ends in messages: "http://127.0.0.1:4711: refused by ...".

Attacker: whoever reads logs, tracebacks or what a debugger printed.
Holds against it: the keys are no part of an endpoint's repr or str, nor of what the store refuses.
"""

import io
import logging

from _lab import Gained, Mutant, carry_out
from _store import store

MUTANT: Mutant = (
    "store/clients.py",
    "access_key: str | None = field(default=None, repr=False)  # it opens the embedded server",
    "access_key: str | None = None",
)


async def attack() -> str:
    from botocore.exceptions import ClientError

    logs = io.StringIO()
    logging.basicConfig(level=logging.NOTSET, stream=logs)
    async with store() as there:
        endpoint = there.aws.endpoint
        shown = [repr(endpoint), str(endpoint), repr(there.aws), repr(there.own)]
        try:
            await there.own.dynamodb.scan(TableName=there.aws.tables.payload)
        except ClientError as error:
            shown += [str(error), repr(error), repr(error.response)]
        shown.append(logs.getvalue())
        assert shown[-1], "everything is logged"
        keys = (endpoint.access_key or "", endpoint.secret_key or "")
        assert min(map(len, keys)) >= 32, "too long to guess"
        found = [text[:20] for text in shown if any(key in text for key in keys)]
        if found:
            raise Gained(f"the access key stands in {len(found)} texts that are logged")
    return f"{len(shown)} texts about the store hold neither key"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
