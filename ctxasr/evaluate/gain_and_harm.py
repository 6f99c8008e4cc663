"""What a context is worth over the trials of a corpus, and what it costs, at any threshold.

Under each condition: how much the word errors change, in how many turns the text became worse, and
how many right texts became wrong. The curve shows gain against harm over all thresholds: from the
plain text (nothing is changed) to whatever the rescorer proposes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from ctxasr.evaluate.metrics import Estimate, error_rate, relative_change
from ctxasr.evaluate.trials import Trial

if TYPE_CHECKING:
    from rich.console import Console

THRESHOLDS_MAX: Final = 200
"""Points of a curve: quantiles of the margins of all changes."""

NOT_LISTED: Final = frozenset({"generic", "outside", "other"})
"""Sorts of answers that no name on offer stands in."""

ON_THE_LIST: Final = "on the list"
NOT_ON_THE_LIST: Final = "not on the list"
"""Rows of one condition, by what its answers are."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Figures:
    """Trials under one condition, decided at one threshold. Intervals are by group."""

    trials: tuple[Trial, ...]
    threshold: float
    seed: int

    @property
    def plain(self) -> Estimate:
        """Word error rate of the plain texts."""
        return self._rate([trial.plain for trial in self.trials])

    @property
    def oracle(self) -> Estimate:
        """Word error rate of the best hypotheses of the n-best lists."""
        return self._rate([trial.oracle for trial in self.trials])

    @property
    def context(self) -> Estimate:
        """Word error rate of the texts under the condition."""
        return self._rate([trial.errors(self.threshold) for trial in self.trials])

    @property
    def change(self) -> Estimate | None:
        """Of word errors against the plain ones; None where these are none."""
        return self._change(
            [trial.errors(self.threshold) for trial in self.trials],
            [trial.plain for trial in self.trials],
        )

    @property
    def change_sounding(self) -> Estimate | None:
        """The same where a text that sounds like the reference counts as right."""
        return self._change(
            [trial.errors_sounding(self.threshold) for trial in self.trials],
            [trial.plain_sounding for trial in self.trials],
        )

    @property
    def right(self) -> int:
        """Trials whose plain text is right."""
        return sum(trial.plain == 0 for trial in self.trials)

    @property
    def wrong(self) -> int:
        """Right texts that were made wrong."""
        return sum(trial.plain == 0 and trial.errors(self.threshold) > 0 for trial in self.trials)

    @property
    def wrong_sounding(self) -> int:
        """Right texts that were made wrong, and sound wrong."""
        return sum(
            trial.plain == 0 and trial.errors_sounding(self.threshold) > 0 for trial in self.trials
        )

    @property
    def wrong_share(self) -> Estimate | None:
        """Of the right texts those that were made wrong; None where none was right."""
        if not self.right:
            return None
        return error_rate(
            [float(t.plain == 0 and t.errors(self.threshold) > 0) for t in self.trials],
            [float(t.plain == 0) for t in self.trials],
            self._groups(),
            self.seed,
        )

    @property
    def worse(self) -> int:
        """Trials with more errors than the plain text has."""
        return sum(trial.errors(self.threshold) > trial.plain for trial in self.trials)

    @property
    def changed(self) -> int:
        """Trials whose text was changed."""
        return sum(trial.taken(self.threshold) for trial in self.trials)

    def to_json(self) -> dict[str, Any]:
        """The object of `ctxasr evaluate --json` for one condition."""
        return {
            "n": len(self.trials),
            "words": sum(trial.words for trial in self.trials),
            "groups": len(set(self._groups())),
            "wer": {
                "plain": self.plain.to_json(),
                "context": self.context.to_json(),
                "oracle": self.oracle.to_json(),
            },
            "change": _json(self.change),
            "worse": self.worse,
            "changed": self.changed,
            "right": self.right,
            "wrong": self.wrong,
            "wrong_share": _json(self.wrong_share),
            "sounding": {"change": _json(self.change_sounding), "wrong": self.wrong_sounding},
        }

    def _rate(self, edits: Sequence[int]) -> Estimate:
        words = [trial.words for trial in self.trials]
        return error_rate(edits, words, self._groups(), self.seed)

    def _change(self, edits: Sequence[int], plain: Sequence[int]) -> Estimate | None:
        if not any(plain):
            return None
        return relative_change(edits, plain, self._groups(), self.seed)

    def _groups(self) -> list[str]:
        return [trial.group for trial in self.trials]


