"""Oversized envelope: a hundred megabytes of JSON, which a parser turns into a gigabyte.

Attacker: a device that sends whatever it likes.
Holds against it: the size is compared with a named limit before a byte is parsed.
"""

import tracemalloc

from _lab import Gained, Mutant, carry_out

MUTANT: Mutant = ("documents.py", "if len(data) > bytes_max:", "if False:")
GAINS = "bytes was read"


async def attack() -> str:
    from ctxasr.envelopes import MESSAGE_BYTES_MAX, read_envelope
    from ctxasr.errors import EnvelopeError, LimitExceeded

    head = (
        b'{"directive": {"header": {"namespace": "A", "name": "B", "messageId": "m"}, "payload": {'
    )
    for size in (MESSAGE_BYTES_MAX + 1, 16 * 1024 * 1024):
        body = head + b'"a": [' + b"[]," * ((size - len(head)) // 3) + b"[]]}}}"
        tracemalloc.start()
        try:
            read_envelope(body)
        except LimitExceeded as error:
            if error.name != "MESSAGE_BYTES_MAX":
                raise
        except EnvelopeError:
            raise Gained(f"{len(body)} bytes were parsed") from None
        else:
            raise Gained(f"an envelope of {len(body)} bytes was read")
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        if peak > 1_000_000:
            raise Gained(f"{peak} bytes of memory for a message that is refused")
    return "larger envelopes are refused by name before they are parsed"


if __name__ == "__main__":
    carry_out(attack)
