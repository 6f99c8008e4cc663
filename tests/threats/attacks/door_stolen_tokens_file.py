"""The door, without a token: the stolen file of tokens, near misses, and nothing at all.

The file lies on the server beside its settings and ends up in backups.

Attacker: has the file of tokens, or only knows how tokens look; no token of anybody.
Holds against it: the file holds digests, and what is presented is hashed before it is compared.
"""

from _lab import MINE, Gained, Mutant, carry_out, door, turn

MUTANT: Mutant = (
    "gateway/http/auth.py",
    "return self.grants.get(hashlib.sha256(match[1]).hexdigest())",
    "return self.grants.get(match[1].decode())",
)


async def attack() -> str:
    async with door() as front:
        token = front.tokens[MINE]
        digests = [f"Bearer {digest}" for digest in front.file]
        tried: list[dict[str, str] | list[tuple[str, str]]] = [
            {},
            *({"Authorization": one} for one in digests),
            {"Authorization": ""}, {"Authorization": "Bearer"}, {"Authorization": "Bearer "},
            {"Authorization": token}, {"Authorization": f"Basic {token}"},
            {"Authorization": f"Bearer {token[:-1]}"}, {"Authorization": f"Bearer {token}x"},
            {"Authorization": f"Bearer {token.swapcase()}"}, {"Authorization": "Bearer *"},
            {"Authorization": f"Bearer {token},{token}"}, {"X-Authorization": f"Bearer {token}"},
            {"Cookie": f"Authorization=Bearer {token}"},
            {"X-Customer": MINE, "X-Forwarded-User": MINE},
            [("Authorization", f"Bearer {token}"), ("Authorization", digests[0])],
        ]  # fmt: skip
        message = turn()["utterance"].message.model_dump(by_alias=True, exclude_unset=True)
        for headers in tried:
            for method, path in (
                ("POST", "/v1/records"), ("GET", "/v1/turns/turn-1"), ("DELETE", "/v1/customer"),
                ("POST", f"/v1/records?token={token}&access_token={token}"),
                ("POST", "/healthz/../v1/records"), ("POST", "//v1/records"),
            ):  # fmt: skip
                body = {"message": message} if method == "POST" else None
                answer = await front.client.request(method, path, headers=headers, json=body)
                if answer.status_code < 300 or front.world.store._turns:
                    raise Gained(f"{method} {path.partition('?')[0]} was done for nobody")
                assert answer.status_code in (401, 404), answer.status_code
        known = await front.record(turn()["utterance"])
        assert known.status_code == 200, "a token opens the door"
    return f"{len(tried)} ways to come without a token end before the door"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
