"""The frontier of gain and harm: what every threshold gives, as curves that can be drawn.

One panel for each kind of list without the answer. Along a curve the threshold falls: from the
plain text, at no gain and no harm, to every change that the rescorer proposes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ctxasr.evaluate.corpora.conditions import EMPTIED, SOUND_ALIKE
from ctxasr.evaluate.gain_and_harm import Curve, Floats, curve_of
from ctxasr.evaluate.study import Study

Line = tuple[tuple[float, float], ...]
"""Points (harm, gain), by falling threshold."""

SEPARATOR: Final = ": "


@dataclass(frozen=True, slots=True)
class Panel:
    """Gains against one kind of harm; `at` are the points of the shipped threshold.

    Harm is the largest change of word errors over the lists of the kind, or the share of right
    texts made wrong; gain the change of word errors with the answer on offer.
    """

    harm: str
    of_right_texts: bool
    lines: dict[str, Line]
    at: dict[str, tuple[float, float]]


def across(studies: Sequence[Study]) -> Curve:
    """One curve over several corpora at the same thresholds; "corpus: condition" names a part."""
    return curve_of(
        {
            f"{one.corpus}{SEPARATOR}{name}": trials
            for one in studies
            for name, trials in one.by_condition().items()
        },
        studies[0].threshold,
    )


def panels(studies: Sequence[Study]) -> list[Panel]:
    """A panel for each kind of harm that was measured; none where no gain was."""
    curve = across(studies)
    conditions = [
        (f"{one.corpus}{SEPARATOR}{condition.name}", condition)
        for one in studies
        for condition in one.conditions
    ]
    gains = [
        name
        for name, condition in conditions
        if condition.right is not False
        and condition.name != EMPTIED
        and not np.isnan(curve.change[name]).all()
    ]
    found = []
    for harm in dict.fromkeys(one.harm for _, one in conditions if one.harm):
        of_right = harm == SOUND_ALIKE
        sort = curve.wrong if of_right else curve.change
        lists = [sort[name] for name, one in conditions if one.harm == harm and name in sort]
        lists = [values for values in lists if not np.isnan(values).any()]
        if gains and lists:
            worst: Floats = np.max(lists, axis=0)
            at = int(np.searchsorted(curve.thresholds, studies[0].threshold))
            found.append(
                Panel(
                    harm,
                    of_right,
                    {name: _line(worst, curve.change[name]) for name in gains},
                    {name: (float(worst[at]), float(curve.change[name][at])) for name in gains},
                )
            )
    return found


def _line(harm: Floats, gain: Floats) -> Line:
    return tuple((float(x), float(y)) for x, y in zip(harm[::-1], gain[::-1], strict=True))
