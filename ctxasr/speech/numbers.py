"""How digits are said: "21" is "twenty one", "1984" also "nineteen eighty four", "24th" an ordinal.

Only what names and short answers need; anything long is read digit by digit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

CARDINAL_DIGITS_MAX: Final = 4
"""More digits are a telephone or account number: read one by one."""

ROUND_DIGITS_MAX: Final = 9
"""Digits of a number of thousands or millions that is said as one."""

_ONES: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
).split()
_TENS: Final = " ten twenty thirty forty fifty sixty seventy eighty ninety".split(" ")
_IRREGULAR_ORDINALS: Final = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth",
    "nine": "ninth", "twelve": "twelfth",
}  # fmt: skip
_ORDINAL: Final = re.compile(r"(\d+)(?:st|nd|rd|th)")
_DECADE: Final = re.compile(r"(1[0-9]|20)?([2-9])0s")
_SCALES: Final = ((1_000_000, "million"), (1_000, "thousand"), (100, "hundred"))


def number_readings(digits: str) -> tuple[tuple[str, ...], ...]:
    """The word sequences in which a run of decimal digits is said, the most usual first."""
    one_by_one = tuple(_ONES[int(digit)] for digit in digits)
    oh = tuple("oh" if word == "zero" else word for word in one_by_one)
    if digits.startswith("0"):
        return _distinct(one_by_one, oh)
    long = CARDINAL_DIGITS_MAX if digits[-3:] != "000" else ROUND_DIGITS_MAX
    if len(digits) > long:
        return _distinct(one_by_one, oh)
    number = int(digits)
    cardinal = tuple(_cardinal(number))
    readings = [cardinal]
    if len(digits) == 4:
        high, low = divmod(number, 100)
        tail = ["hundred"] if low == 0 else ["oh"] * (low < 10) + _cardinal(low)
        pairs = (*_cardinal(high), *tail)
        readings = [cardinal, pairs] if high % 10 == 0 else [pairs, cardinal]
    if len(digits) == 3 and number % 100:
        high, low = divmod(number, 100)
        readings.append((_ONES[high], *["oh"] * (low < 10), *_cardinal(low)))
    if len(digits) > 2 and number % 100 > 0:
        head = number - number % 100
        readings.append((*_cardinal(head), "and", *_cardinal(number % 100)))
    if cardinal[0] == "one" and len(digits) > 2:
        readings.append(("a", *cardinal[1:]))
    return _distinct(*readings)


def ordinal_reading(word: str) -> tuple[str, ...] | None:
    """ "24th" -> ("twenty", "fourth"); None for what is no ordinal of a small number."""
    match = _ORDINAL.fullmatch(word)
    if match is None or len(match[1]) > CARDINAL_DIGITS_MAX:
        return None
    return ordinal_of(_cardinal(int(match[1])))


def decade_reading(word: str) -> tuple[str, ...] | None:
    """ "80s" -> ("eighties",), "1980s" -> ("nineteen", "eighties"); None for other words."""
    match = _DECADE.fullmatch(word)
    if match is None:
        return None
    tens = _TENS[int(match[2])]
    return (*_cardinal(int(match[1])), tens[:-1] + "ies") if match[1] else (tens[:-1] + "ies",)


def ordinal_of(cardinal: Sequence[str]) -> tuple[str, ...]:
    """("twenty", "four") -> ("twenty", "fourth")."""
    *head, last = cardinal
    if last in _IRREGULAR_ORDINALS:
        return (*head, _IRREGULAR_ORDINALS[last])
    return (*head, last[:-1] + "ieth" if last.endswith("y") else last + "th")


def _cardinal(number: int) -> list[str]:
    if number < 20:
        return [_ONES[number]]
    if number < 100:
        tens, ones = divmod(number, 10)
        return [_TENS[tens]] + ([_ONES[ones]] if ones else [])
    size, name = next((size, name) for size, name in _SCALES if number >= size)
    high, low = divmod(number, size)
    return [*_cardinal(high), name, *(_cardinal(low) if low else [])]


def _distinct(*readings: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(dict.fromkeys(readings))


_CARDINALS: Final = (*_ONES, *_TENS[1:], *(name for _, name in _SCALES))

NUMBER_WORDS: Final = frozenset((*_CARDINALS, *(ordinal_of([word])[0] for word in _CARDINALS)))
"""Words that name a number."""
