"""A scenario as a script of the simulator: what happens when, how large texts are, no text.

A scenario says in which order the events of a turn come and how long a reply plays, so these are
kept, as are announced payloads, barge-ins and pauses. It does not say how far apart events are:
after the utterance each comes STEP_MS after the one before. What a scenario is *about* is not
carried over: names, the recogniser's hypotheses, expectations and settings.

Entity lists and the slot of a turn become one payload (a simulated turn has one of entities and one
of the screen). Second deliveries are left out, as a plan's faults bring those, and so are speeches
before the reply, which workloads do not have: the window is the reply's in any case.
"""

from __future__ import annotations

from typing import Final

from ctxasr.events import SERVICE_PAYLOADS_MAX, TEXT_BYTES_MAX
from ctxasr.scenario.model import Scenario, Turn
from ctxasr.scenario.values import WORD_MS
from ctxasr.sim.plans.plan import Delivery
from ctxasr.sim.plans.templates import ANSWER
from ctxasr.sim.workload.scripted import Script
from ctxasr.sim.workload.turns import longer_bytes

STEP_MS: Final = 50.0
"""Between two events of a turn: more than a write takes, so their order is kept."""

_EVENTS: Final = {
    "recognize": "recognize", "utterance": "utterance", "entities": "entities", "slot": "entities",
    "screen": "screen", "speak": "speak", "reply": "reply", "expect_speech": "expect",
    "speech_started": "started", "completed": "completed",
}  # fmt: skip


def script_of(scenario: Scenario) -> Script:
    """The scenario's dialogue; where a turn does not ask back, the next one begins another."""
    found: list[Delivery] = []
    at_ms, dialogue, number = 0.0, 0, 1
    for index, turn in enumerate(scenario.turns):
        at_ms = _turn(scenario, index, f"d{dialogue}t{number}", at_ms, found)
        at_ms += turn.pause_ms
        if scenario.expects_speech(index):
            number += 1
        else:
            dialogue, number = dialogue + 1, 1
    found.sort(key=lambda one: one.at_ms)
    return Script(scenario.name, tuple(found))


def _turn(
    scenario: Scenario, index: int, interaction: str, begin_ms: float, into: list[Delivery]
) -> float:
    """Append the turn's deliveries; when its reply has ended."""
    turn = scenario.turns[index]
    speech_ms = float(round(WORD_MS * len(_said(turn).split())))
    sizes = _sizes(turn)
    announced = turn.announced - turn.service_payloads + sum(_has(turn))
    announced = min(max(0, announced), SERVICE_PAYLOADS_MAX)
    numbers = {"reply": round(turn.reply_ms), "expect": announced}
    arrivals = list(
        dict.fromkeys(
            _EVENTS[one.event] for one in scenario.deliveries(index) if one.event in _EVENTS
        )
    )
    times: dict[str, float] = {}
    if arrivals[0] == "recognize":
        times[arrivals.pop(0)] = begin_ms
    for place, what in enumerate(arrivals):
        times[what] = begin_ms + speech_ms + STEP_MS * place
    if not interaction.endswith("t1"):  # an answer
        into.append(Delivery(f"{interaction}.{ANSWER}", begin_ms, number=int(speech_ms)))
    for what, when in times.items():
        longer = longer_bytes(what, min(sizes.get(what, 0), TEXT_BYTES_MAX))
        into.append(Delivery(f"{interaction}.{what}", when, 0, 0, numbers.get(what, 0), longer))
    if turn.reply is None:
        return max(times.values())
    end_ms = max(times["speak"], times["started"]) + turn.reply_ms
    if turn.barge_in_ms is not None:
        end_ms = min(end_ms, times["expect"] + turn.barge_in_ms)
    ended = "finished" if turn.barge_in_ms is None else "interrupted"
    into.append(Delivery(f"{interaction}.{ended}", end_ms))
    return end_ms


def _said(turn: Turn) -> str:
    return turn.user.says or (turn.user.hypotheses or ("",))[0]


def _has(turn: Turn) -> tuple[bool, bool]:
    """Whether the simulated turn has a payload of entities, and one of the screen."""
    return bool(turn.entities) or turn.elicit_slot is not None, bool(turn.screen)


def _sizes(turn: Turn) -> dict[str, int]:
    """Bytes of UTF-8 of the texts of each payload."""
    offered = [value.text for one in turn.entities for value in one.entities]
    texts = {
        "utterance": [_said(turn)],
        "entities": [*offered, turn.elicit_slot or ""],
        "screen": [*turn.screen],
        "reply": [turn.reply.text if turn.reply else ""],
    }
    return {what: sum(len(text.encode()) for text in of) for what, of in texts.items()}