@dataclass(frozen=True, slots=True)
class Curve:
    """Relative change of word errors and share of right texts made wrong, by threshold.

    `thresholds` rise from one that takes every change to one that takes none; `change` is NaN
    where no plain text has an error, `wrong` where none is right.
    """

    thresholds: Floats
    change: Mapping[str, Floats]
    wrong: Mapping[str, Floats]

    def to_json(self) -> dict[str, Any]:
        """Lists of equal length; null where there is no figure."""
        return {
            "thresholds": _listed(self.thresholds),
            "conditions": {
                name: {"change": _listed(self.change[name]), "wrong_share": _listed(wrong)}
                for name, wrong in self.wrong.items()
            },
        }


def curve_of(trials: Mapping[str, Sequence[Trial]], threshold: float) -> Curve:
    """The curve of trials by condition, all at the same thresholds; `threshold` is one of them."""
    seen = [t.margin for each in trials.values() for t in each if t.changes]
    margins_seen = np.unique(np.array(seen, np.float64))
    if len(margins_seen) > THRESHOLDS_MAX - 2:
        shares = np.linspace(0.0, 1.0, THRESHOLDS_MAX - 2)
        margins_seen = np.quantile(margins_seen, shares, method="nearest")
    thresholds = np.unique(np.concatenate([margins_seen[:1] - 1.0, margins_seen, [threshold]]))
    change, wrong = {}, {}
    for name, each in trials.items():
        margins = np.array([t.margin if t.changes else -np.inf for t in each])
        order = np.argsort(margins, kind="stable")
        # How many trials, from the surest down, are taken at each threshold.
        taken = len(each) - np.searchsorted(margins[order], thresholds, side="right")
        plain = np.array([t.plain for t in each], np.float64)
        proposed = np.array([t.proposed for t in each], np.float64)
        change[name] = _over(_summed(proposed - plain, order, taken), plain.sum())
        made_wrong = (plain == 0) & (proposed > 0)
        wrong[name] = _over(
            _summed(made_wrong.astype(np.float64), order, taken), float((plain == 0).sum())
        )
    return Curve(thresholds, change, wrong)


def subsets(trials: Sequence[Trial]) -> dict[str, list[Trial]]:
    """Trials of one condition by whether the answer names something on offer, where that is known.

    Empty where it is the same for all.
    """
    sorted_ = {
        ON_THE_LIST: [t for t in trials if t.sort and t.sort not in NOT_LISTED],
        NOT_ON_THE_LIST: [t for t in trials if t.sort in NOT_LISTED],
    }
    return sorted_ if all(sorted_.values()) else {}


def render(title: str, rows: Sequence[tuple[str, Figures]], console: Console) -> None:
    """A table for people, one row a condition; the plain rate and the oracle in its title."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    first = rows[0][1]
    table = Table(
        title=f"{title}: {len({t.utterance for t in first.trials})} utterances\n"
        f"plain WER {first.plain.value:.3f}, n-best oracle {first.oracle.value:.3f}",
        box=SIMPLE_HEAD,
        padding=0,
    )
    for head in ("names on offer", "n", "WER", "change [95%]", "sound", "worse", "wrong"):
        right = head in ("n", "WER", "sound", "worse", "wrong")
        table.add_column(head, justify="right" if right else "left", no_wrap=True)
    for name, figures in rows:
        change, sounding = figures.change, figures.change_sounding
        table.add_row(
            name,
            str(len(figures.trials)),
            f"{figures.context.value:.3f}",
            "" if change is None else _percent(change.value) + _interval(change),
            "" if sounding is None else _percent(sounding.value),
            f"{figures.worse}/{figures.changed}",
            f"{figures.wrong}/{figures.right}",
        )
    console.print(table)


def _percent(value: float) -> str:
    return f"{value:+.1%}" if abs(value) < 0.0995 else f"{value:+.0%}"


def _interval(change: Estimate) -> str:
    if change.low is None or change.high is None:
        return ""
    return f" [{100 * change.low:+.0f}, {100 * change.high:+.0f}]"


def _json(estimate: Estimate | None) -> dict[str, float | None] | None:
    return None if estimate is None else estimate.to_json()


def _summed(deltas: Floats, order: NDArray[np.intp], taken: NDArray[np.intp]) -> Floats:
    """Sums of the `taken` last of `deltas` in `order`."""
    sums = np.concatenate([[0.0], np.cumsum(deltas[order][::-1])])
    found: Floats = sums[taken]
    return found


def _over(sums: Floats, total: float) -> Floats:
    return sums / total if total else np.full(len(sums), np.nan)


def _listed(values: Floats) -> list[float | None]:
    return [round(float(value), 6) if np.isfinite(value) else None for value in values]
