"""The door, a request inside a body: two lengths, and a proxy in front that believes the other one.

The proxy takes the first length and passes all on as one request of the attacker; a door that takes
the second reads the rest as one more request, perhaps with another's connection behind it.

Attacker: anybody who can reach the proxy.
Holds against it: a request whose body has two lengths is refused, and its connection closed.
"""

from _lab import Gained, Mutant, carry_out, door, socket_of, told

MUTANT: Mutant = (
    "gateway/http/http1.py",
    'if listed or names.count(b"content-length") + names.count(b"transfer-encoding") > 1:',
    "if listed:",
)


async def attack() -> str:
    async with door() as front, socket_of(front) as port:
        token = f"Authorization: {front.headers()['Authorization']}\r\n".encode()
        inside = b"GET /v1/turns/of-another HTTP/1.1\r\nHost: x\r\n" + token + b"\r\n"
        body = b"0\r\n\r\n" + inside
        head = b"POST /v1/sweep HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" + token
        head += b"Content-Length: %d\r\n\r\n" % len(body)
        answer = await told(port, head + body, wait_s=3.0)
        if answer.count(b"HTTP/1.1 ") > 1:
            raise Gained("what lay inside a body was answered as a request")
        assert answer.startswith(b"HTTP/1.1 400 "), answer[:40]
    return "the request was refused, and what lay inside it never read"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
