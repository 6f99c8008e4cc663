"""Figures as plain data: what stands in a workload file for a distribution, a share, a curve.

    speech_ms: {median: 1500, p99: 5000}      log-normal, by two figures
    think_ms: {values: [120, 300, 310, 900]}  what was measured, or quantiles at equal steps
    reply_ms: 3000                            always the same

Files are JSON or YAML, in UTF-8.
"""

from __future__ import annotations

import json
import math
import re
from functools import partial
from pathlib import Path
from statistics import NormalDist
from typing import Annotated, Any, Final, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, InstanceOf, TypeAdapter
from pydantic import ValidationError as Invalid
from pydantic_core import PydanticCustomError

from ctxasr.charset import decoded
from ctxasr.errors import InputError, LimitExceeded
from ctxasr.events import TEXT_BYTES_MAX
from ctxasr.sim.quantiles import P99, STEPS, Quantiles
from ctxasr.sim.workload.curve import CURVES, HOURS
from ctxasr.timing import REPLY_MS_MAX

T = TypeVar("T")

WORKLOAD_FILE_BYTES_MAX: Final = 2_000_000
"""A fitted workload has about 1,025 numbers for each of 16 distributions, 8 bytes each."""

VALUES_MAX: Final = 100_000
"""Values of one distribution in a file."""

FIGURE_MAX: Final = 1e9
"""The largest duration in ms where nothing says less, eleven days, and weight of an hour."""

RATE_MIN: Final = 1e-6
"""The least rate: a dialogue in eleven days."""

RATE_MAX: Final = 1e6
"""Dialogues that begin in a second."""

_DIGITS: Final = 6
"""Figures are written with so many significant digits."""

_Q75: Final = NormalDist().inv_cdf(0.75)
_MESSAGES: Final = {
    "missing": "this required field is missing",
    "tuple_type": "must be a list",
    "dataclass_type": "must be a mapping of names and values",
    "dict_type": "must be a mapping of names and values",
    "model_type": "must be an object of names and values",
    "model_attributes_type": "must be an object of names and values",
    "float_type": "must be a number, without quotes",
    "finite_number": "must be a finite number",
    "int_type": "must be a whole number, without quotes",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false, without quotes",
    "string_type": "must be a text, in quotes",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "too_long": "must have at most {max_length} entries",
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:.15g}",
    "value_error": "{error}",
}
_RIGHT: Final = "a number, {median: M, p99: P} or {values: [...]} would be right"


def _is_figure(value: Any, most: float = FIGURE_MAX) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 <= value <= most  # no NaN


def _wrong(what: str) -> PydanticCustomError:
    return PydanticCustomError("workload", "{what}", {"what": what})


def _distribution(name: str, most: float, value: Any) -> Quantiles:
    """`most` is the largest figure of such a distribution, and `name` that of the limit."""
    if isinstance(value, Quantiles):
        return value
    if _is_figure(value, most):
        return Quantiles.always(float(value))
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise _wrong(f"must be from 0 to {name} ({most:g})")
    if not isinstance(value, dict):
        raise _wrong(f"is no distribution; {_RIGHT}")
    if value.keys() == {"median", "p99"}:
        median, p99 = value["median"], value["p99"]
        if not (_is_figure(median, most) and _is_figure(p99, most) and 0 < median < p99):
            right = f"above 0, at most {name} ({most:g}), and the p99 the greater one"
            raise _wrong(f"median and p99 must be numbers {right}")
        return Quantiles.lognormal(float(median), float(p99))
    if value.keys() == {"values"}:
        values = value["values"]
        if not isinstance(values, list | tuple) or not 1 <= len(values) <= VALUES_MAX:
            raise _wrong(f"values must be a list of 1 to VALUES_MAX ({VALUES_MAX}) numbers")
        if not all(_is_figure(one, most) for one in values):
            raise _wrong(f"values must be numbers from 0 to {name} ({most:g})")
        return Quantiles.fit([float(one) for one in values])
    raise _wrong(f"has other keys than a distribution; {_RIGHT}")


def _curve(value: Any) -> Any:
    if isinstance(value, str) and value in CURVES:
        return CURVES[value]
    if (
        not isinstance(value, list | tuple)
        or len(value) != HOURS
        or not all(map(_is_figure, value))
    ):
        known = ", ".join(CURVES)
        raise _wrong(f"must be {known}, or {HOURS} numbers from 0, one for each hour from midnight")
    if not sum(value) > 0:
        raise _wrong("must have an hour in which dialogues begin")
    return tuple(float(one) for one in value)


def _number(value: Any) -> Any:
    if not _is_figure(value):
        raise _wrong("must be a number from 0, without quotes")
    return float(value)


def _some(value: tuple[float, ...]) -> tuple[float, ...]:
    if not value:
        raise _wrong("must have at least one share")
    return value


