"""The weights file: safetensors in half precision, the configuration in its metadata.

    metadata  {"ctxasr-encoder": '{"version": 1, "config": {...}}'}

One entry, because safetensors writes several in any order and equal weights should be equal bytes.
The tensors' names are those of the modules; nothing else in the file is text.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import nn
from torch.overrides import TorchFunctionMode

from ctxasr.encoder.transformer import ContextModel, EncoderConfig
from ctxasr.errors import DataError, MissingPart

FORMAT: Final = "ctxasr-encoder"
VERSION: Final = 1
"""Raised whenever tokens, towers or tensor names change: old vectors do not fit new rows."""

WEIGHTS_BYTES_MAX: Final = 10_000_000
"""Refused beyond this: the shipped model has 5.2 MB, and the package should stay small."""

SIZES_MAX: Final = {
    "width": 1_024, "heads": 64, "layers": 24, "hidden": 4_096, "phrase_hidden": 4_096,
    "semantic": 1_024,
}  # fmt: skip
"""What a file's configuration may say: ten times what the shipped model has, and a model of these
sizes still fits into a laptop's memory. WEIGHTS_BYTES_MAX bounds what its tensors take."""

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
            names = list(file.keys())
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in names}
            config = _config(path, (file.metadata() or {}).get(FORMAT, "{}"))
            if shapes != shapes_of(config):
                raise DataError(f"{path}: configuration and tensors do not fit each other")
            tensors = {name: file.get_tensor(name).float() for name in names}
    except (SafetensorError, OSError, ValueError) as error:
        raise DataError(
            f"{path}: {type(error).__name__}; a complete safetensors file is wanted"
        ) from None
    for value in tensors.values():
        if not torch.isfinite(value).all():
            raise DataError(f"{path}: a tensor holds values that are not finite")
    model = ContextModel(config)
    model.load_state_dict(tensors)
    return model.eval()


def shapes_of(config: EncoderConfig) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor of a model; nothing of that size is allocated."""
    with torch.device("meta"), _Uninitialised():
        modules = ContextModel(config).state_dict()
    return {name: tuple(value.shape) for name, value in modules.items()}


class _Uninitialised(TorchFunctionMode):
    """Tensors keep what they hold: drawing their values loads torch's compiler, which takes 1.4 s,
    also where they hold nothing."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        given = kwargs or {}
        if getattr(func, "__module__", "") == nn.init.__name__:
            return given["tensor"] if "tensor" in given else args[0]
        return func(*args, **given)


def _config(path: Path, text: str) -> EncoderConfig:
    """The sizes that the file states, each within its limit.

    Raises:
        DataError: names the size that is wrong, and what would be right.
    """
    try:
        about = json.loads(text)
        version, given = about.get("version"), dict(about.get("config", {}))
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise DataError(f"{path}: its metadata are no description of an encoder") from None
    if version != VERSION:
        raise DataError(
            f"{path}: {FORMAT} version is {str(version)[:20]}, wanted {VERSION}; "
            "`ctxasr train --data DIR --out DIR` makes new weights"
        )
    sizes = {name: given[name] for name in SIZES_MAX if name in given}
    for name, size in sizes.items():
        if type(size) is not int or not 1 <= size <= SIZES_MAX[name]:
            raise DataError(f"{path}: config.{name} is no whole number from 1 to {SIZES_MAX[name]}")
    config = EncoderConfig(**sizes)
    if config.width % config.heads or config.width % 2:
        raise DataError(
            f"{path}: config.width is {config.width}; an even multiple of config.heads "
            f"({config.heads}) is wanted"
        )
    return config
