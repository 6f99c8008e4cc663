"""Reads the weights out of a `model.bin` of CTranslate2, the file that faster-whisper loads.

    version  name  revision                 u32, string, u32
    count    (name  rank  dims  type  bytes  data) ...          u32; string, u8, u32s, u8, u32
    count    (alias  name) ...                                  u32; two strings

Little-endian; a string is its length (u16) and as many bytes, the last one zero. Matrices of whole
numbers have a `NAME_scale` beside them, by which each row was multiplied.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from ctxasr.errors import DataError

FORMAT_VERSION: Final = 6
"""Of the file; older ones lack what is read here."""

BFLOAT16: Final = 5
_TYPES: Final = {0: "<f4", 1: "|i1", 2: "<i2", 3: "<i4", 4: "<f2", BFLOAT16: "<u2"}
"""numpy has no bfloat16: it is read as the upper half of a float32."""

Tensors = dict[str, NDArray[np.float32]]


def read_tensors(path: Path, wanted: Callable[[str], bool]) -> Tensors:
    """The tensors whose names are `wanted`, by every name they have, as float32.

    Raises:
        DataError: there is no such file, or it is of another form.
    """
    try:
        with path.open("rb") as file:
            return _read(file, wanted)
    except (OSError, struct.error, KeyError, ValueError):
        raise DataError(
            f"{path}: is no model.bin of CTranslate2, version {FORMAT_VERSION}"
        ) from None


def _read(file: BinaryIO, wanted: Callable[[str], bool]) -> Tensors:
    def number(form: str) -> int:
        size = struct.calcsize(form)
        value: int = struct.unpack(f"<{form}", file.read(size))[0]
        return value

    def text() -> str:
        return file.read(number("H")).rstrip(b"\0").decode()

    if number("I") != FORMAT_VERSION:
        raise ValueError
    text(), number("I")
    found: Tensors = {}
    for _ in range(number("I")):
        name = text()
        shape = [number("I") for _ in range(number("B"))]
        kind, size = number("B"), number("I")
        if not wanted(name.removesuffix("_scale")):
            file.seek(size, 1)
            continue
        values = np.frombuffer(file.read(size), _TYPES[kind]).reshape(shape)
        if kind == BFLOAT16:
            values = (values.astype(np.uint32) << 16).view(np.float32)
        found[name] = values.astype(np.float32)
    for name in [name for name in found if name.endswith("_scale")]:
        found[name.removesuffix("_scale")] /= found.pop(name)[..., None]
    for _ in range(number("I")):
        alias, name = text(), text()
        if name in found:
            found[alias] = found[name]
    return found
