"""The model card: data, licence, seed, command, figures with their n, limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ctxasr.encoder.evaluation import EncoderReport

TEMPLATE = """# Model card: the context encoder of ctxasr

Two small towers in torch: the last utterance, the reply, the entities, the screen list and the
elicited slot of a turn become one vector after the dialogue's earlier vectors; a phrase becomes a
row; their product is the logit that the customer's next answer contains the phrase (row 0: none of
these). Configuration: {config}.
File: {size_kb} kB, safetensors in half precision.

## Data and licence
- Schema-Guided Dialogue (Rastogi et al., AAAI 2020,
  github.com/google-research-datasets/dstc8-schema-guided-dialogue), CC BY-SA 4.0: {dialogues}
  dialogues of the train split, cut to follow-up turns. Changes to the data: turns selected, service
  results shortened, fields renamed. The weights are derived from it and are offered under
  CC BY-SA 4.0 as well; the code that makes them is Apache-2.0.
- {generated} dialogues generated from our own templates (`ctxasr/encoder/assistant.py`), with names
  combined from our lists and the words of CMUdict.

No word of the data is in the file: words are hashed into buckets, the metadata hold sizes only.

## How it was made
Seed {seed}, {steps} steps, one core:

    ctxasr train --data DIR --seed {seed} --out ctxasr/encoder/weights

Steps of the data whose answer contains no phrase on offer were counted at {none_rate} of their
share. Temperature {temperature:.2f}, fitted on dev and generated dialogues of another seed. The
test split was used for the figures below alone. The same data, seed, steps and torch build give the
same bytes.

## Figures
Means over steps with 95% intervals (bootstrap by dialogue). recall and MRR: steps whose answer
contains a phrase on offer, ranked among the phrases. log loss: all steps, in nats, 'none of these'
included. The phrases on offer: names in the reply, the results, the utterance and the two turns
before, their first and last words, up to 12 distractors of the catalogue, up to 12 names of another
dialogue under the signals of a right one ('stranger'), and in 3 of 10 steps what the answer newly
names ('catalogue'). `assistant`: generated dialogues with names that training has not seen.

{figures}

## Limits
- English only. Written, clean text in training: neither the utterance nor the reply was misheard.
- The prior for 'none of these' reflects these data (about two of three booking steps, two of five
  assistant steps) and not any customer's habits.
- The generated dialogues measure whether the pattern was learnt, not how people talk.
- It knows no ordinals: 'the second one' counts as none of these.
- Positions are sinusoidal; the last 64 words of the reply, the last 32 of the utterance and the
  first 128 items are read.
"""

MEASURES = ("recall@1", "recall@5", "mrr", "log loss")


def write(
    config: Mapping[str, Any],
    evaluations: Sequence[EncoderReport],
    *,
    seed: int,
    steps: int,
    dialogues: int,
    generated: int,
    none_rate: float,
    temperature: float,
    size_bytes: int,
) -> str:
    """The card as Markdown."""
    return TEMPLATE.format(
        config=", ".join(f"{name} {value}" for name, value in config.items()),
        size_kb=round(size_bytes / 1000),
        dialogues=dialogues,
        seed=seed,
        steps=steps,
        generated=generated,
        none_rate=none_rate,
        temperature=temperature,
        figures="\n\n".join(map(_table, evaluations)),
    )


def _table(report: EncoderReport) -> str:
    lines = [
        f"### {report.split} ({report.dialogues} dialogues)",
        f"| | {' | '.join(MEASURES)} |",
        "|---|---|---|---|---|",
    ]
    for system, figures in report.systems.items():
        cells = [str(figures[name]) if name in figures else "" for name in MEASURES]
        lines.append(f"| {system} | {' | '.join(cells)} |")
    return "\n".join(lines)
