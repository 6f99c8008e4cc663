"""The systems side by side: plain, context emptied, another dialogue's context, with context.

Only the difference between the emptied and the full context is called the gain from context; the
difference between the plain and the emptied one is what the rescorer does by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ctxasr.evaluate.metrics import Estimate, error_rate, relative_change

if TYPE_CHECKING:
    from rich.console import Console

SYSTEMS: Final = ("plain", "emptied", "other", "context")
"""`other` is the mean over several other dialogues' contexts."""


@dataclass(frozen=True, slots=True)
class Item:
    """One follow-up turn: word errors of each system, and the oracles.

    `other` holds the errors under each of the other dialogues' contexts that were tried.
    """

    dialogue: str
    turn: int
    state: str
    words: int
    plain: int
    emptied: int
    context: int
    other: tuple[int, ...]
    nbest_oracle: int
    lattice_oracle: int | None
    equals_plain: bool
    """Whether the text with context is the plain text to the letter."""
    late: bool = False
    """Whether the read budget had passed, so that the text with context is the plain one."""

    def errors(self, system: str) -> float:
        """Word errors under one of SYSTEMS; `other` is the mean over the contexts tried.

        Where none was tried (nothing could be used, or there is one dialogue) it is the plain text.
        """
        if system == "other":
            return sum(self.other) / len(self.other) if self.other else float(self.plain)
        return float(getattr(self, system))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Figures over items, all with the same bootstrap seed."""

    items: tuple[Item, ...]
    seed: int

    def rate(self, system: str) -> Estimate:
        return error_rate(*self._columns(system, "words"), self._dialogues(), self.seed)

    def change(self, system: str, baseline: str) -> Estimate:
        """Relative change of word errors from `baseline` to `system`."""
        columns = self._columns(system, baseline)
        return relative_change(*columns, self._dialogues(), self.seed)

    def harmed(self, system: str) -> int:
        """Turns with more errors than the plain result; under other contexts, on their mean."""
        return sum(item.errors(system) > item.plain for item in self.items)

    def not_plain_without_hit(self) -> int:
        """Missed or broken contexts whose text is not the plain text: must be 0."""
        return sum(item.state != "hit" and not item.equals_plain for item in self.items)

    def late(self) -> int:
        """Turns whose context could not be used in time: they speak of the machine."""
        return sum(item.late for item in self.items)

    def oracle(self, name: str) -> Estimate | None:
        edits = [getattr(item, name) for item in self.items]
        if any(value is None for value in edits):
            known = [item for item in self.items if getattr(item, name) is not None]
            return Comparison(tuple(known), self.seed).oracle(name) if known else None
        words = [item.words for item in self.items]
        return error_rate(edits, words, self._dialogues(), self.seed)

    def to_json(self) -> dict[str, Any]:
        return {
            "turns": len(self.items),
            "words": sum(item.words for item in self.items),
            "dialogues": len({item.dialogue for item in self.items}),
            "seed": self.seed,
            "states": {
                state: sum(item.state == state for item in self.items)
                for state in sorted({item.state for item in self.items})
            },
            "wer": {system: self.rate(system).to_json() for system in SYSTEMS},
            "oracle": {
                name: found.to_json() if found else None
                for name in ("nbest_oracle", "lattice_oracle")
                for found in [self.oracle(name)]
            },
            "change": {
                f"{system} from {baseline}": self.change(system, baseline).to_json()
                for system, baseline in _CHANGES
            },
            "harmed_turns": {system: self.harmed(system) for system in SYSTEMS[1:]},
            "other_contexts_tried": sum(len(item.other) for item in self.items),
            "missed_and_not_plain": self.not_plain_without_hit(),
            "read_budget_exceeded": self.late(),
        }

    def render(self, console: Console) -> None:
        """A table for people; the same figures as `to_json`."""
        from rich.table import Table

        count = len(self.items)
        title = f"Follow-up turns: n = {count}, {sum(item.words for item in self.items)} words"
        table = Table("system", "WER", "95%", "from plain", "from emptied", "harmed", title=title)
        for system in SYSTEMS:
            rate = self.rate(system)
            plain = "" if system == "plain" else _percent(self.change(system, "plain"))
            emptied = _percent(self.change(system, "emptied")) if system in SYSTEMS[2:] else ""
            harmed = "" if system == "plain" else str(self.harmed(system))
            table.add_row(system, f"{rate.value:.3f}", _interval(rate), plain, emptied, harmed)
        for name in ("nbest_oracle", "lattice_oracle"):
            found = self.oracle(name)
            if found is not None:
                label = name.replace("_", " ")
                table.add_row(label, f"{found.value:.3f}", _interval(found), "", "", "")
        console.print(table)
        console.print(
            f"Missed or broken contexts with another text than the plain one: "
            f"{self.not_plain_without_hit()} (0 is right). Intervals by dialogue, seed {self.seed}."
        )
        if late := self.late():
            console.print(
                f"In {late} turns the read budget had passed, and the plain text was counted for "
                f"context: this machine is busy. CTXASR_READ_BUDGET_MS=10000 waits longer."
            )

    def _columns(self, system: str, second: str) -> tuple[list[float], list[float]]:
        return [item.errors(system) for item in self.items], [
            item.words if second == "words" else item.errors(second) for item in self.items
        ]

    def _dialogues(self) -> list[str]:
        return [item.dialogue for item in self.items]


_CHANGES: Final = (
    ("emptied", "plain"), ("other", "plain"), ("context", "plain"),
    ("other", "emptied"), ("context", "emptied"),
)  # fmt: skip


def _percent(change: Estimate) -> str:
    interval = "" if change.low is None else f" [{change.low:+.1%}, {change.high:+.1%}]"
    return f"{change.value:+.1%}{interval}"


def _interval(rate: Estimate) -> str:
    return "" if rate.low is None else f"{rate.low:.3f}-{rate.high:.3f}"


def compare(items: Sequence[Item], seed: int) -> Comparison:
    """Put items together.

    Raises:
        ValueError: there is nothing to compare.
    """
    if not items:
        raise ValueError("no follow-up turn with a reference")
    return Comparison(tuple(items), seed)