Distribution = Annotated[
    InstanceOf[Quantiles], BeforeValidator(partial(_distribution, "FIGURE_MAX", FIGURE_MAX))
]
Replies = Annotated[
    InstanceOf[Quantiles], BeforeValidator(partial(_distribution, "REPLY_MS_MAX", REPLY_MS_MAX))
]
Sizes = Annotated[
    InstanceOf[Quantiles], BeforeValidator(partial(_distribution, "TEXT_BYTES_MAX", TEXT_BYTES_MAX))
]
Curve = Annotated[tuple[float, ...], BeforeValidator(_curve)]
Share = Annotated[float, Field(le=1), BeforeValidator(_number)]
Rate = Annotated[float, Field(ge=RATE_MIN, le=RATE_MAX), BeforeValidator(_number)]
Shares = Annotated[tuple[Share, ...], AfterValidator(_some)]


def plain(one: Quantiles) -> float | dict[str, Any]:
    """A distribution as it stands in a file; the inverse of reading, to six digits."""
    low, median, high = one.table[0], one.table[STEPS // 2], one.table[-1]
    if low == high:
        return _rounded(low)
    upper = one.table[STEPS * 3 // 4]
    if 0 < median < upper:
        p99 = _rounded(median * (upper / median) ** (P99 / _Q75))
        median = _rounded(median)
        if median < p99 and all(map(_near, Quantiles.lognormal(median, p99).table, one.table)):
            return {"median": median, "p99": p99}
    return {"values": [_rounded(value) for value in one.table]}


def _near(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-4)


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def checked(adapter: TypeAdapter[T], document: Any, known: tuple[str, ...], where: str) -> T:
    """The document as what the adapter makes of it.

    Raises:
        InputError: names `where`, the first wrong field, and what would be right.
    """
    try:
        return adapter.validate_python(document)
    except Invalid as error:
        raise InputError(f"{where}: {complaint(error, known)}") from None


def complaint(error: Invalid, known: tuple[str, ...]) -> str:
    """One line: the first wrong field and what would be right, without the value that came."""
    first = error.errors(include_input=False, include_url=False)[0]
    place = [str(part) for part in first["loc"]]
    if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        key = key_named(place.pop())
        names = f"; known are {', '.join(known)}" if not place else ""
        return ": ".join([*filter(None, [".".join(place)]), f"{key} is not known{names}"])
    field = ".".join(place)
    said = _MESSAGES.get(first["type"], "{msg}").format(msg=first["msg"], **first.get("ctx", {}))
    return f"{field}: {said}" if field else said


def key_named(key: str) -> str:
    """A key as a message names it: what may be a sentence is not said."""
    return f"the key {key!r}" if re.fullmatch(r"\w{1,40}", key, re.ASCII) else "a key"


def read_plain(path: Path) -> Any:
    """The plain data of a JSON or YAML file.

    Raises:
        InputError: the file cannot be read, is neither, or has a key twice; names the line.
        LimitExceeded: WORKLOAD_FILE_BYTES_MAX.
    """
    text = _text_of(path)
    try:
        return json.loads(text, object_pairs_hook=_each_once)
    except _TwiceError as error:
        raise InputError(f"{path}: {error}") from None
    except (ValueError, RecursionError):
        return _yaml(text, path)


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(WORKLOAD_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    if len(data) > WORKLOAD_FILE_BYTES_MAX:
        raise LimitExceeded(
            "WORKLOAD_FILE_BYTES_MAX", WORKLOAD_FILE_BYTES_MAX, len(data), str(path)
        )
    try:
        return decoded(data)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}:{line}: not UTF-8, which would be right") from None


class _TwiceError(Exception):
    """A key stands twice in one object."""


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _TwiceError(f"{key_named(key)} stands twice; once would be right")
        found[key] = value
    return found


def _yaml(text: str, path: Path) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.constructor import DuplicateKeyError
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        return YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, RecursionError) as error:
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        where = str(path) if mark is None else f"{path}:{mark.line + 1}"
        what = "not JSON or YAML; lines such as 'rate: 10' would be right"
        if isinstance(error, DuplicateKeyError):
            what = "a key stands twice; once would be right"
        raise InputError(f"{where}: {what}") from None


def read_curve(name: str) -> tuple[float, ...]:
    """The curve of this name, or of the file of this name: 24 numbers, as a list or by themselves.

    Raises:
        InputError: neither, or no curve.
    """
    if name in CURVES:
        return CURVES[name]
    if not Path(name).is_file():
        known = ", ".join(CURVES)
        raise InputError(f"curve {name[:80]!r}: neither a file nor one of {known}")
    found: Any
    try:
        found = [float(one) for one in _text_of(Path(name)).split()]
    except ValueError:
        found = read_plain(Path(name))
    return checked(TypeAdapter(Curve), found, (), name)
