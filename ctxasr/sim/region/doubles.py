"""The slow ports of a simulated process: an encoder, an aligner and telemetry that check their use.

The encoder's vectors say what they were made of: (1, customer, dialogue, turn). So whatever it is
given of the past can be judged, and so can the context that an answer gets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ctxasr.events import TurnKey, TurnText
from ctxasr.hypotheses import Hypothesis, Phrase, Recognition
from ctxasr.ports import Match, Matrix, PhraseLists, Vector
from ctxasr.sim.plans.faults import Fault, FaultKind
from ctxasr.sim.plans.templates import MARK, names_of, place_of
from ctxasr.sim.region.requests import Handling, NodeDown
from ctxasr.timing import is_later

if TYPE_CHECKING:
    from ctxasr.sim.judging.watch import Watch

DIMENSIONS: Final = 4
PLAIN: Final = "power"
"""What the recogniser makes of every answer; the name that was meant comes second."""

BUSY_MS_MAX: Final = 15_000.0
"""An encoder that hangs is ended then, as the embedding function is by its time-out."""

_LIKELY: Final = 5.0


class SimEncoder:
    """`ports.ContextEncoder`: takes a drawn time, fails as planned (10)."""

    dimensions = DIMENSIONS
    model = "simulated"

    def __init__(self, handling: Handling, customer: int, faults: Sequence[Fault]) -> None:
        self._handling, self._customer, self._faults = handling, customer, faults

    async def encode(self, turn: TurnText, past: Matrix) -> Vector:
        handling = self._handling
        tables, place = handling.tables, place_of(handling.event)
        takes_ms = tables.latencies.encoder.draw(handling.stream.next())
        self._judge(turn, past)
        vector = np.array([1.0, self._customer, place.dialogue, place.turn], np.float32)
        for fault in self._faults:
            tables.coverage.fired(fault.kind)
            if fault.kind is FaultKind.SLOW_ENCODER:
                takes_ms += fault.ms
            elif fault.nth == 0:
                raise RuntimeError("the encoder fails")
            else:
                vector = vector[:2] if fault.nth == 1 else vector * np.float32("nan")
        # Whoever gives up waits no longer, but a forward pass that has begun runs to its end.
        busy_ms = min(takes_ms, BUSY_MS_MAX)
        tables.watch.encodings.append((tables.loop.now_s, busy_ms))
        if takes_ms > 0.0:
            await tables.loop.sleep(takes_ms / 1_000.0)
        if handling.node.dead:
            raise NodeDown
        return vector

    async def embed_phrases(self, phrases: Sequence[Phrase]) -> Matrix:
        own = f"{MARK}d{place_of(self._handling.event).dialogue}t"
        if not all(phrase.text.startswith(own) for phrase in phrases):
            self._violate("phrases of another dialogue are in a context")
        rows = np.zeros((len(phrases) + 1, DIMENSIONS), np.float32)
        rows[1:, 0] = _LIKELY
        return rows

    def _judge(self, turn: TurnText, past: Matrix) -> None:
        place = place_of(self._handling.event)
        if turn.utterance != f"{MARK}{place.interaction}u":
            self._violate("the text of another turn is encoded")
        own = (self._customer, place.dialogue, place.turn)
        if len(past) and not dialogue_is(past, own, self._handling.tables.watch.began_ms):
            self._violate("a past that is not this dialogue's, or not past, is extended")

    def _violate(self, what: str) -> None:
        handling = self._handling
        turn = TurnKey(handling.customer, handling.event.partition(".")[0])
        handling.tables.watch.violate(10, turn, what)


def dialogue_is(
    vectors: Matrix, own: tuple[int, int, int], began_ms: Mapping[tuple[int, int, int], float]
) -> bool:
    """Whether these are other turns of the dialogue of `own`, in the order in which they began.

    None began after `own` did; of two that began together nobody can say which was the first.
    """
    turns = [(int(row[1]), int(row[2]), int(row[3])) for row in vectors]
    times = [began_ms[turn] for turn in (*turns, own)]
    in_order = not any(is_later(one, other) for one, other in pairwise(times))
    none_later = not any(is_later(one, times[-1]) for one in times)
    whose = {turn[:2] for turn in turns}
    return whose == {own[:2]} and len({*turns, own}) == len(times) and in_order and none_later


class SimAligner:
    """`ports.PhraseAligner`: finds phrases by their words, after a drawn time."""

    def __init__(self, handling: Handling, slow_ms: float = 0.0) -> None:
        self._handling, self._slow_ms = handling, slow_ms

    async def prepare(self, phrases: Sequence[str]) -> None:
        pass

    def forget(self) -> None:
        pass

    async def align(self, recognition: Recognition, phrases: PhraseLists) -> list[Match]:
        handling = self._handling
        tables = handling.tables
        takes_ms = tables.latencies.aligner.draw(handling.stream.next()) + self._slow_ms
        if self._slow_ms:
            tables.coverage.fired(FaultKind.SLOW_ALIGNER)
        if takes_ms > 0.0:
            await tables.loop.sleep(takes_ms / 1_000.0)
        if handling.node.dead:
            raise NodeDown
        sought = phrases.all
        return [
            Match(rank, 0, 1, sought.index(heard.text), 0.0, 5, None, exact=True)
            for rank, heard in enumerate(recognition.hypotheses)
            if heard.text in sought
        ]


@cache
def heard(dialogue: int, asked: int) -> Recognition:
    """The answer to turn `asked`: the plain text is wrong, the name that was meant comes second."""
    texts = (PLAIN, names_of(dialogue, max(1, asked))[1])
    return Recognition(tuple(Hypothesis(text, -float(rank)) for rank, text in enumerate(texts)))


class SimTelemetry:
    """`ports.Telemetry` into the evidence (13)."""

    __slots__ = ("_ends_ms", "_handling", "_watch")

    def __init__(self, handling: Handling, watch: Watch) -> None:
        self._handling, self._watch, self._ends_ms = handling, watch, 0.0

    def point(self, name: str, turn: TurnKey, **facts: Any) -> None:
        self._watch.told(self._handling, name, facts)
        if name in ("waits", "takes over") and facts["owner"] == facts["event"]:
            self._watch.violate(3, turn, f"{facts['event']} did not know its own claim")
        if name == "window":
            self._ends_ms = facts["at_ms"] + facts["duration_ms"]
        elif name == "missed":
            late = facts["cause"] == "TimeoutError"
            self._watch.coverage.hit("missed by deadline" if late else "missed by failure")
            if late and self._handling.node.clock.now_ms() < self._ends_ms - 1.0:
                self._watch.coverage.hit("barge-in shortened a window")

    def span(self, name: str, turn: TurnKey, **facts: Any) -> AbstractContextManager[None]:
        if facts:
            self._watch.told(self._handling, name, facts)
        return _NOTHING


_NOTHING: Final[AbstractContextManager[None]] = nullcontext()
