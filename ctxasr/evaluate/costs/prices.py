"""Prices: a named, dated list, every one of which can be given otherwise.

The list below is from public pages about us-east-1, on-demand, first tier, without free tiers, as
of its date. Nothing is fetched: check it before a decision stands on it.

A file of your own is YAML or JSON, a name and a number each; names that are left out stay:

    as_of: 2026-11
    write_usd_per_million: 0.625
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from ctxasr.charset import decoded
from ctxasr.errors import InputError, LimitExceeded

PRICE_FILE_BYTES_MAX: Final = 65_536
"""A price list has a dozen lines."""

WORD_CHARS_MAX: Final = 64
"""`region` and `as_of`: they are printed."""


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars. `write` and `read` are DynamoDB's request units: one capacity unit consumed."""

    as_of: str = "2025-07"
    region: str = "us-east-1"
    write_usd_per_million: float = 0.625
    read_usd_per_million: float = 0.125
    storage_usd_per_gb_month: float = 0.25
    kms_usd_per_million: float = 3.00
    lambda_usd_per_million: float = 0.20
    lambda_usd_per_gb_s: float = 0.0000166667
    sqs_usd_per_million: float = 0.40

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


NUMBERS: Final = tuple(one.name for one in fields(Prices) if one.name not in ("as_of", "region"))
"""The names that stand for numbers."""


def load_prices(
    path: Path | None, given: Iterable[str] = (), prices: Prices | None = None
) -> Prices:
    """The list (or `prices`), changed by a file and then by texts as "read_usd_per_million=0.25".

    Raises:
        InputError: the file cannot be read, a name is unknown, or a price is no number from 0.
    """
    prices = prices or Prices()
    if path is not None:
        prices = _changed(prices, _read(path), str(path))
    for text in given:
        name, sign, value = text.partition("=")
        if not sign:
            raise InputError(f"--price {text}: write it as NAME=USD, for example {NUMBERS[0]}=1.25")
        prices = _changed(prices, {name.strip(): value.strip()}, "--price")
    return prices


def prices_from(document: dict[str, Any], where: str) -> Prices:
    """The inverse of `to_json`.

    Raises:
        InputError: as of `load_prices`.
    """
    return _changed(Prices(), document, where)


def _changed(prices: Prices, values: dict[str, Any], where: str) -> Prices:
    new: dict[str, Any] = {}
    for name, value in values.items():
        if name in ("as_of", "region"):
            new[name] = str(value)
            if len(new[name]) > WORD_CHARS_MAX or not new[name].isprintable():
                raise InputError(f"{where}: {name}: a short word such as 2026-11 would be right")
        elif name in NUMBERS:
            new[name] = _number(value, f"{where}: {name}")
        else:
            known = ", ".join(("as_of", "region", *NUMBERS))
            raise InputError(f"{where}: there is no price of that name; known are {known}")
    if where == "--price" or (new and "as_of" not in new):
        new.setdefault("as_of", _marked(prices.as_of))
    return replace(prices, **new)


def _marked(as_of: str) -> str:
    """A list that was changed does not pass for the one of its date."""
    return as_of if as_of.endswith("changed") else f"{as_of}, changed"


def _number(value: Any, where: str) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number < math.inf:
        raise InputError(f"{where}: a number from 0, in US dollars, would be right")
    return number


def _read(path: Path) -> dict[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        with path.open("rb") as file:
            data = file.read(PRICE_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    if len(data) > PRICE_FILE_BYTES_MAX:
        raise LimitExceeded("PRICE_FILE_BYTES_MAX", PRICE_FILE_BYTES_MAX, len(data), str(path))
    try:
        found = YAML(typ="safe", pure=True).load(decoded(data))
    except (YAMLError, ValueError, RecursionError):
        raise InputError(
            f"{path}: not YAML or JSON; lines such as 'kms_usd_per_million: 3'"
        ) from None
    if not isinstance(found, dict):
        raise InputError(f"{path}: lines such as 'kms_usd_per_million: 3' would be right")
    return {str(name): value for name, value in found.items()}
