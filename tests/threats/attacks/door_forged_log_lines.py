"""The door, forged log lines: a name with a line break in it writes what looks like a log entry.

"{"level": "INFO", "what": "request", "customer": "another", "status": 200}" on a line of its own
puts the blame on somebody else, or hides what was done.

Attacker: a customer who chooses the names of turns, events and devices.
Holds against it: a log line is one JSON object, in which a line break is written as an escape.
"""

import io
import json
import logging
from dataclasses import replace

from _lab import MINE, THEIRS, Gained, Mutant, World, carry_out, door, record, turn

MUTANT: Mutant = (
    "gateway/http/logs.py",
    "return json.dumps(line)",
    "return ' '.join(f'{name}={value}' for name, value in line.items())",
)
GAINS = "a name has broken a line of the log"

FORGED = json.dumps({"level": "INFO", "what": "request", "customer": THEIRS, "status": 200})
BREAKS = ["\n", "\r\n", "\u2028", "\x85", "\x0b", "\x1b[2K\r"]


async def attack() -> str:
    from ctxasr.gateway.http.logs import LOGGER, JsonLines, Logged

    said = io.StringIO()
    handler = logging.StreamHandler(said)
    handler.setFormatter(JsonLines())
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    world = World()
    world.ports = replace(world.ports, telemetry=Logged())
    async with door(world) as front:
        for number, line_break in enumerate(BREAKS):
            name = f"t{number}{line_break}{FORGED}"
            for one in turn(name[:200]).values():
                await front.record(one)
            await front.record(record("ContextText.Utterance", {"text": name}, number=name[:200]))
            headers = front.headers() | {"User-Agent": f"x {FORGED}", "X-Request-Id": FORGED}
            await front.client.get(f"/{FORGED}", headers=headers)
            await front.client.request(f"{THEIRS}{line_break}{FORGED}", "/nowhere")
    lines = said.getvalue().splitlines()
    assert len(lines) > 50, "the door has written its log"
    for line in lines:
        try:
            told = json.loads(line)
        except ValueError:
            raise Gained("a name has broken a line of the log") from None
        if told.get("method", "GET") not in ("GET", "POST", "-"):
            raise Gained("a line of the log has a method that a client made up")
        nobody = told["what"] == "request" and told["status"] == 401 and "customer" not in told
        if told.get("customer") != MINE and not nobody and told["what"] != "stopped":
            raise Gained("a line of the log blames another customer")
    return f"{len(lines)} lines of the log, all of them the door's own"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
