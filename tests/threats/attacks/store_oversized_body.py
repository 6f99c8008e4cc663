"""The embedded store, filled by one request.

Attacker: a process that has got hold of the access key, or a program of ours that has gone wild.
Holds against it: a body above BODY_BYTES_MAX is refused by its length, and one without a length.
"""

from _lab import Gained, Mutant, carry_out
from _store import store

from ctxasr.store.admission import BODY_BYTES_MAX

MUTANT: Mutant = (
    "store/admission.py",
    "return int(length) <= BODY_BYTES_MAX",
    "return int(length) > 0",
)
GAINS = "bytes is handed on"


async def attack() -> str:
    async with store() as there:
        body = b'{"TableName":"' + b"x" * (BODY_BYTES_MAX - 16) + b'"}'
        target, key = "DynamoDB_20120810.DescribeTable", there.key
        assert len(body) == BODY_BYTES_MAX
        status, _, _ = there.ask(target, body, key=key)
        assert status != 403, "at the limit"
        status, _, _ = there.ask(target, body + b" ", key=key)
        if status != 403:
            raise Gained(f"a body of {len(body) + 1} bytes is handed on")
        for headers in ({"Content_Length": "1_0"}, {"Content_Length": "-1"},
                        {"Transfer_Encoding": "chunked"}):  # fmt: skip
            status, _, _ = there.ask(target, b"2\r\n{}\r\n0\r\n\r\n", key=key, **headers)
            if status != 403:
                raise Gained(f"a body of no known length is read: {headers}")
    return "a byte more than the limit is refused, and a body without a length"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
