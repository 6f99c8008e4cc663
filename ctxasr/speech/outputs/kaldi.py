"""Kaldi's n-best lists: the words that `nbest-to-linear` writes, through `int2sym.pl -f 2-`.

    a1-1 call meg bower        the best of utterance a1
    a1-2 call meg power        the second
    a2-1 yes

The order is that of the ranks. The files of costs beside it, of language (graph) and of acoustics,
give scores: `a1-1 87.4` is a cost, the negative logarithm of a probability, and acoustic ones are
unscaled; a score is -(language cost + acoustic scale * acoustic cost). Without them scores are 0.

Source: kaldi-asr.org/doc/lattices.html; src/latbin/nbest-to-linear.cc.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ctxasr.speech.lattice import written_words
from ctxasr.speech.outputs.source import Source, Utterance, number_of

ACOUSTIC_SCALE: Final = 0.1
"""Kaldi's usual one: on disk acoustic costs are unscaled."""

_RANKED: Final = re.compile(r"(\S+)-([1-9]\d{0,8})(?:\s(.*))?")


def read(
    source: Source, *, lm_costs: Source | None = None, acoustic_costs: Source | None = None
) -> Iterator[Utterance]:
    """The utterances of a file, with the costs of two others where they are given.

    Raises:
        ScenarioError: names file and line.
        LimitExceeded: a text is too long.
    """
    lists: dict[str, dict[int, tuple[int, str]]] = {}
    for line, text in source.lines():
        if not text.strip():
            continue
        found = _RANKED.fullmatch(text.strip())
        if found is None:
            said = "must begin with the utterance and a rank, as a1-1, and go on with the words"
            raise source.wrong(said, line)
        ranks = lists.setdefault(found[1], {})
        if int(found[2]) in ranks:
            raise source.wrong(f"rank {found[2]} of this utterance stands there twice", line)
        ranks[int(found[2])] = (line, written_words(found[3] or ""))
    scale = ACOUSTIC_SCALE if source.acoustic_scale is None else source.acoustic_scale
    costs = [
        (_costs(given), weight, given)
        for given, weight in ((lm_costs, 1.0), (acoustic_costs, scale))
        if given is not None
    ]
    for name, ranks in lists.items():
        heard = []
        for rank, (line, text) in sorted(ranks.items()):
            score = 0.0
            for known, weight, given in costs:
                if f"{name}-{rank}" not in known:
                    said = f"has no cost in {given.file}; one a hypothesis is right"
                    raise source.wrong(said, line)
                score -= weight * known[f"{name}-{rank}"]
            heard.append((text, score))
        yield source.utterance(heard, min(line for line, _ in ranks.values()), id=name)


def _costs(source: Source) -> dict[str, float]:
    found = {}
    for line, text in source.lines():
        parts = text.split()
        if not parts:
            continue
        cost = number_of(parts[1]) if len(parts) == 2 else None
        if cost is None:
            raise source.wrong("must be an utterance with its rank, and a number up to 1e9", line)
        found[parts[0]] = cost
    return found
