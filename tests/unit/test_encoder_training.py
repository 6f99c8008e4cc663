"""Examples, training and figures on a small generated data folder."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ctxasr.encoder import assistant
from ctxasr.encoder.sgd import read_catalogue, read_split
from ctxasr.encoder.tasks import pose, targets_of
from ctxasr.errors import DataError

KINDS = {
    "city": ("Springford", "Lakewood", "Port Ellis", "Oakham", "Dunmore", "Wexley"),
    "dish": ("lentil soup", "onion tart", "plum cake", "fish pie", "bean stew", "rye bread"),
}


def record(number: int, split: str) -> dict[str, Any]:
    """A line as sgd_followup has it: two names on offer, one of them answered."""
    rng = Random(f"{split}{number}")
    kind = rng.choice(sorted(KINDS))
    first, second = rng.sample(KINDS[kind], 2)
    return {
        "id": f"{split}-{number // 2}-{2 * (number % 2)}",
        "prev_user": f"I want a {kind}",
        "system": f"Would you like {first} or {second}?",
        "sys_acts": [{"act": "OFFER", "slot": kind, "values": [first, second]}],
        "results": [{kind: first}, {kind: second, "price": "12"}],
        "state": {},
        "answer": f"I will take {first}.",
        "entities": [{"slot": kind, "value": first}],
    }


def whole(number: int) -> dict[str, Any]:
    """A whole dialogue with spans."""
    city = KINDS["city"][number % 6]
    reply = f"Shall I look in {city}?"
    span = {"slot": "city", "start": 16, "end": 16 + len(city)}
    return {
        "id": f"whole{number}",
        "turns": [
            {"who": "user", "text": "find a museum", "acts": []},
            {"who": "system", "text": reply, "acts": ["REQUEST:city"], "values": [span]},
            {"who": "user", "text": f"yes {city}", "acts": [], "values": []},
        ],
    }


def write(path: Path, rows: list[Any]) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for split, count in (("train", 40), ("dev", 12), ("test", 12)):
        write(tmp_path / f"{split}.jsonl.gz", [record(n, split) for n in range(count)])
    write(tmp_path / "dialogues_train.jsonl.gz", [whole(n) for n in range(6)])
    write(tmp_path / "catalog_train.json.gz", [{kind: list(v) for kind, v in KINDS.items()}])
    return tmp_path


def test_the_longest_contained_phrases_are_the_targets() -> None:
    texts = ["meg bauer", "bauer", "meg", "jones", "power"]
    assert targets_of(texts, "bauer") == (2,)
    assert targets_of(texts, "call meg bauer please") == (1,)
    assert targets_of(texts, "meg or jones") == (3, 4)
    assert targets_of(texts, "the powerful one") == (0,)


def test_dialogues_are_read_and_posed_alike_each_time(data: Path) -> None:
    dialogues = read_split(data, "train")
    assert len(dialogues) == 20 + 6
    assert len(read_split(data, "dev")[0].steps) == 2
    catalogue = read_catalogue(data)
    drawn = [[pose(d, catalogue, Random(3), 9) for d in dialogues] for _ in range(2)]
    assert drawn[0] == drawn[1]
    for example in (example for dialogue in drawn[0] for example in dialogue):
        assert example.targets != (0,), "each answer names what its reply named"
        assert len({phrase.text for phrase in example.phrases}) == len(example.phrases)


@pytest.mark.parametrize(
    ("line", "where"),
    [
        ('{"id": "dev-1-2"}', r"dev\.jsonl\.gz:2: field 'system'"),
        ("{", r"dev\.jsonl\.gz:2: JSONDecodeError"),
        ("[]", r"dev\.jsonl\.gz:2: TypeError"),
    ],
)
def test_a_malformed_line_is_named_and_not_shown(data: Path, line: str, where: str) -> None:
    path = data / "dev.jsonl.gz"
    with gzip.open(path, "wt", encoding="utf-8") as lines:
        lines.write(json.dumps(record(0, "dev")) + "\n" + line + "\n")
    with pytest.raises(DataError, match=where) as caught:
        read_split(data, "dev")
    assert "Would you like" not in str(caught.value)


def test_missing_empty_and_truncated_files_are_named(data: Path) -> None:
    path = data / "test.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"test\.jsonl\.gz:\d+: EOFError; a complete gzip"):
        read_split(data, "test")
    write(path, [])
    with pytest.raises(DataError, match=r"test\.jsonl\.gz:1: the file is empty"):
        read_split(data, "test")
    path.unlink()
    with pytest.raises(DataError, match=r"test\.jsonl\.gz is missing; --data"):
        read_split(data, "test")


def test_generated_dialogues_repeat_and_hold_names_back() -> None:
    first = [assistant.generate(n, Random(5)) for n in range(3)]
    assert first == [assistant.generate(n, Random(5)) for n in range(3)]
    assert not set(assistant.cmudict_words(True)) & set(assistant.cmudict_words(False))


def test_training_lowers_the_loss_and_repeats_to_the_bit(data: Path, tmp_path: Path) -> None:
    from ctxasr.encoder.training import evaluate_encoder, fit, train
    from ctxasr.encoder.transformer import EncoderConfig

    small = EncoderConfig(width=16, heads=2, layers=1, hidden=16, phrase_hidden=16, semantic=7)
    dialogues, catalogue = read_split(data, "train"), read_catalogue(data)
    losses: list[float] = []
    fit(
        dialogues,
        catalogue,
        seed=1,
        steps=60,
        progress=lambda done, steps, loss: losses.append(loss),
        config=small,
    )
    assert losses[-1] < 0.9 * losses[0]
    outs = [tmp_path / name for name in ("one", "two", "other")]
    reports = [
        train(data, out, seed, steps=3, config=small, generated=20)
        for out, seed in zip(outs, (1, 1, 2), strict=True)
    ]
    files = [out.joinpath("context.safetensors").read_bytes() for out in outs]
    assert files[0] == files[1] != files[2]
    card = outs[0].joinpath("MODEL_CARD.md").read_text()
    assert "CC BY-SA 4.0" in card
    assert "ctxasr train --data DIR --seed 1" in card
    figures = {report.split: report.systems for report in reports[0].evaluations}
    assert figures["dev"]["encoder"]["log loss"].n == 12
    again = evaluate_encoder(data, "dev", outs[0])
    assert again.systems == figures["dev"], "the written weights are the measured ones"
    assert figures["dev"]["uniform"]["recall@5"].mean <= 1.0
