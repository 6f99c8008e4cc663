"""Weights without end: a file of a kilobyte whose configuration says that the model is enormous.

Whoever loads it would allocate what the configuration says before a single tensor is compared.

Attacker: whoever offers weights for download; the victim tries them.
Holds against it: each size has a limit, and the tensors' shapes are compared before any is made.
"""

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from _lab import Gained, Mutant, carry_out
from safetensors.torch import save

from ctxasr.encoder import weights
from ctxasr.encoder.transformer import ContextModel, EncoderConfig
from ctxasr.errors import DataError

MUTANT: Mutant = (
    "encoder/weights.py",
    "if type(size) is not int or not 1 <= size <= SIZES_MAX[name]:",
    "if False:",
)
GAINS = "a model of"


async def attack() -> str:
    right = asdict(EncoderConfig())
    for name, size in (("width", 2**40), ("hidden", 2**40), ("semantic", 2**40), ("layers", 2_000)):
        about = {"version": weights.VERSION, "config": {**right, name: size}}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / weights.FILE_NAME
            path.write_bytes(save({}, {weights.FORMAT: json.dumps(about)}))
            built: list[int] = []
            begin: Any = ContextModel.__init__

            def noted(self: Any, config: EncoderConfig) -> None:
                built.append(max(asdict(config).values()))  # noqa: B023
                raise DataError("the attacker has seen enough")

            ContextModel.__init__ = noted  # type: ignore[method-assign]
            try:
                weights.load(path)
            except DataError:
                pass
            finally:
                ContextModel.__init__ = begin  # type: ignore[method-assign]
            if built:
                raise Gained(f"a model of {name} {size} is built as the file says")
    return "sizes are refused by name before anything is allocated"


if __name__ == "__main__":
    carry_out(attack)
