"""The door, a head whose excess comes with its end: parsers count only what still lacks its end.

Attacker: anybody who can reach the port.
Holds against it: a head is measured as it came, also what of it came in one piece.
"""

from _lab import Gained, Mutant, carry_out, door, socket_of, told

MUTANT: Mutant = (
    "gateway/http/http1.py",
    "if len(head) > limits.HEADER_BYTES_MAX:",
    "if False:",
)

HEAD_BYTES = 20_000
"""More than a head may have, by less than is taken at once."""


async def attack() -> str:
    async with door() as front, socket_of(front) as port:
        head = b"GET /healthz HTTP/1.1\r\nHost: x\r\nx: " + b"y" * HEAD_BYTES + b"\r\n\r\n"
        answer = await told(port, head)
        if answer.startswith(b"HTTP/1.1 200 "):
            raise Gained(f"a head of {len(head)} bytes was taken")
        assert answer.startswith(b"HTTP/1.1 431 "), answer[:40]
    return f"a head of {len(head)} bytes was refused"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
