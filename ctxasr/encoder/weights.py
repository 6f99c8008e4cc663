"""The weights file: safetensors in half precision, the configuration in its metadata.

    metadata  {"ctxasr-encoder": '{"version": 1, "config": {...}}'}

One entry, because safetensors writes several in any order and equal weights should be equal bytes.
The tensors' names are those of the modules; nothing else in the file is text.
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes

from ctxasr.encoder.transformer import ContextModel, EncoderConfig
from ctxasr.errors import DataError, MissingPart

FORMAT: Final = "ctxasr-encoder"
VERSION: Final = 1
"""Raised whenever tokens, towers or tensor names change: old vectors do not fit new rows."""

WEIGHTS_BYTES_MAX: Final = 10_000_000
"""Refused beyond this: the shipped model has 5.2 MB, and the package should stay small."""

FILE_NAME: Final = "context.safetensors"
SHIPPED: Final = Path(__file__).parent / "weights" / FILE_NAME


def save(model: ContextModel, path: Path) -> None:
    """Write the model; floats in half precision."""
    tensors = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    about = {"version": VERSION, "config": asdict(model.config)}
    path.write_bytes(to_bytes(tensors, {FORMAT: json.dumps(about, sort_keys=True)}))


def load(path: Path | None = None) -> ContextModel:
    """The model at `path` (the shipped one by default), in single precision, for inference.

    Raises:
        MissingPart: there is no file.
        DataError: the file is damaged, of another version, or holds other tensors.
    """
    path = path or SHIPPED
    if path.is_dir():
        path = path / FILE_NAME
    if not path.is_file():
        raise MissingPart(f"{path} is missing; `ctxasr train --data DIR --out DIR` makes it")
    if path.stat().st_size > WEIGHTS_BYTES_MAX:
        raise DataError(f"{path}: larger than {WEIGHTS_BYTES_MAX} bytes; no encoder weights")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise DataError(
            f"{path}: {type(error).__name__}; a complete safetensors file is wanted"
        ) from None
    try:
        about = json.loads(metadata.get(FORMAT, "{}"))
        if about.get("version") != VERSION:
            raise DataError(
                f"{path}: {FORMAT} version is {about.get('version')}, wanted {VERSION}; "
                "`ctxasr train --data DIR --out DIR` makes new weights"
            )
        known = {field.name for field in fields(EncoderConfig)}
        given = {name: size for name, size in about["config"].items() if name in known}
        model = ContextModel(EncoderConfig(**given))
        model.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise DataError(
            f"{path}: {type(error).__name__}; configuration and tensors do not fit each other"
        ) from None
    for value in tensors.values():
        if not torch.isfinite(value).all():
            raise DataError(f"{path}: a tensor holds values that are not finite")
    return model.eval()
