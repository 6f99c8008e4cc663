"""The encoder behind its port, with the committed weights."""

from __future__ import annotations

import asyncio
import json
import re
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save as to_bytes

from ctxasr.encoder import weights
from ctxasr.encoder.adapter import TorchContextEncoder
from ctxasr.encoder.batches import collate, towers
from ctxasr.encoder.tasks import Example
from ctxasr.encoder.transformer import EncoderConfig
from ctxasr.errors import ContextUnavailable, DataError, LimitExceeded, MissingPart
from ctxasr.events import Entity, TurnText
from ctxasr.hypotheses import PHRASES_MAX, Phrase
from ctxasr.ports import Matrix


@pytest.fixture(scope="module")
def encoder() -> Iterator[TorchContextEncoder]:
    loaded = TorchContextEncoder.load()
    yield loaded
    loaded.close()


def named(kind: str, *names: str) -> tuple[Entity, ...]:
    return tuple(Entity(kind, name) for name in names)


CONTACTS = TurnText(
    "call Meg",
    "Do you mean Meg Jones or Meg Bauer?",
    named("contact", "Meg Jones", "Meg Bauer", "Dave Power", "Lena Bower", "Jo Power"),
)
DEVICES = TurnText(
    "turn on the light",
    "Which light?",
    named("device", "kitchen light", "bedroom light", "garage door", "coffee machine"),
)
SCREEN = TurnText(
    "find me a coffee shop",
    "Here is what I found.",
    screen=("Blue Bottle Coffee", "Ritual Roasters"),
)
SEARCHED = TurnText(
    "Blue Bottle Coffee", "Blue Bottle Coffee is half a mile away. What would you like to do?"
)


def no_past(encoder: TorchContextEncoder) -> Matrix:
    return np.zeros((0, encoder.dimensions), dtype=np.float32)


async def prior(
    encoder: TorchContextEncoder, turn: TurnText, phrases: list[Phrase], past: Matrix | None = None
) -> list[float]:
    """P of 'none of these' and of each phrase."""
    vector = await encoder.encode(turn, no_past(encoder) if past is None else past)
    logits = await encoder.embed_phrases(phrases) @ vector
    odds = np.exp(logits - logits.max())
    return [float(p) for p in odds / odds.sum()]


async def test_contacts_named_in_the_reply_come_before_others(encoder: TorchContextEncoder) -> None:
    texts = ("Meg Jones", "Meg Bauer", "Dave Power", "Lena Bower", "Jo Power", "Paris", "pizza")
    phrases = [Phrase(text, "entities", "contact") for text in texts[:5]]
    phrases += [Phrase(text, "catalogue", "song") for text in texts[5:]]
    p = await prior(encoder, CONTACTS, phrases)
    assert set(np.argsort(p[1:])[-2:]) == {0, 1}
    assert min(p[1:3]) > 3 * max(p[3:])


async def test_a_devices_part_comes_before_other_kinds(encoder: TorchContextEncoder) -> None:
    phrases = [
        Phrase("kitchen light", "entities", "device"),
        Phrase("kitchen", "entities", "device"),
        Phrase("garage door", "entities", "device"),
        Phrase("Meg Bauer", "catalogue", "contact"),
        Phrase("chicken wings", "catalogue", "dish"),
    ]
    p = await prior(encoder, DEVICES, phrases)
    assert min(p[1:3]) > max(p[4:])
    assert p[1] > p[3], "a light was asked for"


async def test_the_screen_list_comes_first(encoder: TorchContextEncoder) -> None:
    phrases = [
        Phrase("Blue Bottle Coffee", "screen"),
        Phrase("Ritual Roasters", "screen"),
        Phrase("Chicago", "catalogue", "city"),
        Phrase("Golden Dragon", "catalogue", "restaurant_name"),
    ]
    p = await prior(encoder, SCREEN, phrases)
    assert min(p[1:3]) > 2 * max(p[3:])


