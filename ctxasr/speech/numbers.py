"""How digits are said: "21" is "twenty one", "1984" also "nineteen eighty four", "24th" an ordinal.

Only what names and short answers need; anything long is read digit by digit.
"""

from __future__ import annotations

import re
from typing import Final

CARDINAL_DIGITS_MAX: Final = 4
"""More digits are a telephone or account number: read one by one."""

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


def number_readings(digits: str) -> tuple[tuple[str, ...], ...]:
    """The word sequences in which a run of decimal digits is said, the most usual first."""
    one_by_one = tuple(_ONES[int(digit)] for digit in digits)
    if len(digits) > CARDINAL_DIGITS_MAX or (digits.startswith("0") and len(digits) > 1):
        oh = tuple("oh" if word == "zero" else word for word in one_by_one)
        return _distinct(one_by_one, oh)
    number = int(digits)
    cardinal = tuple(_below_ten_thousand(number))
    if len(digits) == 4:
        high, low = divmod(number, 100)
        tail = ["hundred"] if low == 0 else ["oh"] * (low < 10) + _below_ten_thousand(low)
        pairs = (*_below_ten_thousand(high), *tail)
        return _distinct(*((cardinal,) if high % 10 == 0 else (pairs, cardinal)), pairs)
    if len(digits) == 3:
        high, low = divmod(number, 100)
        if low:
            pairs = (_ONES[high], *["oh"] * (low < 10), *_below_ten_thousand(low))
            return _distinct(cardinal, pairs)
    return (cardinal,)


def ordinal_reading(word: str) -> tuple[str, ...] | None:
    """ "24th" -> ("twenty", "fourth"); None for what is no ordinal of a small number."""
    match = _ORDINAL.fullmatch(word)
    if match is None or len(match[1]) > CARDINAL_DIGITS_MAX:
        return None
    *head, last = _below_ten_thousand(int(match[1]))
    if last in _IRREGULAR_ORDINALS:
        return (*head, _IRREGULAR_ORDINALS[last])
    return (*head, last[:-1] + "ieth" if last.endswith("y") else last + "th")


def _below_ten_thousand(number: int) -> list[str]:
    if number < 20:
        return [_ONES[number]]
    if number < 100:
        tens, ones = divmod(number, 10)
        return [_TENS[tens]] + ([_ONES[ones]] if ones else [])
    size, name = (1000, "thousand") if number >= 1000 else (100, "hundred")
    high, low = divmod(number, size)
    return [*_below_ten_thousand(high), name, *(_below_ten_thousand(low) if low else [])]


def _distinct(*readings: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(dict.fromkeys(readings))
