"""A workload as statistics: how many dialogues, how long their turns, how large their texts.

    turn 1   recognize .. speech .. utterance .. think .. reply, expect .. reply plays .. finished
    turn 2                                            answer delay .. recognize, answer ...

Every turn is drawn by these figures: it asks back with the share of its number in `asks`; a turn
that asked is answered with the share `answers` (else the dialogue ends there), at once where the
customer barged in, else after the answer delay.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from ctxasr.sim.quantiles import Quantiles

HOURS: Final = 24
TURNS_MAX: Final = 8
"""Turns of one dialogue: who is asked more often hangs up."""

FLAT: Final = (1.0,) * HOURS


@dataclass(frozen=True, slots=True)
class Workload:
    """Durations in ms, sizes in bytes of UTF-8, shares from 0 to 1."""

    rate: float = 10.0
    """Dialogues that begin in a second, on the mean of a day."""
    curve: tuple[float, ...] = FLAT
    """How much of the mean rate each hour of the day has; the first begins at the start."""
    asks: tuple[float, ...] = (0.5, 0.4, 0.3)
    """The share of first, second, ... turns that ask back; the last holds for all later turns."""
    answers: float = 0.9
    """The share of the turns that asked which are answered."""
    barge_ins: float = 0.1
    """The share of replies that the customer interrupts, at a moment drawn uniformly."""
    entities: float = 0.8
    screen: float = 0.2
    """Shares of turns in which a service hands in entities, and a list on the screen."""
    speech_ms: Quantiles = field(default_factory=lambda: Quantiles.lognormal(1_500.0, 5_000.0))
    """From the begin of the recognition to the utterance's text."""
    think_ms: Quantiles = field(default_factory=lambda: Quantiles.lognormal(300.0, 1_500.0))
    """From the utterance's text to the reply's, with which the compute window opens."""
    service_ms: Quantiles = field(default_factory=lambda: Quantiles.lognormal(150.0, 1_000.0))
    """From the utterance's text to a service payload."""
    reply_ms: Quantiles = field(default_factory=lambda: Quantiles.lognormal(3_000.0, 9_700.0))
    answer_delay_ms: Quantiles = field(default_factory=lambda: Quantiles.lognormal(600.0, 3_000.0))
    """From the end of the reply to the begin of the next recognition."""
    utterance_bytes: Quantiles = field(default_factory=lambda: Quantiles.lognormal(30.0, 150.0))
    reply_bytes: Quantiles = field(default_factory=lambda: Quantiles.lognormal(120.0, 1_000.0))
    entities_bytes: Quantiles = field(default_factory=lambda: Quantiles.lognormal(400.0, 8_000.0))
    screen_bytes: Quantiles = field(default_factory=lambda: Quantiles.lognormal(800.0, 8_000.0))
