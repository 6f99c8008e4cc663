"""One turn of a workload: uniform numbers to times, sizes and choices, and those to deliveries.

    recognize .. speech .. utterance .. think .. reply, speak .. expect .. completed
                               service payloads     started .. played .. finished or interrupted
                                                                      .. answer delay .. next turn

Every turn uses the same uniforms in the same order (`UNIFORMS`), needed or not, so that a program
that draws many turns at once can draw the same ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final, NamedTuple

from ctxasr.events import TEXT_BYTES_MAX
from ctxasr.sim.plans.plan import NODES, REPLY_STEP_MS, Delivery
from ctxasr.sim.plans.templates import ANSWER, TURN_EVENTS, template
from ctxasr.sim.quantiles import Quantiles
from ctxasr.sim.workload.statistics import TURNS_MAX, Workload
from ctxasr.timing import REPLY_MS_MAX

UNIFORMS: Final = (
    "speech", "utterance_bytes", "think", "reply", "reply_bytes",
    "has_entities", "entities", "entities_bytes", "has_screen", "screen", "screen_bytes",
    "asks", "expect", "started", "barges_in", "interrupted", "completes", "completed",
    "answers", "answer_delay", "nodes",
)  # fmt: skip
"""What the uniform numbers of a turn decide, in their order."""

EXPECT_MS: Final = (0.0, 150.0)
"""From the reply to the expect-speech: directives are streamed as they are built. Uniform."""

STARTED_MS: Final = (20.0, 200.0)
"""From the reply to its first sound on the device. Uniform."""

COMPLETED_MS: Final = (50.0, 400.0)
"""From the last other directive to the end of their stream. Uniform."""

COMPLETES: Final = 0.99
"""The share of turns whose directive stream ends in order; the others are left to the sweep."""

Range = tuple[float, float]


class Turn(NamedTuple):
    """What happens in a turn: milliseconds between events, bytes of texts; None: it does not."""

    speech_ms: float
    utterance_bytes: float
    think_ms: float
    reply_ms: float
    reply_bytes: float
    entities_ms: float | None
    entities_bytes: float
    screen_ms: float | None
    screen_bytes: float
    expect_ms: float | None
    started_ms: float
    interrupted_ms: float | None
    """From the reply's first sound."""
    completed_ms: float | None
    answer_delay_ms: float | None
    """From the end of the reply, or None: nobody answers."""
    nodes: float
    """A uniform number that says who handles which event."""


def draw_turn(workload: Workload, number: int, uniforms: Sequence[float]) -> Turn:
    """The turn that these uniform numbers say; `number` counts from 1 within the dialogue."""
    (
        speech, utterance_bytes, think, reply, reply_bytes,
        has_entities, entities, entities_bytes, has_screen, screen, screen_bytes,
        asks, expect, started, barges_in, interrupted, completes, completed,
        answers, answer_delay, nodes,
    ) = uniforms  # fmt: skip
    share = workload.asks[min(number, len(workload.asks)) - 1]
    asked, barged_in = asks < share, barges_in < workload.barge_ins
    answered = asked and answers < workload.answers and number < TURNS_MAX
    steps = round(min(workload.reply_ms.draw(reply), REPLY_MS_MAX) / REPLY_STEP_MS)
    reply_ms = float(max(1, steps) * REPLY_STEP_MS)
    delay_ms = 0.0 if barged_in else workload.answer_delay_ms.draw(answer_delay)
    return Turn(
        workload.speech_ms.draw(speech),
        _size(workload.utterance_bytes, utterance_bytes),
        workload.think_ms.draw(think),
        reply_ms,
        _size(workload.reply_bytes, reply_bytes),
        workload.service_ms.draw(entities) if has_entities < workload.entities else None,
        _size(workload.entities_bytes, entities_bytes),
        workload.service_ms.draw(screen) if has_screen < workload.screen else None,
        _size(workload.screen_bytes, screen_bytes),
        within(EXPECT_MS, expect) if asked else None,
        within(STARTED_MS, started),
        reply_ms * interrupted if barged_in else None,
        within(COMPLETED_MS, completed) if completes < COMPLETES else None,
        delay_ms if answered else None,
        nodes,
    )


