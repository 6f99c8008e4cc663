"""The whole answer as one JSON document: what was asked, what came of it, what differs.

    version, command    which program, and what was typed
    parameters          the question: rate, seed, faults, distributions; without what is swept
    figures             of the design; absent where parameters were swept
    what_ifs            of each other design, and `against`: its differences from ours
    sweep               of each point, by its label; `what_if` where that is another design

Nothing in it depends on the time, the machine, or the number of workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ctxasr import __version__
from ctxasr.evaluate.costs.prices import Prices
from ctxasr.evaluate.fleet.against import against
from ctxasr.evaluate.fleet.figures import figures_of
from ctxasr.sim.fleet.question import Question
from ctxasr.sim.fleet.summary import Summary


def document_of(
    questions: Sequence[Question], summaries: Sequence[Summary], prices: Prices, command: str
) -> dict[str, Any]:
    """The answer to questions: one alone, the design and what-ifs, or the points of a sweep."""
    found: dict[str, Any] = {
        "version": __version__,
        "command": command,
        "parameters": _common([one.to_dict() for one in questions])
        if questions[0].label
        else questions[0].to_dict(),
    }
    pairs = zip(questions, summaries, strict=True)
    figures = [figures_of(summary, question, prices) for question, summary in pairs]
    if questions[0].label:
        found["parameters"].pop("label", None)  # of a single point it is common
        found["sweep"] = [
            {"label": question.label, "what_if": question.what_if, **one}
            for question, one in zip(questions, figures, strict=True)
        ]
        return found
    found["figures"] = figures[0]
    found["what_ifs"] = [
        {"what_if": question.what_if, "against": against(figures[0], one), **one}
        for question, one in zip(questions[1:], figures[1:], strict=True)
    ]
    return found


def _common(documents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The parameters in which all points of a sweep are the same."""
    first, *others = documents
    found: dict[str, Any] = {}
    for name, value in first.items():
        if name in ("workload", "latencies"):
            found[name] = _common([one[name] for one in documents])
        elif all(one[name] == value for one in others):
            found[name] = value
    return found
