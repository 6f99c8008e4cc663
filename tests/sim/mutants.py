"""One-line changes to the shipped code, one for each invariant, that the simulator must kill."""

from __future__ import annotations

from typing import Final, NamedTuple


class Mutant(NamedTuple):
    """`line` of `file` becomes `replacement`; a violation of `invariant` shows within `seeds`.

    Its plan shrinks to `lines` or fewer.
    """

    invariant: int
    story: str
    file: str
    line: str
    replacement: str
    seeds: int
    profile: str = "all"
    lines: int = 5


MUTANTS: Final = (
    Mutant(
        1, "waits for one service payload more than was announced",
        "trigger.py",
        "and sum(kind.from_service for kind in kinds) >= announced",
        "and sum(kind.from_service for kind in kinds) > announced",
        20,
    ),
    Mutant(
        1, "the end of whatever a turn says first closes its window",
        "speeches.py",
        "return sorted((Speech.of(*one) for one in own.items()), key=lambda one: one.place), loose",
        "return sorted((Speech.of(*one) for one in own.items()), "
        "key=lambda one: one.place, reverse=True), loose",
        2_000, "none",
        lines=6,  # what satisfies the trigger, the question's directive, a moment and its end
    ),
    Mutant(
        2, "all attempts at a turn's context store it at one place",
        "pipeline.py",
        'attempt = f"{turn.interaction} {process} {began_ms!r}"',
        "attempt = turn.interaction",
        2_000,
    ),
    Mutant(
        3, "an owner that comes again takes itself for another",
        "trigger.py",
        "return Decision.COMPUTE if status.owner == event_id else Decision.OTHERS",
        "return Decision.OTHERS",
        2_000,
        "network",
    ),
    Mutant(
        4, "a text that is not in time is lost",
        "answer.py",
        'result, reason, decided = plain, LATE, False',
        'result, reason, decided = Result(recognition.plain, ""), LATE, False',
        50,
    ),
    Mutant(
        5, "rescoring takes the time that it takes",
        "answer.py",
        "async with asyncio.timeout(ports.clock.timer_s(budget_ms)):",
        "async with asyncio.timeout(None):",
        100,
    ),
    Mutant(
        6, "the item is read from any replica after the write",
        "sim/region/what_if.py",
        "return StatusPort(handling), vault",
        "return Eventual(handling), vault",
        20,
    ),
    Mutant(
        7, "a payload that comes after the claim is not noted",
        "store/memory.py",
        "grown = item._replace(marks=marks, refs=refs)",
        "return self._keep(item._replace(marks=marks, refs=item.refs if item.owner else refs))",
        100,
    ),
    Mutant(
        8, "an event is acknowledged while its turn is embedded in the background",
        "pipeline.py",
        "status = await _settle(status, event, ports)",
        'return __import__("asyncio").ensure_future('
        "_settle(status, event, ports)) and status",
        200,
        "crashes",
    ),
    Mutant(
        9, "an event of a turn that is known already is not written",
        "record.py",
        "status = await store.record(event, expires_at_s)",
        "status = await store.read(turn) or await store.record(event, expires_at_s)",
        20,
    ),
    Mutant(
        10, "all turns of a customer hand out the same token",
        "events.py",
        "initiator = body.link if isinstance(body, _LINKED) else None",
        "initiator = header.namespace if isinstance(body, _LINKED) else None",
        100,
    ),
    Mutant(
        10, "a turn extends whatever context its token leads to",
        "context.py",
        "if is_later(max(before.began_ms, context.latest_ms), status.began_ms):",
        "if False:",
        200, "none",
        lines=7,  # what two turns need to be embedded, and the token that the first one echoes
    ),
    Mutant(
        11, "the turn that asked is sought under the device's name",
        "answer.py",
        "asked = await ports.store.follow(turn.customer, event.initiator)",
        "asked = await ports.store.follow(event.device, event.initiator)",
        20,
    ),
    Mutant(
        12, "an event's mark quotes its text",
        "events.py",
        "mark = Mark(header.full_name, record.received_at, content.number, echoed)",
        "mark = Mark(header.full_name, record.received_at, content.number, "
        "echoed or ''.join(content.texts))",
        20,
    ),
    Mutant(
        13, "telemetry quotes the payload",
        "pipeline.py",
        'ports.telemetry.point("recorded", event.key.turn, event=event.key.event)',
        'ports.telemetry.point("recorded", event.key.turn, '
        'event=getattr(event.payload, "texts", ""))',
        20,
    ),
    Mutant(
        14, "clocks are trusted to agree",
        "timing.py",
        "return now_ms + CLOCK_SKEW_MS_MAX >= expires_at_s * 1000",
        "return now_ms >= expires_at_s * 1000",
        200,
    ),
    Mutant(
        15, "embedding takes the time that it takes",
        "windows.py",
        "async with asyncio.timeout(left_s) as timeout:",
        "async with asyncio.timeout(None) as timeout:",
        500,
    ),
)  # fmt: skip

FORGETTING: Final = (
    Mutant(
        6, "a claim demands nothing of what it stands on",
        "pipeline.py",
        "status = await ports.store.claim(status.turn, event.key.event, grounds=grounds)",
        "status = await ports.store.claim(status.turn, event.key.event)",
        4_000,
        lines=6,  # what satisfies the trigger, the forget, what comes late, and how late
    ),
    Mutant(
        6, "an outcome demands nothing of what it stands on",
        "trigger.py",
        "settled = await store.settle(status.turn, outcome, owner=owner, grounds=grounds)",
        "settled = await store.settle(status.turn, outcome, owner=owner)",
        4_000,
    ),
    Mutant(
        9, "the key that was used is not compared with the item's",
        "record.py",
        "if key is not None and key == status.wrapped_key:",
        "if key is not None:",
        1_000,
    ),
    Mutant(
        9, "a forget leaves the payloads to their time to live",
        "forget.py",
        "of_payload = await vault.forget(customer) if not of_status else 0",
        "of_payload = 0",
        50,
    ),
)  # fmt: skip
"""The same, where a customer is forgotten at some moment."""