def _size(sizes: Quantiles, uniform: float) -> float:
    """The tail of a log-normal is cut to what a message may have."""
    return min(sizes.draw(uniform), TEXT_BYTES_MAX)


def within(bounds: Range, uniform: float) -> float:
    """Uniform between the bounds."""
    return bounds[0] + (bounds[1] - bounds[0]) * uniform


def deliver(
    turn: Turn, number: int, customer: int, at_ms: float, into: list[Delivery]
) -> float | None:
    """Append the turn's deliveries; when the next one begins, or None.

    Times are rounded to whole milliseconds. A turn after the first is the answer to the one before:
    its recognize has an `answer` line beside it, which listens for the context while it is spoken.
    """
    names, nodes = _names(number), int(turn.nodes * _NODES)

    def add(what: int, at: float, count: int = 0, text_bytes: float = 0.0) -> None:
        node = nodes // _POWERS[what] % NODES
        longer = max(0, round(text_bytes) - _BYTES[what]) if text_bytes else 0
        into.append(Delivery(names[what], float(round(at)), customer, node, count, longer))

    if number > 1:
        add(_ANSWER, at_ms, round(turn.speech_ms))
    add(_RECOGNIZE, at_ms)
    heard_ms = at_ms + turn.speech_ms
    add(_UTTERANCE, heard_ms, 0, turn.utterance_bytes)
    services = 0
    if turn.entities_ms is not None:
        services += 1
        add(_ENTITIES, heard_ms + turn.entities_ms, 0, turn.entities_bytes)
    if turn.screen_ms is not None:
        services += 1
        add(_SCREEN, heard_ms + turn.screen_ms, 0, turn.screen_bytes)
    said_ms = heard_ms + turn.think_ms
    add(_REPLY, said_ms, round(turn.reply_ms), turn.reply_bytes)
    add(_SPEAK, said_ms)
    streamed_ms = said_ms
    if turn.expect_ms is not None:
        streamed_ms += turn.expect_ms
        add(_EXPECT, streamed_ms, services)
    if turn.completed_ms is not None:
        add(_COMPLETED, streamed_ms + turn.completed_ms)
    ended_ms = said_ms + turn.started_ms
    add(_STARTED, ended_ms)
    if turn.interrupted_ms is None:
        ended_ms += turn.reply_ms
        add(_FINISHED, ended_ms)
    else:
        ended_ms += turn.interrupted_ms
        add(_INTERRUPTED, ended_ms)
    return None if turn.answer_delay_ms is None else ended_ms + turn.answer_delay_ms


_EVENTS: Final = (*TURN_EVENTS, ANSWER)
_RECOGNIZE, _UTTERANCE, _ENTITIES, _SCREEN, _SPEAK, _REPLY, _EXPECT = range(7)
_STARTED, _FINISHED, _INTERRUPTED, _COMPLETED, _ANSWER = range(7, len(_EVENTS))

_POWERS: Final = tuple(NODES**at for at in range(len(_EVENTS)))
_NODES: Final = NODES ** len(_EVENTS)
"""The whole part of `nodes` times this has a digit, to the base NODES, for every event."""


@cache
def _names(number: int) -> tuple[str, ...]:
    return tuple(f"d0t{number}.{what}" for what in _EVENTS)


def _bytes(what: str) -> int:
    """Of the texts that a simulated message has anyway."""
    if what == ANSWER:
        return 0
    return sum(len(text.encode()) for text in template(f"d0t1.{what}", 0).texts)


_BYTES: Final = tuple(_bytes(what) for what in _EVENTS)


def longer_bytes(what: str, text_bytes: float) -> int:
    """`Delivery.text_bytes` of an event whose payload's texts have so many bytes."""
    return max(0, round(text_bytes) - _BYTES[_EVENTS.index(what)])