async def test_another_dialogues_vector_changes_the_prior(encoder: TorchContextEncoder) -> None:
    phrases = [Phrase("Meg Bauer", "entities", "contact"), Phrase("kitchen light", "entities")]
    right = await prior(encoder, CONTACTS, phrases)
    wrong = await prior(encoder, DEVICES, phrases)
    assert right[1] > right[2]
    assert wrong[2] > wrong[1]
    assert right[1] / right[2] > 5 * wrong[1] / wrong[2], (right, wrong)


async def test_the_past_matters(encoder: TorchContextEncoder) -> None:
    first = await encoder.encode(SCREEN, no_past(encoder))
    again = TurnText("no", "Okay, which one?")
    phrases = [Phrase("Ritual Roasters", "entities", "place"), Phrase("Dave Power", "entities")]
    with_past = await prior(encoder, again, phrases, first[None])
    without = await prior(encoder, again, phrases)
    assert with_past[1] / with_past[2] > without[1] / without[2]


async def test_equal_turns_give_equal_bits(encoder: TorchContextEncoder) -> None:
    first, second = [await encoder.encode(CONTACTS, no_past(encoder)) for _ in range(2)]
    assert first.dtype == np.float32
    assert first.shape == (encoder.dimensions,)
    assert first.tobytes() == second.tobytes()
    assert (await encoder.embed_phrases([])).shape == (1, encoder.dimensions)
    empty = await encoder.encode(TurnText("", ""), no_past(encoder))
    assert np.isfinite(empty).all()


async def test_no_turn_is_changed_by_a_later_one(encoder: TorchContextEncoder) -> None:
    """A dialogue as one batch, as in training, equals one turn after the other."""
    model = weights.load()
    turns = [SCREEN, SEARCHED, DEVICES]
    for last in (turns[-1], CONTACTS):
        dialogue = [Example(turn, (), (), (0,)) for turn in (*turns[:-1], last)]
        with torch.inference_mode():
            vectors = towers(model, collate([dialogue]))[0].numpy()
        past = no_past(encoder)
        for row, turn in enumerate((*turns[:-1], last)):
            vector = await encoder.encode(turn, past)
            np.testing.assert_allclose(vector, vectors[row], atol=1e-4)
            past = np.concatenate([past, vector[None]])


async def test_phrases_do_not_depend_on_each_other(encoder: TorchContextEncoder) -> None:
    one = await encoder.embed_phrases([Phrase("Meg Bauer", "reply", "contact")])
    two = await encoder.embed_phrases(
        [
            Phrase("a much longer phrase than that", "screen"),
            Phrase("Meg Bauer", "reply", "contact"),
        ]
    )
    np.testing.assert_allclose(one[1], two[2], atol=1e-5)


async def test_cancelling_stops_before_the_next_layer(encoder: TorchContextEncoder) -> None:
    inside, go_on = threading.Event(), threading.Event()
    layers: list[int] = []

    def hold(module: Any, _: Any) -> None:
        layers.append(id(module))
        inside.set()
        assert go_on.wait(10), "the test never let the layer go on"

    hooks = [layer.register_forward_pre_hook(hold) for layer in encoder._model.layers]
    try:
        task = asyncio.create_task(encoder.encode(CONTACTS, no_past(encoder)))
        await asyncio.to_thread(inside.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()
    finally:
        go_on.set()
        # the single worker reaches this call only after the cancelled one has stopped
        await encoder.embed_phrases([])
        for hook in hooks:
            hook.remove()
    assert len(layers) == 1 < len(encoder._model.layers)
    assert np.isfinite(await encoder.encode(CONTACTS, no_past(encoder))).all()


async def test_wrong_past_and_too_many_phrases_are_refused(encoder: TorchContextEncoder) -> None:
    with pytest.raises(ContextUnavailable, match=r"shape \(1, 3\), wanted \(n, 384\)"):
        await encoder.encode(CONTACTS, np.zeros((1, 3), dtype=np.float32))
    with pytest.raises(ContextUnavailable, match="not finite"):
        await encoder.encode(CONTACTS, np.full((1, 384), np.nan, dtype=np.float32))
    phrase = Phrase("meg", "reply")
    assert len(await encoder.embed_phrases([phrase] * PHRASES_MAX)) == PHRASES_MAX + 1
    with pytest.raises(LimitExceeded, match="PHRASES_MAX"):
        await encoder.embed_phrases([phrase] * (PHRASES_MAX + 1))


def test_the_weights_are_small_and_hold_no_text() -> None:
    raw = weights.SHIPPED.read_bytes()
    assert len(raw) < weights.WEIGHTS_BYTES_MAX
    (size,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + size])
    assert set(header["__metadata__"]) == {weights.FORMAT}
    about = json.loads(header["__metadata__"][weights.FORMAT])
    assert set(about) == {"version", "config"}
    assert all(isinstance(size, int | float) for size in about["config"].values())
    modules = weights.load().state_dict()
    assert set(header) - {"__metadata__"} == set(modules)
    # the numbers are no text either: runs of letters are no longer than chance makes them
    assert max(len(run) for run in re.findall(rb"[A-Za-z ]+", raw[8 + size :])) < 16


