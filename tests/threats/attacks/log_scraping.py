"""Log scraping: a data key stands in the logs, and the dump beside it becomes readable.

At DEBUG the AWS client library prints whole answers, and KMS answers with data keys in clear. One
operator who looks for a fault turns it on for an hour.

Attacker: reads the logs at their loudest, and has both tables.
Holds against it: what the client library logs of answers is dropped at every level.
"""

import base64
import binascii
import logging
import re

from _lab import THEIRS, Gained, Mutant, answer, carry_out, decrypt, find_canaries, turn, wire

MUTANT: Mutant = ("store/clients.py", "return record.levelno > logging.DEBUG", "return True")
GAINS = "a data key stands in the logs and opens the stolen dump"

CANARIES = ["call canary meg", "Canary Jones", "Canary Bauer"]


class Scraper(logging.Handler):
    """Keeps all that any logger says, tracebacks included."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


async def attack() -> str:
    scraper = Scraper()
    logging.getLogger().addHandler(scraper)
    async with wire() as aws:
        for name in (None, "asyncio", *logging.root.manager.loggerDict):
            logging.getLogger(name).setLevel(logging.DEBUG)
        names = CANARIES[1:]
        await aws.deliver(turn(utterance=CANARIES[0], names=names, customer=THEIRS).values())
        assert (await answer(aws.ports(), customer=THEIRS)).context == "hit", "read as well"
        rows = await aws.dump()
    said = "\n".join(scraper.lines)
    assert said.count("UpdateItem") > 5, "the logs were listened to"
    if find_canaries(said.encode(), CANARIES):
        raise Gained("what was said stands in the logs")
    keys = set()
    for match in re.finditer(r"[A-Za-z0-9+/]{43}=|[0-9a-fA-F]{64}", said):
        text = match.group()
        try:
            keys.add(base64.b64decode(text) if text.endswith("=") else binascii.unhexlify(text))
        except binascii.Error:
            continue
    for key in keys:
        if any(decrypt(key, row) is not None for row in rows["payload"] if len(key) == 32):
            raise Gained("a data key stands in the logs and opens the stolen dump")
    return f"no text and no data key in {len(scraper.lines)} lines; {len(keys)} candidates tried"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
