"""A workload as statistics: how many dialogues, how long their turns, how large their texts.

    turn 1   recognize .. speech .. utterance .. think .. reply, expect .. reply plays .. finished
    turn 2                                            answer delay .. recognize, answer ...

Every turn is drawn by these figures: it asks back with the share of its number in `asks`; a turn
that asked is answered with the share `answers` (else the dialogue ends there), at once where the
customer barged in, else after the answer delay.

Sources of the defaults, by medians and p99s: **SGD**, 77,989 turns of either side in 8,000 written
service dialogues (Rastogi and others, AAAI 2020); **SLURP**, 1,463 commands to an assistant at home
(Bastianelli and others, EMNLP 2020); words at the 2.7 a second of `ctxasr.timing`. Where none is
named, the default is an assumption of ours: fit a trace (`workload.trace`) to replace it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, Final

from pydantic import ConfigDict, TypeAdapter

from ctxasr.errors import InputError
from ctxasr.sim.quantiles import Quantiles
from ctxasr.sim.workload.curve import FLAT
from ctxasr.sim.workload.document import (
    Curve,
    Distribution,
    Rate,
    Replies,
    Share,
    Shares,
    Sizes,
    checked,
    plain,
)
from ctxasr.sim.workload.scripted import Script

TURNS_MAX: Final = 8
"""Turns of one drawn dialogue: who is asked more often hangs up."""


@dataclass(frozen=True, slots=True)
class Workload:
    """Durations in ms, sizes in bytes of UTF-8, shares from 0 to 1.

    What is drawn beyond REPLY_MS_MAX or TEXT_BYTES_MAX is cut to it (`turns.draw_turn`).
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    rate: Rate = 10.0
    """Dialogues that begin in a second, on the mean of a day."""
    curve: Curve = FLAT
    """How much of the mean rate each hour of the day has; the first begins at the start."""
    asks: Shares = (0.5, 0.4, 0.3)
    """The share of first, second, ... turns that ask back; the last holds for all later turns.

    Assumed. In SGD, where every dialogue fills a form, 70 % of the system's turns ask.
    """
    answers: Share = 0.9
    """The share of the turns that asked which are answered."""
    barge_ins: Share = 0.1
    """The share of replies that the customer interrupts, at a moment drawn uniformly."""
    entities: Share = 0.3
    """The share of turns in which a service hands in entities; SGD: results with 29 %."""
    screen: Share = 0.2
    """The share of turns with a list on the screen."""
    speech_ms: Distribution = field(default_factory=lambda: Quantiles.lognormal(2_000.0, 6_500.0))
    """From the begin of the recognition to the utterance's text.

    SLURP's commands have 6 words and 17, which take 2.2 s and 6.3 s; answers are shorter.
    """
    think_ms: Distribution = field(default_factory=lambda: Quantiles.lognormal(300.0, 1_500.0))
    """From the utterance's text to the reply's, with which the compute window opens."""
    service_ms: Distribution = field(default_factory=lambda: Quantiles.lognormal(150.0, 1_000.0))
    """From the utterance's text to a service payload."""
    reply_ms: Replies = field(default_factory=lambda: Quantiles.lognormal(3_600.0, 12_800.0))
    """How long the reply plays. SGD: 3.58 s and 12.84 s; in real telephone dialogues compute
    windows of 6.2 s to 9.7 s were seen, and 1 s to 2 s for short confirmations."""
    answer_delay_ms: Distribution = field(
        default_factory=lambda: Quantiles.lognormal(600.0, 3_000.0)
    )
    """From the end of the reply to the begin of the next recognition."""
    utterance_bytes: Sizes = field(default_factory=lambda: Quantiles.lognormal(34.0, 122.0))
    """SGD: these; SLURP: 32 and 83."""
    reply_bytes: Sizes = field(default_factory=lambda: Quantiles.lognormal(47.0, 179.0))
    """SGD: these."""
    entities_bytes: Sizes = field(default_factory=lambda: Quantiles.lognormal(84.0, 990.0))
    """SGD: these, for up to ten results of a service (938 in 300 dialogues)."""
    screen_bytes: Sizes = field(default_factory=lambda: Quantiles.lognormal(800.0, 8_000.0))
    scripted: Share = 0.0
    """The share of dialogues that follow one of `scripts`, chosen at random."""
    scripts: tuple[Script, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in a workload file; distributions are kept to six digits."""
        found: dict[str, Any] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, Quantiles):
                value = plain(value)
            elif one.name == "scripts":
                value = [script.to_dict() for script in value]
            elif isinstance(value, tuple):
                value = list(value)
            found[one.name] = value
        return found

    @staticmethod
    def from_dict(document: Any, where: str = "workload") -> Workload:
        """The inverse of `to_dict`; what is absent is the default.

        Raises:
            InputError: names `where`, the first wrong field and what would be right.
        """
        names = tuple(one.name for one in fields(Workload))
        found = checked(_adapter(), document, names, where)
        if found.scripted and not found.scripts:
            right = "scripts, or scripted: 0 would be right"
            raise InputError(f"{where}: scripted: there are no scripts to follow; {right}")
        return found


@cache
def _adapter() -> TypeAdapter[Workload]:
    return TypeAdapter(Workload)