def test_missing_damaged_and_foreign_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingPart, match="ctxasr train"):
        TorchContextEncoder.load(tmp_path)
    path = tmp_path / weights.FILE_NAME
    raw = weights.SHIPPED.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])
    with pytest.raises(DataError, match="a complete safetensors file"):
        weights.load(tmp_path)
    path.write_bytes(raw.replace(b'\\"version\\": 1', b'\\"version\\": 0', 1))
    with pytest.raises(DataError, match="version is 0, wanted 1"):
        weights.load(path)
    path.write_bytes(raw.replace(b'\\"width\\": 128', b'\\"width\\": 124', 1))
    with pytest.raises(DataError, match="do not fit"):
        weights.load(path)
    path.write_bytes(b"\0" * (weights.WEIGHTS_BYTES_MAX + 1))
    with pytest.raises(DataError, match="larger than"):
        weights.load(path)


def test_a_files_sizes_are_bounded_before_anything_is_allocated(tmp_path: Path) -> None:
    path, right = tmp_path / weights.FILE_NAME, asdict(EncoderConfig())

    def refusal(**config: object) -> str:
        """A file without tensors, whose configuration says these sizes."""
        about = {"version": weights.VERSION, "config": {**right, **config}}
        path.write_bytes(to_bytes({}, {weights.FORMAT: json.dumps(about)}))
        with pytest.raises(DataError) as error:
            weights.load(path)
        return str(error.value)

    for name, most in weights.SIZES_MAX.items():
        wrong: list[object] = [most + 1, 0, -1, 10**12, True, 2.0, str(most), None, [1]]
        for size in wrong:
            assert f"config.{name} is no whole number from 1 to {most}" in refusal(**{name: size})
        fits = {"heads": most, "width": 2 * most} if name == "heads" else {name: most}
        assert refusal(**fits).endswith("configuration and tensors do not fit each other")
    assert "an even multiple of config.heads (4)" in refusal(width=126)
    assert "an even multiple" in refusal(width=63, heads=1)
    for text in ("[", "[]", "null", '"x"', '{"version": 1, "config": 7}', "[" * 100_000):
        path.write_bytes(to_bytes({}, {weights.FORMAT: text}))
        with pytest.raises(DataError, match="no description of an encoder"):
            weights.load(path)


def test_the_largest_sizes_are_compared_without_memory() -> None:
    shapes = weights.shapes_of(EncoderConfig(**weights.SIZES_MAX))
    assert len([name for name in shapes if name.startswith("layers.23.")]) > 0
    shipped = {n: tuple(v.shape) for n, v in weights.load().state_dict().items()}
    assert weights.shapes_of(weights.load().config) == shipped


def test_loading_does_without_torchs_compiler() -> None:
    """It would take longer than all else that a start does."""
    code = (
        "import sys; from ctxasr.encoder import weights; weights.load()\n"
        "assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
