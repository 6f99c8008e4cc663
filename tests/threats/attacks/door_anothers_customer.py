"""The door, another customer's id: in the body, in headers, in the query, in the turn's name.

Attacker: a customer with a token of their own who wants to write to, read or erase another's.
Holds against it: the token alone says whose request it is.
"""

from _lab import MINE, THEIRS, Gained, Mutant, carry_out, door, record, turn

from ctxasr.events import TurnKey

MUTANT: Mutant = (
    "gateway/http/service.py",
    "customer=grant.customer,",
    "customer=(message.model_extra or {}).get('customer', grant.customer),",
)
GAINS = "another's turn was written to, or erased"


async def attack() -> str:
    async with door() as front:
        for one in turn("theirs", customer=THEIRS).values():
            assert (await front.record(one, THEIRS)).status_code == 200
        store, rows = front.world.store, front.world.vault.rows
        before = await store.read(TurnKey(THEIRS, "theirs")), len(rows)
        assert before[0] is not None
        mine = front.headers(MINE) | {
            "X-Customer": THEIRS,
            "X-Amz-Customer": THEIRS,
            "From": THEIRS,
        }

        said = record(
            "ContextText.Utterance", {"text": "call nobody"}, interaction="theirs", number="new"
        )
        message = said.message.model_dump(by_alias=True, exclude_unset=True)
        named = message | {"customer": THEIRS}
        for body in (
            {"message": named},
            {"message": message, "customer": THEIRS},
            {"message": message, "device": THEIRS, "interaction": "theirs"},
        ):
            await front.client.post(f"/v1/records?customer={THEIRS}", json=body, headers=mine)
        for name in ("theirs", f"{THEIRS}%23theirs", f"..%2F{THEIRS}", "ask-theirs", "nowhere"):
            for rest in ("", "/context", "/phrases"):
                path = f"/v1/turns/{name}{rest}?customer={THEIRS}"
                answer = await front.client.get(path, headers=mine)
                if "bauer" in answer.text.lower():
                    raise Gained("another's names were read")
                if name != "theirs" and answer.status_code == 200:
                    raise Gained("another's turn was read")
        asked = {"interaction": "t", "hypotheses": [{"text": "bauer"}], "token": "ask-theirs"}
        answer = await front.client.post("/v1/utterances", json=asked, headers=mine)
        if answer.json()["context"] == "hit":
            raise Gained("another's context was used")
        await front.client.request("DELETE", f"/v1/customer?customer={THEIRS}", headers=mine)
        theirs = sum(place[0] == THEIRS for place in rows)
        if (await store.read(TurnKey(THEIRS, "theirs")), theirs) != before:
            raise Gained("another's turn was written to, or erased")
    return "each request is its token's customer's, whatever it says"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
