"""Real people on the telephone: their names, rescored against lists that do or do not hold them.

What `ctxasr evaluate evi` measures, on its own: n-best lists of a production recogniser (test
split of evi_names, attempts 0 and 1 of the name question) without scores or sound. Nothing was
fitted on them. The reference is the name that the caller was asked to say.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from ctxasr.app import default_aligner, default_encoder
from ctxasr.evaluate.corpora.neighbours import Neighbours
from ctxasr.evaluate.study import names_to_draw, read_corpora, study
from ctxasr.evaluate.trials import Listener

pytestmark = pytest.mark.proof

SEED = 7

NEAREST_HARM_MAX = 0.05


async def test_a_list_with_the_name_helps_and_one_without_it_hardly_harms(data: Path) -> None:
    corpora = {"evi-name": read_corpora(["evi"], data)["evi-name"]}
    listener = Listener(None, default_encoder(), default_aligner())
    neighbours = Neighbours(names_to_draw(corpora, data), listener.sounds)
    (found,) = await study(corpora, listener, neighbours, recogniser="", seed=SEED)
    found.render(Console(width=100))
    changes = {name: figures.change for name, figures in found.figures().items()}
    for size, least in (("2", -0.52), ("10", -0.50), ("100", -0.48), ("1,000", -0.42)):
        with_name = changes[f"name among {size}"]
        assert with_name is not None
        assert with_name.value <= least
    for size in ("2", "10", "100"):
        random, nearest = (
            changes[f"{size} random without it"],
            changes[f"{size} nearest without it"],
        )
        assert random is not None
        assert nearest is not None
        assert random.value <= 0.01
        assert nearest.value <= NEAREST_HARM_MAX
